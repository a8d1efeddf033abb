/**
 * `npm run bench:analysis -- [--runs N] [--seed S] [--scenario NAME ...] [--judge NAME ...] [--json]`: how often and how
 * fast Sluice's judge and others are right, on simulated traffic. Sluice's is the code that runs in production.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { judges as allJudges } from './judges/all.ts';
import type { Judge } from './judges/judge.ts';
import { updatePage } from './markdown.ts';
import { choose, parseOptions, usage, type BenchOptions } from './options.ts';
import { readScenarios } from './scenario-files.ts';
import type { Scenario } from './scenario.ts';
import { score, type Entry } from './score.ts';
import { formatTables } from './table.ts';
import { createPool, type Pool } from './pool.ts';
import { judgesOf } from './work.ts';

/** runsPerTask is small enough that the threads end together. */
const runsPerTask = 50;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const startedMs = performance.now();
  let options: BenchOptions;
  let scenarios: readonly Scenario[];
  let judges: readonly Judge[];
  try {
    options = parseOptions(args);
    scenarios = choose('--scenario', readScenarios(), options.scenarios);
    judges = choose('--judge', allJudges, options.judges);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}\n`);
    return 2;
  }
  const pool = createPool(options.threads);
  const entries = (
    await Promise.all(scenarios.map((scenario) => runScenario(pool, scenario, judgesOf(scenario, judges), options)))
  ).flat();
  await pool.close();
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
  process.stdout.write(
    `${formatTables(scenarios, entries)}\n\n${options.runs} runs, seed ${options.seed}, ${seconds} s\n`,
  );
  if (options.updateDocs) {
    const page = new URL('../../docs/analysis.md', import.meta.url);
    writeFileSync(page, updatePage(readFileSync(page, 'utf8'), scenarios, entries));
  }
  if (options.json) process.stdout.write(`${JSON.stringify(entries)}\n`);
  return 0;
}

async function runScenario(
  pool: Pool,
  scenario: Scenario,
  judges: readonly Judge[],
  { runs, seed }: BenchOptions,
): Promise<readonly Entry[]> {
  const names = judges.map(({ name }) => name);
  const firstRuns = Array.from({ length: Math.ceil(runs / runsPerTask) }, (_, index) => index * runsPerTask);
  const parts = await Promise.all(
    firstRuns.map((firstRun) =>
      pool.run({ scenario, judges: names, seed, firstRun, runs: Math.min(runsPerTask, runs - firstRun) }),
    ),
  );
  const entries = names.map((name, index) =>
    score(
      scenario,
      name,
      parts.flatMap((part) => part[index] ?? []),
    ),
  );
  process.stderr.write(`${scenario.name}\n`);
  return entries;
}
