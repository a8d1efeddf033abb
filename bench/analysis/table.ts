/** The bench's tables for people. */
import { figures, tables, type Scenario } from './scenario.ts';
import { missesOf, type Entry } from './score.ts';

const titles: Readonly<Record<(typeof tables)[number], string>> = {
  Steady: 'Canary at a fixed weight, watched for the planned time whatever is proven',
  Rollout: 'Whole rollouts: 5% 5 m, 10% 5 m, 25% 10 m, 50% 10 m, 100%',
  Latency: 'Latency, lognormal, at most 20% slower tolerated',
  Further: 'What production adds',
};

const head = [
  'judge',
  'rollback %',
  'early %',
  'median s',
  'proven %',
  'promoted %',
  'bad prom. %',
  'held %',
  'excess errors',
  '',
];

/** formatTables returns all entries, scenario by scenario. */
export function formatTables(scenarios: readonly Scenario[], entries: readonly Entry[]): string {
  const parts = tables.flatMap((table) => {
    const present = scenarios.filter((scenario) => scenario.table === table);
    if (present.length === 0) return [];
    const blocks = present.map((scenario) =>
      formatScenario(
        scenario,
        entries.filter((entry) => entry.scenario === scenario.name),
      ),
    );
    return [`\n== ${titles[table]} ==`, ...blocks];
  });
  return parts.join('\n');
}

function formatScenario(scenario: Scenario, entries: readonly Entry[]): string {
  const rows = [head, ...entries.map((entry) => [entry.judge, ...figuresOf(entry), remarkOf(scenario, entry)])];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 || column === row.length - 1
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  const note = scenario.notPromised === undefined ? [] : [`  Not promised: ${scenario.notPromised.trim()}`];
  return [`\n${scenario.name}: ${scenario.title}`, ...lines.map((line) => `  ${line}`), ...note].join('\n');
}

function figuresOf(entry: Entry): readonly string[] {
  return figures.map((figure) => {
    const value = entry[figure];
    return value === null ? '-' : String(value);
  });
}

/** remarkOf says OK or NOT, with each bound that is missed. */
function remarkOf(scenario: Scenario, entry: Entry): string {
  if (entry.isAsExpected === null) return '';
  if (entry.isAsExpected) return 'OK';
  const bounds = missesOf(scenario, entry.judge, entry).map((figure) => {
    const [least, most] = scenario.expect[entry.judge]?.[figure] ?? [];
    return `${figure} ${least}..${most}`;
  });
  return `NOT ${bounds.join(', ')}`;
}
