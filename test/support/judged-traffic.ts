/** Seeded traffic of two arms, as a source would answer it, and what the judge says of it after every block. */
import { createRandom, type Random } from '../../bench/analysis/random.ts';
import type { Block } from '../../src/analysis/block.ts';
import type { Durations } from '../../src/analysis/durations.ts';
import {
  addSamples,
  historyMs,
  startEvidence,
  type Context,
  type Evidence,
  type Stage,
} from '../../src/analysis/evidence.ts';
import type { SamplesOutcome } from '../../src/analysis/metric-source.ts';
import type { Counts } from '../../src/analysis/sample.ts';
import type { AnalysisSpec } from '../../src/analysis/spec.ts';
import { judge, type Share, type Verdict } from '../../src/analysis/verdict.ts';

/** startMs is 2027-01-15T08:00:00Z, where the first block begins. */
export const startMs = 1_800_000_000_000;
export const blockMs = 10_000;

/** usualSpec has the defaults of the CRD and half an hour of steps. */
export const usualSpec: AnalysisSpec = {
  compare: 'Stable',
  margin: { factor: 1, points: 0.005 },
  latency: { maxIncrease: 0.2, quantile: 'All' },
  slo: {},
  alpha: 0.05,
  minRequests: 100,
  warmupMs: 60_000,
  plannedMs: 1_800_000,
  checks: [],
  onNoData: 'Hold',
  noDataAfterMs: 300_000,
};

/** Traffic is what the arms do in the block at an index, 0 being the first of the rollout and negative ones before it. */
export interface Traffic {
  readonly seed: string;
  /** rps is the requests per second of both arms together. */
  readonly rps: number;
  readonly spec?: Partial<AnalysisSpec>;
  /** weightAt is in percent; another weight is another step. Default 5. */
  readonly weightAt?: (index: number) => number;
  /** errorRatioAt is 0.5 % unless given. */
  readonly errorRatioAt?: (arm: Arm, index: number) => number;
  /** slownessAt multiplies durations; without it none are answered. */
  readonly slownessAt?: (arm: Arm, index: number) => number;
}

export type Arm = 'stable' | 'canary';

/** bounds are those of a well set histogram of Traefik, in seconds. */
export const bounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10];
const usualErrorRatio = 0.005;
/** Lognormal durations with a median of 50 ms and a p99 of some 320 ms. */
const medianSeconds = 0.05;
const sigma = 0.8;

/** specOf is the spec that the traffic is judged by. */
export function specOf({ spec }: Traffic): AnalysisSpec {
  return { ...usualSpec, ...spec };
}

/** historyOf is what stable answered in the ten minutes before. */
export function historyOf(traffic: Traffic): SamplesOutcome {
  const count = historyMs / blockMs;
  return outcomeOf(traffic, blocksOf({ ...traffic, seed: `${traffic.seed}-history`, weightAt: () => 0 }, -count, 0));
}

/** outcomeOf is the answer of a source that holds these blocks. */
export function outcomeOf({ slownessAt }: Traffic, blocks: readonly Block[]): SamplesOutcome {
  return {
    kind: 'Samples',
    blocks,
    untilMs: blocks.at(-1)?.endMs ?? startMs,
    seen: { stable: true, canary: true },
    discarded: 0,
    ...(slownessAt === undefined ? {} : { bounds }),
  };
}

/** blocksOf makes the blocks from one index up to before another; the same seed makes the same ones. */
export function blocksOf(traffic: Traffic, from: number, until: number): readonly Block[] {
  const random = createRandom(traffic.seed);
  return Array.from({ length: until - from }, (_none, offset) => blockAt(traffic, from + offset, random));
}

function blockAt(traffic: Traffic, index: number, random: Random): Block {
  const share = (traffic.weightAt?.(index) ?? usualWeight) / 100;
  const endMs = startMs + (index + 1) * blockMs;
  const requests = (traffic.rps * blockMs) / 1000;
  const stable = answered(traffic, 'stable', { index, requests: requests * (1 - share) }, random);
  const canary = answered(traffic, 'canary', { index, requests: requests * share }, random);
  const arms = { stable: stable.counts, canary: canary.counts };
  if (stable.durations === undefined || canary.durations === undefined) return { endMs, arms };
  return { endMs, arms, durations: { stable: stable.durations, canary: canary.durations } };
}

export const usualWeight = 5;

function answered(
  { errorRatioAt, slownessAt }: Traffic,
  arm: Arm,
  { index, requests }: { readonly index: number; readonly requests: number },
  random: Random,
): { readonly counts: Counts; readonly durations?: Durations } {
  const ratio = errorRatioAt?.(arm, index) ?? usualErrorRatio;
  const errors = random.poisson(requests * ratio);
  const good = requests * (1 - ratio);
  const slowness = slownessAt?.(arm, index);
  if (slowness === undefined) return { counts: { requests: random.poisson(good) + errors, errors } };
  const within: number[] = [];
  let before = 0;
  for (const bound of bounds) {
    const share = shareWithin(bound / slowness);
    within.push((within.at(-1) ?? 0) + random.poisson(good * (share - before)));
    before = share;
  }
  const total = (within.at(-1) ?? 0) + random.poisson(good * (1 - before));
  return { counts: { requests: total + errors, errors }, durations: { total, within } };
}

/** shareWithin is the normal distribution of the logarithm (Abramowitz and Stegun 26.2.17, to 1e-7). */
function shareWithin(seconds: number): number {
  const z = Math.log(seconds / medianSeconds) / sigma;
  const t = 1 / (1 + 0.231_641_9 * Math.abs(z));
  const series =
    t * (0.319_381_53 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
  const tail = (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * series;
  return z > 0 ? 1 - tail : tail;
}

/** stageAt is the step that the block at an index belongs to. */
export function stageAt({ weightAt }: Traffic, index: number): Stage {
  const weight = (at: number): number => weightAt?.(at) ?? usualWeight;
  let first = index;
  while (first > 0 && weight(first - 1) === weight(index)) first -= 1;
  return { sinceMs: startMs + first * blockMs, isAlone: weight(index) >= 100 };
}

/** contextAt is what the block at an index is added under. */
export function contextAt(traffic: Traffic, index: number): Context {
  return { spec: specOf(traffic), stage: stageAt(traffic, index), blockMs };
}

/** shareAt is the share that the canary ought to have in the block at an index. */
export function shareAt({ weightAt }: Traffic, index: number): Share {
  return { weightPercent: weightAt?.(index) ?? usualWeight, isComparable: true };
}

/** begin is the evidence before the first block. */
export function begin(traffic: Traffic): Evidence {
  return startEvidence('id', startMs, specOf(traffic), historyOf(traffic));
}

/** Look is what the judge says after the block at `index`. */
export interface Look {
  readonly index: number;
  readonly evidence: Evidence;
  readonly verdict: Verdict;
}

/** play judges after each of `count` blocks. */
export function* play(traffic: Traffic, count: number): Generator<Look> {
  let evidence = begin(traffic);
  for (const [index, block] of blocksOf(traffic, 0, count).entries()) {
    evidence = addSamples(evidence, outcomeOf(traffic, [block]), contextAt(traffic, index), block.endMs);
    yield { index, evidence, verdict: judge(specOf(traffic), evidence, shareAt(traffic, index), block.endMs) };
  }
}

/** secondsToFail returns after how many seconds the judge first says Fail; undefined where it never does. */
export function secondsToFail(traffic: Traffic, count: number): number | undefined {
  for (const { index, verdict } of play(traffic, count)) {
    if (verdict.kind === 'Fail') return ((index + 1) * blockMs) / 1000;
  }
  return undefined;
}

/** lastLook returns what the judge says after `count` blocks. */
export function lastLook(traffic: Traffic, count: number): Look {
  const look = [...play(traffic, count)].at(-1);
  if (look === undefined) throw new Error('at least one block is to be looked at');
  return look;
}
