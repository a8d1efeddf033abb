/** One run of a scenario: traffic flows, judges watch, and each comes to an end. */
import type { Judge, Verdict, Watch } from './judges/judge.ts';
import { createRandom } from './random.ts';
import { plannedSeconds, type Scenario } from './scenario.ts';
import { createTraffic, startMs, type Tick, type Traffic } from './traffic.ts';

/** Outcome is how one judge ended one run. */
export interface Outcome {
  readonly end: 'RolledBack' | 'Promoted' | 'Held';
  /** seconds since the start. */
  readonly seconds: number;
  /** provenSeconds is when the canary was first held to be proven good, at whatever step. */
  readonly provenSeconds: number | undefined;
  readonly excessErrors: number;
}

/** historySeconds is how long stable was watched before the first step. */
const historySeconds = 600;

/** minStepSeconds is the least time before a step is left early. */
const minStepSeconds = 60;

/** maxHoldSeconds is how long the last gate waits for proof after its planned time. */
const maxHoldSeconds = 3_600;

/**
 * runTrial returns an Outcome for each judge, in their order. The seed settles the traffic: judges whose weights are the
 * same see the same requests, whoever else is judged.
 */
export function runTrial(scenario: Scenario, judges: readonly Judge[], seed: string): readonly Outcome[] {
  const outcomes = new Map<Judge, Outcome>();
  const together = scenario.plan === 'Watch' ? judges : judges.filter(({ isPaced }) => !isPaced);
  if (together.length > 0) runByTime(scenario, together, seed, outcomes);
  for (const judge of judges) if (!together.includes(judge)) outcomes.set(judge, runPaced(scenario, judge, seed));
  return judges.map((judge) => outcomes.get(judge)!);
}

interface Stage {
  readonly traffic: Traffic;
  readonly watches: readonly Watched[];
}

interface Watched {
  readonly judge: Judge;
  readonly watch: Watch;
  provenSeconds: number | undefined;
}

function start(scenario: Scenario, judges: readonly Judge[], seed: string): Stage {
  const traffic = createTraffic(scenario, createRandom(seed), historySeconds);
  const history: Tick[] = [];
  do history.push(traffic(0));
  while (history.at(-1)!.endMs < startMs);
  return {
    traffic,
    watches: judges.map((judge) => ({ judge, watch: judge.start(scenario, history), provenSeconds: undefined })),
  };
}

/** runByTime keeps to the plan, and promotes at its end those that may. */
function runByTime(scenario: Scenario, judges: readonly Judge[], seed: string, outcomes: Map<Judge, Outcome>): void {
  const { watches, excessErrors } = keepToPlan(scenario, judges, seed, outcomes);
  const plannedEnd = plannedSeconds(scenario);
  for (const { judge, watch, provenSeconds } of watches) {
    if (outcomes.has(judge)) continue;
    const isPromoted = !judge.isPaced || isSafe(watch.verdict());
    outcomes.set(judge, { end: isPromoted ? 'Promoted' : 'Held', seconds: plannedEnd, provenSeconds, excessErrors });
  }
}

function keepToPlan(
  scenario: Scenario,
  judges: readonly Judge[],
  seed: string,
  outcomes: Map<Judge, Outcome>,
): { readonly watches: readonly Watched[]; readonly excessErrors: number } {
  const { traffic, watches } = start(scenario, judges, seed);
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
  if (verdict === 'Rollback') {
    outcomes.set(watched.judge, { end: 'RolledBack', seconds, provenSeconds: watched.provenSeconds, excessErrors });
  } else if (isSafe(verdict)) watched.provenSeconds ??= seconds;
}

/** runPaced is a rollout of a judge that leaves a step when it may, else at its planned end; only the last gate waits for it. */
function runPaced(scenario: Scenario, judge: Judge, seed: string): Outcome {
  const { traffic, watches } = start(scenario, [judge], seed);
  const watch = watches[0]!.watch;
  let excessErrors = 0;
  let provenSeconds: number | undefined;
  let stepStartMs = startMs;
  let nowMs = startMs;
  const secondsNow = (): number => (nowMs - startMs) / 1000;
  const endAs = (end: Outcome['end']): Outcome => ({ end, seconds: secondsNow(), provenSeconds, excessErrors });
  for (const [index, { weight, seconds: planned }] of scenario.steps.entries()) {
    const isLast = index === scenario.steps.length - 1;
    for (;;) {
      const tick = traffic(weight);
      nowMs = tick.endMs;
      excessErrors += tick.excessErrors;
      watch.add(tick, { weight, stepStartMs });
      const verdict = watch.verdict();
      if (verdict === 'Rollback') return endAs('RolledBack');
      if (isSafe(verdict)) provenSeconds ??= secondsNow();
      const inStep = (nowMs - stepStartMs) / 1000;
      if (inStep >= minStepSeconds && verdict === 'MayProceed') break;
      if (inStep >= planned && (!isLast || isSafe(verdict))) break;
      if (inStep >= planned + maxHoldSeconds) return endAs('Held');
    }
    stepStartMs = nowMs;
  }
  return endAs('Promoted');
}

function isSafe(verdict: Verdict): boolean {
  return verdict === 'MayPromote' || verdict === 'MayProceed';
}
