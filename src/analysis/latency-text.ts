/** Short text of the evidence about latencies, for the status of a Rollout. */
import type { LatencyPlan } from './latency-plan.ts';
import { goodAlternatives, slowWeights, type BoundState, type LatencyState } from './latency.ts';
import { decodeNumbers, encodeNumbers, NumberReader, wealthNumbers } from './numbers.ts';

const tag = 'latency1';

/**
 * encodeLatency returns the state as text, some 60 characters for each bound. decodeLatency gets exactly the same state from
 * it, so that evidence goes on after a restart as if there had been none.
 */
export function encodeLatency({ rollback, bounds }: LatencyState): string {
  return encodeNumbers(tag, [
    ...wealthNumbers(rollback),
    ...totalsOf(bounds[0]),
    ...bounds.flatMap(({ safety, freshSafety, counted, stableDispersion, canaryDispersion }) => [
      ...safety,
      ...freshSafety,
      counted.stable.errors,
      counted.canary.errors,
      ...[stableDispersion, canaryDispersion].flatMap(({ observed, expected, last }) => [
        observed,
        expected,
        last.errors,
      ]),
    ]),
  ]);
}

/** totalsOf returns the numbers of requests, which are the same at every bound. */
function totalsOf(bound: BoundState | undefined): readonly number[] {
  return [bound?.counted.stable, bound?.counted.canary, bound?.stableDispersion.last, bound?.canaryDispersion.last].map(
    (counts) => counts?.requests ?? 0,
  );
}

/** decodeLatency returns the state that encodeLatency wrote for a plan, or undefined for any other text. */
export function decodeLatency(plan: LatencyPlan, text: string): LatencyState | undefined {
  const reader = new NumberReader(decodeNumbers(tag, text) ?? []);
  const rollback = reader.wealth(plan.bounds.length * slowWeights.length);
  const totals = [reader.number(), reader.number(), reader.number(), reader.number()] as const;
  const [stable, canary, stableLast, canaryLast] = totals;
  const bounds = plan.bounds.map(() => ({
    safety: reader.logs(goodAlternatives),
    freshSafety: reader.logs(goodAlternatives),
    counted: { stable: reader.counts(stable), canary: reader.counts(canary) },
    stableDispersion: reader.dispersion(stableLast),
    canaryDispersion: reader.dispersion(canaryLast),
  }));
  return reader.isComplete ? { rollback, bounds } : undefined;
}
