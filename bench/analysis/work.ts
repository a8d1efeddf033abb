/** The runs of the bench, as tasks that any thread can do. */
import { judges as allJudges } from './judges/all.ts';
import type { Judge, Outcome } from './judges/judge.ts';
import type { Scenario } from './scenario.ts';
import { runTrial } from './trial.ts';

/** Task is some runs of one scenario, from `firstRun` on. */
export interface Task {
  readonly scenario: Scenario;
  readonly judges: readonly string[];
  readonly seed: string;
  readonly firstRun: number;
  readonly runs: number;
}

/** judgesOf returns those of the judges that can judge a scenario. */
export function judgesOf(scenario: Scenario, judges: readonly Judge[]): readonly Judge[] {
  return judges.filter(({ metrics }) => metrics.some((metric) => scenario.judged.includes(metric)));
}

/** doTask returns the outcomes of each of its judges, in the order of the task's names. */
export function doTask({ scenario, judges: names, seed, firstRun, runs }: Task): readonly (readonly Outcome[])[] {
  const judges = names.map((name) => allJudges.find((judge) => judge.name === name)!);
  const outcomes: readonly Outcome[][] = judges.map(() => []);
  for (let run = firstRun; run < firstRun + runs; run += 1) {
    for (const [index, outcome] of runTrial(scenario, judges, `${seed}/${scenario.name}/${run}`).entries()) {
      outcomes[index]?.push(outcome);
    }
  }
  return outcomes;
}
