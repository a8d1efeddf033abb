/** Two tests of all counts so far, repeated each minute: the pooled z-test of textbooks, and the confidence sequence of GrowthBook. */
import type { Counts } from '../../../src/analysis/sample.ts';
import { ratioOf } from '../sums.ts';
import { startMs } from '../traffic.ts';
import { blocksOf, watchMinutes, type Judge, type Watch } from './judge.ts';

/** pooledZ rolls back beyond the one-sided 95 % quantile. */
export const pooledZ: Judge = {
  name: 'pooled-z',
  metrics: ['Errors'],
  start: () => watchTotals((canary, stable) => zOf(canary, stable) > 1.645),
};

/** growthBook rolls back when its interval of the difference lies above 0; no margin. */
export const growthBook: Judge = {
  name: 'growthbook',
  metrics: ['Errors'],
  start: () => watchTotals((canary, stable) => ratioOf(canary) - ratioOf(stable) > halfWidth(canary, stable)),
};

function watchTotals(isWorse: (canary: Counts, stable: Counts) => boolean): Watch {
  const sums = { canary: { requests: 0, errors: 0 }, stable: { requests: 0, errors: 0 } };
  const minutes = watchMinutes(startMs, () => (isWorse(sums.canary, sums.stable) ? 'Rollback' : 'Continue'));
  return {
    add: (tick, step) => {
      for (const { arms } of blocksOf(tick)) {
        for (const arm of ['canary', 'stable'] as const) {
          sums[arm].requests += arms[arm].requests;
          sums[arm].errors += arms[arm].errors;
        }
      }
      minutes.add(tick, step);
    },
    verdict: () => minutes.verdict(),
  };
}

function zOf(canary: Counts, stable: Counts): number {
  const pooled = (canary.errors + stable.errors) / (canary.requests + stable.requests);
  const variance = pooled * (1 - pooled) * (1 / canary.requests + 1 / stable.requests);
  return (ratioOf(canary) - ratioOf(stable)) / Math.sqrt(variance);
}

const alpha = 0.05;

/** GrowthBook's default: the number of users for which its sequence is tightest. */
const tuningUsers = 5_000;

/** halfWidth is equation 9 of Waudby-Smith et al., Time-uniform central limit theory (arXiv 2103.06476), as GrowthBook uses it. */
function halfWidth(canary: Counts, stable: Counts): number {
  const users = canary.requests + stable.requests;
  const rhoSquared = (-2 * Math.log(alpha) + Math.log(-2 * Math.log(alpha) + 1)) / tuningUsers;
  const variance = users * (varianceOf(canary) + varianceOf(stable));
  const spread = users * rhoSquared + 1;
  return Math.sqrt(variance * ((2 * spread * Math.log(Math.sqrt(spread) / alpha)) / (users * users * rhoSquared)));
}

/** varianceOf is the variance of an error ratio. */
function varianceOf(counts: Counts): number {
  const ratio = ratioOf(counts);
  return (ratio * (1 - ratio)) / counts.requests;
}
