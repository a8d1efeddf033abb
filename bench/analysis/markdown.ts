/** The tables of docs/analysis.md. */
import { tables, type Scenario } from './scenario.ts';
import type { Entry } from './score.ts';

/** formatMarkdown returns one table for each group of scenarios: a row for each scenario, a column for each judge that takes part in most of them. */
export function formatMarkdown(scenarios: readonly Scenario[], entries: readonly Entry[]): string {
  return tables
    .map((table) =>
      formatTable(
        table,
        scenarios.filter((scenario) => scenario.table === table),
        entries,
      ),
    )
    .filter((text) => text !== '')
    .join('\n\n');
}

function formatTable(title: string, scenarios: readonly Scenario[], entries: readonly Entry[]): string {
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
  return [`### ${title}`, '', ...lines.map((row) => `| ${row.join(' | ')} |`)].join('\n');
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
