/** One run of a scenario: traffic flows, judges watch, and each comes to an end. */
import type { Judge, Outcome, Stage, Watch } from './judges/judge.ts';
import { createRandom } from './random.ts';
import { plannedSeconds, type Scenario } from './scenario.ts';
import { createTraffic, startMs, type Tick } from './traffic.ts';

/** historySeconds is how long stable was watched before the first step. */
const historySeconds = 600;

/**
 * runTrial returns an Outcome for each judge, in their order. The seed settles the traffic: judges whose weights are the
 * same see the same requests, whoever else is judged.
 */
export function runTrial(scenario: Scenario, judges: readonly Judge[], seed: string): readonly Outcome[] {
  const outcomes = new Map<Judge, Outcome>();
  const together = scenario.plan === 'Watch' ? judges : judges.filter((judge) => judge.rollOut === undefined);
  if (together.length > 0) runByTime(scenario, together, seed, outcomes);
  return judges.map((judge) => outcomes.get(judge) ?? judge.rollOut!(scenario, start(scenario, seed)));
}

function start(scenario: Scenario, seed: string): Stage {
  const traffic = createTraffic(scenario, createRandom(seed), historySeconds);
  const history: Tick[] = [];
  do history.push(traffic(0));
  while (history.at(-1)!.endMs < startMs);
  return { traffic, history };
}

interface Watched {
  readonly judge: Judge;
  readonly watch: Watch;
  isProven: boolean;
  provenSeconds: number | undefined;
}

/** runByTime keeps to the plan, and promotes at its end those that may. */
function runByTime(scenario: Scenario, judges: readonly Judge[], seed: string, outcomes: Map<Judge, Outcome>): void {
  const { watches, excessErrors } = keepToPlan(scenario, judges, seed, outcomes);
  const seconds = plannedSeconds(scenario);
  for (const { judge, isProven, provenSeconds } of watches) {
    if (outcomes.has(judge)) continue;
    const isPromoted = judge.rollOut === undefined || isProven;
    outcomes.set(judge, { end: isPromoted ? 'Promoted' : 'Held', seconds, provenSeconds, excessErrors });
  }
}

function keepToPlan(
  scenario: Scenario,
  judges: readonly Judge[],
  seed: string,
  outcomes: Map<Judge, Outcome>,
): { readonly watches: readonly Watched[]; readonly excessErrors: number } {
  const { traffic, history } = start(scenario, seed);
  const watches = judges.map((judge) => {
    return { judge, watch: judge.start(scenario, history), isProven: false, provenSeconds: undefined };
  });
  let excessErrors = 0;
  let stepStartMs = startMs;
  for (const { weight, seconds: length } of scenario.steps) {
    for (let seconds = 0; outcomes.size < judges.length && seconds < length;) {
      const tick = traffic(weight);
      seconds = (tick.endMs - stepStartMs) / 1000;
      excessErrors += tick.excessErrors;
      const open = watches.filter(({ judge }) => !outcomes.has(judge));
      for (const { watch } of open) watch.add(tick, { weight, stepStartMs });
      for (const watched of open) note(watched, { tick, excessErrors }, outcomes);
    }
    stepStartMs += length * 1000;
  }
  return { watches, excessErrors };
}

function note(
  watched: Watched,
  { tick, excessErrors }: { readonly tick: Tick; readonly excessErrors: number },
  outcomes: Map<Judge, Outcome>,
): void {
  const verdict = watched.watch.verdict();
  const seconds = (tick.endMs - startMs) / 1000;
  watched.isProven = verdict === 'Proven';
  if (verdict === 'Rollback') {
    outcomes.set(watched.judge, { end: 'RolledBack', seconds, provenSeconds: watched.provenSeconds, excessErrors });
  } else if (watched.isProven) watched.provenSeconds ??= seconds;
}
