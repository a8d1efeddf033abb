/** The traffic of a scenario, tick by tick, as the production code gets it from a source. */
import type { SampleOutcome } from '../../src/analysis/metric-source.ts';
import { createArm, tickSeconds } from './arm.ts';
import { boundsOf } from './latency.ts';
import { createLoads } from './loads.ts';
import type { Pods } from './pods.ts';
import type { Random } from './random.ts';
import type { Scenario } from './scenario.ts';
import { createScrapedPods } from './scraped-pods.ts';

/** startMs is when every rollout starts: on the grid of the blocks. */
export const startMs = Date.UTC(2026, 0, 5);

/** Tick is what happened in the time up to endMs. */
export interface Tick {
  readonly endMs: number;
  /** outcome is what a source delivers: one block, or none where it saw nothing. */
  readonly outcome: SampleOutcome;
  /** excessErrors is how many errors more than without the canary's fault its clients got, on average. */
  readonly excessErrors: number;
}

/** Traffic returns the next tick, with the canary at `weight` percent. */
export type Traffic = (weight: number) => Tick;

/** createTraffic starts `historySeconds` before startMs. */
export function createTraffic(scenario: Scenario, random: Random, historySeconds: number): Traffic {
  const loads = createLoads(scenario);
  const pods = scenario.scraping === undefined ? createDirect(scenario, random) : createScrapedPods(scenario, random);
  let seconds = -historySeconds;
  return (weight) => {
    seconds += tickSeconds;
    const load = loads(seconds, weight);
    const endMs = startMs + seconds * 1000;
    const { outcome, canaryRequests } = pods(load, endMs);
    return { endMs, outcome, excessErrors: canaryRequests * load.faultRatio };
  };
}

function createDirect(scenario: Scenario, random: Random): Pods {
  const stableArm = createArm(scenario, random);
  const canaryArm = createArm(scenario, random);
  const { latency } = scenario;
  const timed = latency === undefined ? {} : { bounds: boundsOf(latency) };
  return ({ stable, canary }, endMs) => {
    const [ofStable, ofCanary] = [stableArm(stable), canaryArm(canary)];
    const arms = { stable: ofStable.counts, canary: ofCanary.counts };
    const durations = { stable: ofStable.durations, canary: ofCanary.durations };
    const block = { endMs, arms, ...(latency === undefined ? {} : { durations }) };
    const seen = { stable: true, canary: canary.requests > 0 };
    return {
      outcome: { kind: 'Samples', blocks: [block], untilMs: endMs, seen, discarded: 0, ...timed },
      canaryRequests: arms.canary.requests,
    };
  };
}
