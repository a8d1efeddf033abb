import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { anchorOf } from '../../scripts/reference-words.ts';
import { ranks } from '../support/import-graph.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const pages = globSync('{*.md,docs/**/*.md}', { cwd: root });

function anchorsIn(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));
}

describe.each(pages)('%s', (page) => {
  const text = read(page);

  test('has no dead link to a file or a heading', () => {
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)]
      .map(([, link = '']) => link)
      .filter((link) => !link.includes('://'));
    const dead = links.filter((link) => {
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? page : path.join(path.dirname(page), file);
      if (!existsSync(path.join(root, target))) return true;
      return anchor !== undefined && !anchorsIn(read(target)).includes(anchor);
    });
    expect(dead).toEqual([]);
  });

  test('never asks kubectl for rollouts without a group, which shows those of Argo where it is installed', () => {
    const commands = [
      ...text.matchAll(
        /kubectl(?! argo\b)[^`\n]*\brollouts?\b(?! (?:status|restart))(?!\.(?:sluice\.dev|argoproj\.io))[^`\n]*/g,
      ),
    ].map(([line]) => line);
    // The sentence that says so has to name it.
    expect(commands.filter((line) => line !== 'kubectl get rollouts')).toEqual([]);
  });
});

describe('docs/architecture.md', () => {
  test('has every folder and file of src with its rank', () => {
    const lines = [...read('docs/architecture.md').matchAll(/^ {4}([\w.-]+)\/? +r(\d+)\b/gm)];
    const documented = Object.fromEntries(lines.map(([, name = '', rank]) => [name, Number(rank)]));
    const present = readdirSync(path.join(root, 'src'));
    expect(documented).toEqual(Object.fromEntries(present.map((name) => [name, ranks[name]])));
  });
});
