import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { errorTable } from '../../src/errors.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(path.join(root, 'docs', 'troubleshooting.md'), 'utf8');
const files = globSync('src/**/*.ts', { cwd: root });

/** literalsIn returns the CamelCase string literals of an expression, e.g. of both branches of a conditional one. */
function literalsIn(expression: string): readonly string[] {
  return [...expression.matchAll(/'([A-Z][A-Za-z]+)'/g)].map(([, word = '']) => word);
}

/** reasonsIn finds what stands as the value or type of a `reason`, in a table of reasons, and what is passed for a parameter of that name. */
function reasonsIn(source: string): readonly string[] {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const values = [...code.matchAll(/\breason\??:\s*([^,;{}]*)/g)].flatMap(([, value = '']) => literalsIn(value));
  const types = [...code.matchAll(/\btype \w*Reason =([^;]*);/g)].flatMap(([, type = '']) => literalsIn(type));
  const tables = [...code.matchAll(/\bconst (?:reasons|\w+Reasons)\b[^=]*=\s*\{([^{}]*)\}/g)];
  const listed = tables.flatMap(([, table = '']) => literalsIn(table));
  const takers = [...code.matchAll(/\bfunction (\w+)\(([^)]*)\)/g)].flatMap(([, name = '', parameters = '']) => {
    const index = parameters.split(',').findIndex((parameter) => parameter.trim().startsWith('reason:'));
    return index === -1 ? [] : [{ name, index }];
  });
  const passed = takers.flatMap(({ name, index }) =>
    [...code.matchAll(new RegExp(String.raw`(?<!function )\b${name}\(([^()]*)`, 'g'))].flatMap(([, args = '']) =>
      literalsIn(args.split(',')[index] ?? ''),
    ),
  );
  return [...values, ...types, ...listed, ...passed];
}

const emitted = new Set(files.flatMap((file) => reasonsIn(readFileSync(path.join(root, file), 'utf8'))));
const explained = [...page.matchAll(/^### `(\w+)`\n(.*)$/gm)].map(([, reason = '', text = '']) => ({ reason, text }));

describe('docs/troubleshooting.md', () => {
  test('explains every reason that the code can give', () => {
    expect(emitted.size).toBeGreaterThan(50);
    const missing = [...emitted].filter((reason) => !explained.some((entry) => entry.reason === reason));
    expect(missing, 'each needs a heading "### `Reason`" and what to do').toEqual([]);
  });

  test('explains no reason that the code does not give', () => {
    expect(explained.map(({ reason }) => reason).filter((reason) => !emitted.has(reason))).toEqual([]);
  });

  test('explains each once, and in words', () => {
    const reasons = explained.map(({ reason }) => reason);
    expect(new Set(reasons).size).toBe(reasons.length);
    expect(explained.filter(({ text }) => text.length < 20)).toEqual([]);
  });

  test('has every phase and every condition', () => {
    const crd = parse(readFileSync(path.join(root, 'crds', 'rollouts.yaml'), 'utf8')) as Crd;
    const { phase, conditions } = crd.spec.versions[0].schema.openAPIV3Schema.properties.status.properties;
    const types = (conditions.items.properties.type.description ?? '').replace('.', '').split(' or ');
    for (const name of phase.enum ?? []) expect(page).toContain(`| ${name} |`);
    for (const type of types) expect(page).toContain(`| \`${type}\` |`);
    expect(types).toHaveLength(7);
  });

  test('has every code of the error table', () => {
    const rows = [...page.matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code);
    expect(Object.keys(errorTable).filter((code) => !rows.includes(code))).toEqual([]);
  });
});

describe('the search for reasons', () => {
  test('finds values, branches, types, tables and arguments, and none in comments', () => {
    const source = `
      // reason: 'Commented'
      const a = { reason: 'Plain', message };
      const b = { reason: isLate ? 'First' : after.reason ?? 'Second', message };
      type SomeReason = 'InType' | 'InTypeToo';
      function tell(check: Check, reason: string, message: string): Verdict {}
      const c = tell(check, 'Passed', 'No reason');
      const d = { state: 'Ready' };
      const someReasons: Readonly<Record<Name, string>> = { errors: 'Listed', slo: 'ListedToo' };
      const treasons = { high: 'NotOne' };
    `;
    expect([...reasonsIn(source)].toSorted()).toEqual(
      ['First', 'InType', 'InTypeToo', 'Listed', 'ListedToo', 'Passed', 'Plain', 'Second'].toSorted(),
    );
  });
});

interface Node {
  readonly description?: string;
  readonly enum?: readonly string[];
}

interface Crd {
  readonly spec: {
    readonly versions: readonly [
      {
        readonly schema: {
          readonly openAPIV3Schema: {
            readonly properties: {
              readonly status: {
                readonly properties: {
                  readonly phase: Node;
                  readonly conditions: { readonly items: { readonly properties: { readonly type: Node } } };
                };
              };
            };
          };
        };
      },
    ];
  };
}
