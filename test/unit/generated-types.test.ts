import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { generateTypes } from '../../scripts/generate-types.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const crd = readFileSync(path.join(root, 'crds', 'rollouts.yaml'), 'utf8');
const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-types-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function formatted(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  const oxfmt = path.join(root, 'node_modules', 'oxfmt', 'bin', 'oxfmt');
  execFileSync(process.execPath, [oxfmt, `--config=${path.join(root, '.oxfmtrc.json')}`, file]);
  return readFileSync(file, 'utf8');
}

describe('the types of the Rollout', () => {
  test.each(Object.entries(generateTypes(crd)))('src/api/%s is what the CRD says', (name, text) => {
    const present = readFileSync(path.join(root, 'src', 'api', name), 'utf8');
    expect(formatted(name, text), 'run `npm run generate && npm run format`').toBe(present);
  });

  test('change when the CRD does', () => {
    const changed = generateTypes(crd.replace('nativeLB:', 'nativeLoadBalancing:'));
    expect(changed['rollout.ts']).toContain('readonly nativeLoadBalancing: boolean;');
  });

  test('cannot be made from an object without a name', () => {
    expect(() => generateTypes(crd.replace('RouteRef names', 'names'))).toThrow('must begin with its name');
  });
});
