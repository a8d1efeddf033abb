/** What one arm answers in a tick, drawn from Poisson counts: exact for requests that come independently of each other. */
import type { Durations } from '../../src/analysis/durations.ts';
import type { Counts } from '../../src/analysis/sample.ts';
import type { Random } from './random.ts';
import type { Scenario, Sessions } from './scenario.ts';

/** tickSeconds is the length of a tick, that of a block. */
export const tickSeconds = 10;

/** Load is what is expected of an arm in a tick. */
export interface Load {
  /** requests is the mean. */
  readonly requests: number;
  readonly errorRatio: number;
  /** addedRatio is what of the error ratio is not from the base, so that sessions do not shape it. */
  readonly addedRatio: number;
  /** slowdown is a factor of all latencies. */
  readonly slowdown: number;
  /** sharesAt returns the probabilities of the buckets at a slowdown, none where durations are not counted. */
  readonly sharesAt: (slowdown: number) => readonly number[];
}

/** Answered is what an arm answered in a tick. */
export interface Answered {
  readonly counts: Counts;
  readonly durations: Durations;
}

/** Arm draws its ticks one after the other. */
export type Arm = (load: Load) => Answered;

/** createArm returns an arm with the habits that the scenario gives to its errors and clients. */
export function createArm(scenario: Scenario, random: Random): Arm {
  const { sessions, burstErrors, spikes, pauses } = scenario;
  const settle = sessions === undefined ? (load: Load) => load : createSessions(sessions, random);
  const multiplier = spikes === undefined ? () => 1 : () => drawSpike(spikes, random);
  return (expected) => {
    const load = settle(expected);
    const errorMean = load.requests * load.errorRatio * multiplier();
    const isPaused = pauses !== undefined && random.uniform() < pauses.percent / 100;
    const good = drawGood(load, load.sharesAt(load.slowdown * (isPaused ? pauses.factor : 1)), random);
    const errors = burstErrors === undefined ? random.poisson(errorMean) : drawBursts(errorMean, burstErrors, random);
    return { counts: { requests: good.total + errors, errors }, durations: good };
  };
}

function drawGood({ requests, errorRatio }: Load, shares: readonly number[], random: Random): Durations {
  const mean = requests * (1 - errorRatio);
  if (shares.length === 0) return { total: random.poisson(mean), within: [] };
  const within: number[] = [];
  let total = 0;
  for (const share of shares) {
    total += random.poisson(mean * share);
    within.push(total);
  }
  within.pop();
  return { total, within };
}

/** A client that fails tries again, and fails again: errors come in geometric clusters. */
function drawBursts(mean: number, size: number, random: Random): number {
  let errors = 0;
  for (let burst = random.poisson(mean / size); burst > 0; burst -= 1) errors += random.geometric(size);
  return errors;
}

function drawSpike({ percent, factor }: NonNullable<Scenario['spikes']>, random: Random): number {
  const share = percent / 100;
  const usual = 1 / (1 - share + share * factor);
  return random.uniform() < share ? usual * factor : usual;
}

/** Sessions begin by the weight and stay until they end, so an arm's traffic follows its weight slowly, and its few bad clients come and go. */
function createSessions(sessions: Sessions, random: Random): (load: Load) => Load {
  const ticks = Math.round(sessions.seconds / tickSeconds);
  const perTick = sessions.rps * tickSeconds;
  const badShare = sessions.badPercent / 100;
  const begun: (readonly [good: number, bad: number])[] = [];
  let good = 0;
  let bad = 0;
  return (load) => {
    const mean = load.requests / (perTick * ticks);
    // The first tick finds the sessions of a whole life already there.
    for (let tick = begun.length === 0 ? ticks : 1; tick > 0; tick -= 1) {
      const started = [random.poisson(mean * (1 - badShare)), random.poisson(mean * badShare)] as const;
      begun.push(started);
      good += started[0];
      bad += started[1];
    }
    while (begun.length > ticks) {
      const [endedGood, endedBad] = begun.shift() ?? [0, 0];
      good -= endedGood;
      bad -= endedBad;
    }
    const requests = (good + bad) * perTick;
    const baseRatio = requests === 0 ? 0 : (bad * perTick * (sessions.badErrorPercent / 100)) / requests;
    return { ...load, requests, errorRatio: Math.min(1, baseRatio + load.addedRatio) };
  };
}
