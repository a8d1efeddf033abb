/** Flagger, re-implemented: each minute the last minute against a range. Failed checks add up over the whole rollout, no values are a failed check. */
import { boundsOf, quantileOf } from '../latency.ts';
import { ratioOf, sumCounts, sumDurations } from '../sums.ts';
import { startMs } from '../traffic.ts';
import { watchMinutes, type Judge, type Look, type Watch } from './judge.ts';

/** So many failed checks roll back. */
const threshold = 5;

/** flaggerSuccessRate wants 99 % of the canary's requests to succeed. */
export const flaggerSuccessRate: Judge = {
  name: 'flagger',
  metrics: ['Errors'],
  start: () => check((look) => ratioOf(sumCounts(look.last(1), 'canary')) <= 0.01),
};

/** flaggerDuration wants a p99 of at most 500 ms. */
export const flaggerDuration: Judge = {
  name: 'flagger-p99',
  metrics: ['Latency'],
  start: ({ latency }) => {
    const bounds = latency === undefined ? [] : boundsOf(latency);
    return check((look) => (quantileOf(0.99, bounds, sumDurations(look.last(1), 'canary')) ?? Number.NaN) <= 0.5);
  },
};

function check(passes: (look: Look) => boolean): Watch {
  let failed = 0;
  return watchMinutes(startMs, (look) => {
    if (!passes(look)) failed += 1;
    return failed >= threshold ? 'Rollback' : 'Continue';
  });
}
