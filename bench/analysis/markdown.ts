/** The tables of docs/analysis.md. */
import { tables, type Scenario } from './scenario.ts';
import type { Entry } from './score.ts';

/** formatMarkdown returns one table for each group of scenarios: a row for each scenario, a column for each judge. */
export function formatMarkdown(scenarios: readonly Scenario[], entries: readonly Entry[]): string {
  return tables
    .flatMap((table) => {
      const present = scenarios.filter((scenario) => scenario.table === table);
      const names = new Set(present.map(({ name }) => name));
      const judges = [...new Set(entries.filter(({ scenario }) => names.has(scenario)).map(({ judge }) => judge))];
      if (judges.length === 0) return [];
      const rows = present.map((scenario) => [
        scenario.title,
        ...judges.map((judge) => {
          const entry = entries.find((entry) => entry.scenario === scenario.name && entry.judge === judge);
          return entry === undefined ? '' : cellOf(scenario, entry);
        }),
      ]);
      const lines = [['', ...judges], ['---', ...judges.map(() => '---')], ...rows];
      return [`### ${table}\n\n${lines.map((row) => `| ${row.join(' | ')} |`).join('\n')}`];
    })
    .join('\n\n');
}

/** Of a bad canary: how often it was promoted, and when it was rolled back. Of a good one: how often it was rolled back, and when it was proven or promoted. */
function cellOf(scenario: Scenario, entry: Entry): string {
  const seconds = entry.medianSeconds === null ? '' : ` in ${entry.medianSeconds} s`;
  const right = scenario.plan === 'Rollout' ? entry.promotedPercent : entry.provenPercent;
  const early = entry.earlyPercent > 0 ? `, ${entry.earlyPercent} early` : '';
  if (!scenario.isBad)
    return right === 0 ? `${entry.rollbackPercent}` : `${entry.rollbackPercent} / ${right}${seconds}`;
  const rolledBack = `${entry.rollbackPercent}${seconds}${early}`;
  return scenario.plan === 'Rollout' ? `${rolledBack}, ${Math.round(entry.excessErrors)} errors` : rolledBack;
}
