/** Short text of the evidence about latencies, for the status of a Rollout. */
import type { Dispersion } from './dispersion.ts';
import type { LatencyPlan } from './latency-plan.ts';
import { goodAlternatives, slowWeights, type BoundState, type LatencyState } from './latency.ts';
import type { Counts } from './sample.ts';
import { noWealth } from './sequential.ts';

const tag = 'latency1';
/** Logarithms and dispersions have four decimals, the capital nine: as integers to the base of 36 they are short. */
const fourDecimals = 1e4;
const nineDecimals = 1e9;

/**
 * encodeLatency returns the state as text, some 85 characters for each bound. decodeLatency gets exactly the same state from
 * it, so that evidence goes on after a restart as if there had been none.
 */
export function encodeLatency(state: LatencyState): string {
  const numbers = [
    Math.round(state.rollback.spent * nineDecimals),
    ...totalsOf(state.bounds[0]),
    ...state.rollback.logs.map(tenThousandths),
    ...state.bounds.flatMap((bound) => [
      ...[...bound.safety, ...bound.freshSafety].map(tenThousandths),
      bound.counted.stable.errors,
      bound.counted.canary.errors,
      ...[bound.stableDispersion, bound.canaryDispersion].flatMap(({ observed, expected, last }) => [
        tenThousandths(observed),
        tenThousandths(expected),
        last.errors,
      ]),
    ]),
  ];
  return [tag, ...numbers.map((number) => number.toString(36))].join(' ');
}

/** decodeLatency returns the state that encodeLatency wrote for a plan, or undefined for any other text. */
export function decodeLatency(plan: LatencyPlan, text: string): LatencyState | undefined {
  const numbers = text
    .split(' ')
    .slice(1)
    .map((word) => Number.parseInt(word, 36));
  const perBound = 2 * goodAlternatives + 8;
  const expected = 5 + plan.bounds.length * (slowWeights.length + perBound);
  if (numbers.length !== expected || !numbers.every(Number.isSafeInteger)) return undefined;
  const [spent = 0, ...totals] = numbers.slice(0, 5);
  const logs = numbers.slice(5, 5 + plan.bounds.length * slowWeights.length).map(ofTenThousandths);
  const rest = numbers.slice(5 + logs.length);
  const bounds = plan.bounds.map((_, index) => boundOf(totals, rest.slice(index * perBound, (index + 1) * perBound)));
  const state = { rollback: { logs, spent: spent / nineDecimals }, bounds };
  // Writing it again refuses another tag, and what parseInt is lenient with.
  return isPossible(state) && encodeLatency(state) === text ? state : undefined;
}

/** totalsOf returns the numbers of requests, which are the same at every bound. */
function totalsOf(bound: BoundState | undefined): readonly number[] {
  return [bound?.counted.stable, bound?.counted.canary, bound?.stableDispersion.last, bound?.canaryDispersion.last].map(
    (counts) => counts?.requests ?? 0,
  );
}

function boundOf(totals: readonly number[], numbers: readonly number[]): BoundState {
  const [stableTotal = 0, canaryTotal = 0, stableLast = 0, canaryLast = 0] = totals;
  const safety = numbers.slice(0, goodAlternatives).map(ofTenThousandths);
  const freshSafety = numbers.slice(goodAlternatives, 2 * goodAlternatives).map(ofTenThousandths);
  const rest = numbers.slice(2 * goodAlternatives);
  const dispersionOf = (at: number, requests: number): Dispersion => ({
    observed: ofTenThousandths(rest[at] ?? 0),
    expected: ofTenThousandths(rest[at + 1] ?? 0),
    last: { requests, errors: rest[at + 2] ?? 0 },
  });
  return {
    safety,
    freshSafety,
    counted: {
      stable: { requests: stableTotal, errors: rest[0] ?? 0 },
      canary: { requests: canaryTotal, errors: rest[1] ?? 0 },
    },
    stableDispersion: dispersionOf(2, stableLast),
    canaryDispersion: dispersionOf(5, canaryLast),
  };
}

function isPossible({ rollback, bounds }: LatencyState): boolean {
  const isLog = (log: number): boolean => log >= noWealth;
  const isCount = ({ requests, errors }: Counts): boolean => errors >= 0 && errors <= requests;
  const isDispersion = ({ observed, expected, last }: Dispersion): boolean =>
    observed >= 0 && expected >= 0 && isCount(last);
  return (
    rollback.spent >= 0 &&
    rollback.spent <= 1 &&
    rollback.logs.every(isLog) &&
    bounds.every(
      ({ safety, freshSafety, counted, stableDispersion, canaryDispersion }) =>
        [...safety, ...freshSafety].every(isLog) &&
        [counted.stable, counted.canary].every(isCount) &&
        [stableDispersion, canaryDispersion].every(isDispersion),
    )
  );
}

function tenThousandths(value: number): number {
  return Math.round(value * fourDecimals);
}

function ofTenThousandths(value: number): number {
  return value / fourDecimals;
}
