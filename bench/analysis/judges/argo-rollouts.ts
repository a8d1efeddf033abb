/** Argo Rollouts, re-implemented: one number out of a query, compared with a limit each minute; the first bad one aborts (failureLimit 0). */
import { boundsOf, quantileOf } from '../latency.ts';
import { ratioOf, sumCounts, sumDurations } from '../sums.ts';
import { startMs } from '../traffic.ts';
import { watchMinutes, type Judge, type Look, type Watch } from './judge.ts';

/** The window of the query, `[5m]`. */
const windowMinutes = 5;

/** The fifth measurement in a row without a value errors the run (consecutiveErrorLimit 4). */
const consecutiveErrorLimit = 4;

/** argoErrorRatio aborts above a fixed error ratio of the canary. */
export function argoErrorRatio(percent: number): Judge {
  return {
    name: `argo-${percent}pct`,
    metrics: ['Errors'],
    start: () => measure((look) => judgeRatio(ratioOf(sumCounts(look.last(windowMinutes), 'canary')), percent / 100)),
  };
}

/** argoP99 aborts when the canary's p99 is more than 1.2 times that of stable. */
export const argoP99: Judge = {
  name: 'argo-p99',
  metrics: ['Latency'],
  start: ({ latency }) => {
    const bounds = latency === undefined ? [] : boundsOf(latency);
    return measure((look) => {
      const blocks = look.last(windowMinutes);
      const canary = quantileOf(0.99, bounds, sumDurations(blocks, 'canary'));
      const stable = quantileOf(0.99, bounds, sumDurations(blocks, 'stable'));
      if (canary === undefined || stable === undefined) return 'Error';
      return judgeRatio(canary / stable, 1.2);
    });
  },
};

type Measurement = 'Successful' | 'Failed' | 'Error';

function judgeRatio(value: number, limit: number): Measurement {
  if (Number.isNaN(value)) return 'Error';
  return value > limit ? 'Failed' : 'Successful';
}

function measure(take: (look: Look) => Measurement): Watch {
  let errors = 0;
  return watchMinutes(startMs, (look) => {
    const measurement = take(look);
    errors = measurement === 'Error' ? errors + 1 : 0;
    return measurement === 'Failed' || errors > consecutiveErrorLimit ? 'Rollback' : 'Continue';
  });
}
