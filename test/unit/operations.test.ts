import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parser } from '@prometheus-io/lezer-promql';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { controllerMetrics } from '../../scripts/reference-metrics.ts';
import { settingDefaults } from '../../src/config.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(path.join(root, 'docs', 'operations.md'), 'utf8');

/** rowsOf returns the cells of the table rows whose first cell is code that begins with `prefix`. */
function rowsOf(prefix: string): readonly (readonly string[])[] {
  return page
    .split('\n')
    .filter((line) => line.startsWith(`| \`${prefix}`))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim().replaceAll('`', '')));
}

describe('docs/operations.md', () => {
  test('has every flag of the controller with its environment variable and its default', () => {
    const help = execFileSync(process.execPath, [path.join(root, 'src', 'main.ts'), 'controller', '--help'], {
      encoding: 'utf8',
      env: { COLUMNS: '1000' },
    });
    const flags = [...help.matchAll(/^ {2}(--[\w-]+) <value>/gm)].map(([, flag]) => flag);
    const variables = [...help.matchAll(/\(env: (\w+)\)/g)].map(([, name]) => name);
    const rows = rowsOf('--');
    expect(flags.length).toBeGreaterThan(10);
    expect(rows.map(([flag]) => flag)).toEqual(flags);
    expect(rows.map(([, variable]) => variable)).toEqual(variables);
    expect(rows.map(([, , value]) => value)).toEqual(Object.values(settingDefaults));
    expect(rows.filter(([, , , text = '']) => text.length < 10)).toEqual([]);
  });

  test('has every metric with its type and its labels', async () => {
    const described = (await controllerMetrics()).map(({ name, type, labels }) =>
      `${name} ${type} ${labels.join(', ')}`.trim(),
    );
    expect(described.length).toBeGreaterThan(20);
    const documented = rowsOf('sluice_').map(([name, type, labels]) => `${name} ${type} ${labels}`.trim());
    expect(documented.toSorted()).toEqual(described.toSorted());
  });

  test('alerts by PromQL of metrics that exist', async () => {
    const file = path.join(root, 'manifests', 'overlays', 'prometheus', 'alerts.yaml');
    const { spec } = parse(readFileSync(file, 'utf8')) as {
      readonly spec: { readonly groups: readonly { readonly rules: readonly { readonly expr: string }[] }[] };
    };
    const expressions = spec.groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
    expect(expressions.length).toBeGreaterThan(8);
    const known = (await controllerMetrics()).map(({ name }) => name);
    for (const text of expressions) {
      expect(parser.configure({ strict: true }).parse(text).length, text).toBe(text.length);
      expect([...text.matchAll(/sluice_\w+/g)].filter(([name]) => !known.includes(name))).toEqual([]);
    }
  });
});
