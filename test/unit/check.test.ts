import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { anchorOf } from '../../scripts/reference-words.ts';
import { checkText, isRight, type Tried } from '../../src/cli/check-report.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const links = globSync('src/check/*.ts', { cwd: root }).flatMap((file) =>
  [...readFileSync(path.join(root, file), 'utf8').matchAll(/'([\w-]+\.md(?:#[\w-]+)?)'/g)].map(([, link = '']) => link),
);

describe('a line of check', () => {
  const wrong: Tried = { state: 'Wrong', what: 'Kinds', message: 'none', advice: 'Apply them.', docs: 'proxy.md' };

  it('says below what is wrong what to do and where more stands', () => {
    const right: Tried = { state: 'Right', what: 'API server', message: 'v1.36.3', docs: 'proxy.md' };
    const unsure: Tried = { state: 'Unsure', what: 'Flags', message: 'not read' };
    expect(checkText([right, wrong, unsure])).toBe(
      '✓ API server: v1.36.3\n✗ Kinds: none\n    Apply them.\n    see docs/proxy.md\n! Flags: not read',
    );
    expect(isRight([right, unsure])).toBe(true);
    expect(isRight([right, wrong])).toBe(false);
  });

  it.each([...new Set(links)])('leads to a heading that there is: %s', (link) => {
    const [page = '', anchor] = link.split('#');
    const file = path.join(root, 'docs', page);
    expect(existsSync(file)).toBe(true);
    const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      anchorOf(heading),
    );
    if (anchor !== undefined) expect(headings).toContain(anchor);
  });
});
