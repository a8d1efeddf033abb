import { globSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { findViolations, importsOf, readSources } from './support/import-graph.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = readSources(path.join(root, 'src'));

describe('the source tree', () => {
  test('imports only downwards and without a cycle', () => {
    expect(Object.keys(sources)).toContain('errors.ts');
    expect(findViolations(sources)).toEqual([]);
  });

  test('has files of at most 300 lines', () => {
    const tooLong = Object.entries(sources)
      .map(([file, text]) => ({ file, lines: text.trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > 300);
    expect(tooLong).toEqual([]);
  });

  test('has no file or folder whose name says nothing about what is in it', () => {
    const files = globSync('{src,test,scripts}/**/*', { cwd: root });
    expect(files.length).toBeGreaterThan(20);
    const vague = /^(?:utils?|helpers?|common|types|managers?)$/;
    expect(files.filter((file) => vague.test(path.basename(file).replace(/(?:\.test)?\.\w+$/, '')))).toEqual([]);
  });
});

describe('the import graph', () => {
  test('finds imports of every form, and none in comments', () => {
    const text = `
      import a from './a.ts';
      import type { B } from "./b.ts";
      import {
        type C,
        c,
      } from './c.ts';
      export * from './d.ts';
      export { type E } from './e.ts';
      import './f.ts';
      const g = await import('./g.ts');
      type H = import('./h.ts').H;
      import * as i from 'node:fs';
      // import j from './j.ts';
      /** Use it as import('./k.ts').
       import l from './l.ts'; */
      export const m = "from './m.ts'";
      const n = await import(name);
    `;
    const relative = 'abcdefgh'.split('').map((letter) => `./${letter}.ts`);
    expect([...importsOf(text)].sort()).toEqual([...relative, '?', 'node:fs'].sort());
  });

  test.each([
    [
      'an upward type import',
      { 'rollout/decide.ts': "import type { Store } from '../kube/store.ts';", 'kube/store.ts': '' },
      'rollout/decide.ts (rank 3) imports kube/store.ts (rank 4) upwards',
    ],
    [
      'an import of a folder with the same rank',
      { 'kube/watch.ts': "export { loop } from '../controller/controller.ts';", 'controller/controller.ts': '' },
      'kube/watch.ts imports controller/controller.ts of another folder with the same rank 4',
    ],
    [
      'a cycle within one folder',
      {
        'traffic/a.ts': "import { b } from './b.ts';",
        'traffic/b.ts': "import type { C } from './c.ts';",
        'traffic/c.ts': "const a = import('./a.ts');",
      },
      'cycle: traffic/a.ts → traffic/b.ts → traffic/c.ts → traffic/a.ts',
    ],
    [
      'an import of a leaf by a leaf that closes a cycle',
      { 'errors.ts': "import './clock.ts';", 'clock.ts': "import './errors.ts';" },
      'cycle: errors.ts → clock.ts → errors.ts',
    ],
    ['a folder without a rank', { 'misc/a.ts': '' }, 'misc/a.ts lies in no folder of the rank table'],
    [
      'an import out of the tree',
      { 'cli/version.ts': "import p from '../../package.json';" },
      'cli/version.ts imports ../package.json, which is no file of src',
    ],
    [
      'a computed import',
      { 'cli/table.ts': 'await import(name);' },
      'cli/table.ts imports something computed, which nobody can check',
    ],
  ])('reports %s', (_, bad, message) => {
    expect(findViolations(bad)).toEqual([message]);
  });

  test('accepts lower ranks and the own folder', () => {
    const good = {
      'errors.ts': '',
      'api/rollout.ts': "import { SluiceError } from '../errors.ts';",
      'rollout/decide.ts': "import type { Rollout } from '../api/rollout.ts';\nimport { steps } from './steps.ts';",
      'rollout/steps.ts': '',
      'run.ts': "import { config } from './config.ts';\nimport { decide } from './rollout/decide.ts';",
      'config.ts': '',
    };
    expect(findViolations(good)).toEqual([]);
  });
});
