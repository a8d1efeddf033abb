/** Kayenta, re-implemented (NetflixACAJudge, MannWhitneyClassifier): one point a minute and arm, volume forgotten, High fails. */
import type { Block } from '../../../src/analysis/block.ts';
import { boundsOf, quantileOf } from '../latency.ts';
import { plannedSeconds, type Scenario } from '../scenario.ts';
import { ratioOf, sumCounts, sumDurations } from '../sums.ts';
import { startMs } from '../traffic.ts';
import type { Judge, Watch } from './judge.ts';
import { watchMinutes } from './judge.ts';
import { findShift } from './mann-whitney.ts';

/** The normal quantile of a two-sided interval at confLevel 0.98. */
const z = 2.326_347_874;

/** kayentaErrorRatio compares the error ratios of the minutes. */
export const kayentaErrorRatio: Judge = {
  name: 'kayenta',
  metrics: ['Errors'],
  start: (scenario) => watchPoints(scenario, (blocks, arm) => ratioOf(sumCounts(blocks, arm))),
};

/** kayentaP99 compares the p99 of the minutes. */
export const kayentaP99: Judge = {
  name: 'kayenta-p99',
  metrics: ['Latency'],
  start: (scenario) => {
    const bounds = scenario.latency === undefined ? [] : boundsOf(scenario.latency);
    return watchPoints(scenario, (blocks, arm) => quantileOf(0.99, bounds, sumDurations(blocks, arm)) ?? Number.NaN);
  },
};

/** A watched canary is judged every ten minutes, a rollout at the end of each step; always on all points since the start. */
function watchPoints(
  scenario: Scenario,
  pointOf: (blocks: readonly Block[], arm: 'stable' | 'canary') => number,
): Watch {
  const canary: number[] = [];
  const stable: number[] = [];
  const minutes = judgementMinutes(scenario);
  return watchMinutes(startMs, (look) => {
    canary.push(pointOf(look.last(1), 'canary'));
    stable.push(pointOf(look.last(1), 'stable'));
    if (!minutes.has(look.minute)) return 'Continue';
    return isHigh(canary.filter(isNumber), stable.filter(isNumber)) ? 'Rollback' : 'Continue';
  });
}

function judgementMinutes(scenario: Scenario): ReadonlySet<number> {
  const minutes = new Set<number>();
  if (scenario.plan === 'Watch') {
    for (let minute = 10; minute <= plannedSeconds(scenario) / 60; minute += 10) minutes.add(minute);
    return minutes;
  }
  let minute = 0;
  for (const { seconds } of scenario.steps) minutes.add((minute += seconds / 60));
  return minutes;
}

/** A point without data is removed (nanStrategy remove). */
function isNumber(value: number): boolean {
  return !Number.isNaN(value);
}

/** isHigh: the whole interval is above a quarter of the estimate, and the mean has not fallen. No data is Nodata, which fails nothing here. */
function isHigh(canary: readonly number[], stable: readonly number[]): boolean {
  if (canary.length === 0 || stable.length === 0) return false;
  if (isConstant([...canary, ...stable])) return false;
  const { estimate, lower } = findShift(canary, stable, z);
  if (lower <= 0.25 * Math.abs(estimate)) return false;
  const effect = mean(canary) / mean(stable);
  return !Number.isFinite(effect) || effect >= 1;
}

function isConstant([first, ...rest]: readonly number[]): boolean {
  return rest.every((value) => value === first);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
