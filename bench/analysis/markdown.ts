/** The tables of docs/analysis.md. */
import { tables, type Scenario } from './scenario.ts';
import type { Entry } from './score.ts';

/** updatePage returns docs/analysis.md with the tables of these entries, each behind its mark. Tables without entries stay. */
export function updatePage(page: string, scenarios: readonly Scenario[], entries: readonly Entry[]): string {
  return tables.reduce((text, table) => {
    const present = scenarios.filter((scenario) => scenario.table === table);
    const lines = formatTable(present, entries);
    return lines === '' ? text : text.replace(markedTable(table), (_, mark: string) => `${mark}\n${lines}\n`);
  }, page);
}

function markedTable(table: string): RegExp {
  return new RegExp(`(<!-- bench:analysis ${table} -->\\n)\\n(?:\\|.*\\n)*`);
}

/** formatTable has a row for each scenario, and a column for each judge that takes part in most of them. */
function formatTable(scenarios: readonly Scenario[], entries: readonly Entry[]): string {
  const cells = scenarios.map(
    (scenario) =>
      new Map(
        entries
          .filter((entry) => entry.scenario === scenario.name)
          .map((entry) => [entry.judge, cellOf(scenario, entry)]),
      ),
  );
  const judges = [...new Set(cells.flatMap((row) => [...row.keys()]))].filter(
    (judge) => cells.filter((row) => row.has(judge)).length > cells.length / 2,
  );
  if (judges.length === 0) return '';
  const rows = cells.map((row, index) => [
    scenarios[index]?.title ?? '',
    ...judges.map((judge) => row.get(judge) ?? ''),
  ]);
  const lines = [['', ...judges], ['---', ...judges.map(() => '---')], ...rows];
  return lines.map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** Of a bad canary: how often it was promoted, and when it was rolled back. Of a good one: how often it was rolled back, and when it was proven or promoted. */
function cellOf(scenario: Scenario, entry: Entry): string {
  const seconds = entry.medianSeconds === null ? '' : ` in ${entry.medianSeconds} s`;
  const right = scenario.plan === 'Rollout' ? entry.promotedPercent : entry.provenPercent;
  const early = entry.earlyPercent > 0 ? `, ${entry.earlyPercent} early` : '';
  if (!scenario.isBad)
    return right === 0 ? `${entry.rollbackPercent}` : `${entry.rollbackPercent} / ${right}${seconds}`;
  const rolledBack = `${entry.rollbackPercent}${seconds}${early}`;
  const errors = Math.round(entry.excessErrors);
  return scenario.plan === 'Rollout' && errors > 0 ? `${rolledBack}, ${errors} errors` : rolledBack;
}
