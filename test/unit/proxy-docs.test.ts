/** docs/proxy.md is checked against what it describes; `SLUICE_WRITE_DOCS=1` writes what is generated anew. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { proxyMetrics } from '../../scripts/reference-metrics.ts';
import { proxySettingDefaults } from '../../src/proxy-config.ts';
import { differences as ruleDifferences } from '../contract/rules/differences.ts';
import { differences } from '../support/data-plane/differences.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const file = path.join(root, 'docs', 'proxy.md');
const table = (name: string, header: readonly string[], rows: readonly (readonly string[])[]): string =>
  [`<!-- ${name} -->`, row(header), `|${'---|'.repeat(header.length)}`, ...rows.map(row), ''].join('\n');

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`;
}

const ofTraffic = table(
  'generated from test/support/data-plane/differences.ts',
  ['', 'Traefik', 'Sluice', 'Why', 'Strict'],
  Object.entries(differences).map(([name, { traefik, sluice, why, strict }]) => [
    name,
    traefik,
    sluice,
    why,
    `as ${strict}`,
  ]),
);

const ofRules = table(
  'generated from test/contract/rules/differences.ts',
  ['Sluice', 'Why'],
  ruleDifferences.map(({ name, reason }) => [`${name[0]?.toUpperCase()}${name.slice(1)}.`, reason]),
);

/** replaced returns the page with a table in the place of the one that has the same first line. */
function replaced(page: string, text: string): string {
  const [first = ''] = text.split('\n');
  const begin = page.indexOf(first);
  const end = page.indexOf('\n\n', begin);
  if (begin === -1) throw new Error(`${file} does not have the line ${first}`);
  return page.slice(0, begin) + text.trimEnd() + page.slice(end);
}

if (process.env['SLUICE_WRITE_DOCS'] === '1') {
  writeFileSync(file, [ofTraffic, ofRules].reduce(replaced, readFileSync(file, 'utf8')));
}

const page = readFileSync(file, 'utf8');

describe('docs/proxy.md', () => {
  test('has every flag of the proxy with its environment variable and its default', () => {
    const help = execFileSync(process.execPath, [path.join(root, 'src', 'main.ts'), 'proxy', '--help'], {
      encoding: 'utf8',
      env: { COLUMNS: '1000' },
    });
    const flags = [...help.matchAll(/^ {2}(--[\w-]+) <value>/gm)].map(([, flag]) => flag);
    const variables = [...help.matchAll(/\(env: (\w+)\)/g)].map(([, name]) => name);
    const rows = page
      .split('\n')
      .filter((line) => line.startsWith('| `--'))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim().replaceAll('`', '')),
      );
    expect(flags.length).toBeGreaterThan(10);
    expect(rows.map(([flag]) => flag)).toEqual(flags);
    expect(rows.map(([, variable]) => variable)).toEqual(variables);
    expect(rows.map(([, , value]) => value)).toEqual(Object.values(proxySettingDefaults));
    expect(rows.filter(([, , , text = '']) => text.length < 10)).toEqual([]);
  });

  test('has every metric of the proxy with its type and its labels', () => {
    const described = proxyMetrics().map(({ name, type, labels }) => `${name} ${type} ${labels.join(', ')}`.trim());
    let above = '';
    const documented = page
      .split('\n')
      .filter((line) => /^\| `(traefik|sluice)_/.test(line))
      .map((line) => {
        const [name, type, labels = ''] = line
          .split('|')
          .slice(1)
          .map((cell) => cell.trim().replaceAll('`', ''));
        if (labels !== 'the same') above = labels;
        return `${name} ${type} ${above}`.trim();
      });
    expect(described.length).toBeGreaterThan(20);
    expect(documented.toSorted()).toEqual(described.toSorted());
  });

  test('has the tables of differences as they are', () => {
    for (const text of [ofTraffic, ofRules]) expect(page).toContain(text);
  });

  test('names tests that exist, where the contract suite does not show a difference', () => {
    const files = Object.values(differences).flatMap(({ shownBy }) => shownBy ?? []);
    expect(files.filter((name) => !existsSync(path.join(root, name)))).toEqual([]);
  });
});
