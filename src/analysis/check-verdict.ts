/** What the state of a user's query means for the verdict. */
import type { CheckSpec, CheckState } from './check.ts';

/** CheckVerdict is a judgement with its reason (CamelCase, for conditions) and a sentence with the numbers. */
export interface CheckVerdict {
  readonly kind: 'Pass' | 'Fail' | 'Inconclusive' | 'NoData';
  readonly reason: string;
  readonly message: string;
  /** excess is how far a Fail is beyond its limit: in points (0..100) of the error ratio, or in percent of a check's bound, at most 100. */
  readonly excess?: number;
}

/** judgeCheck judges one check; undefined where missing data is to be ignored. */
export function judgeCheck(check: CheckSpec, state: CheckState | undefined): CheckVerdict | undefined {
  if (state === undefined) {
    return { kind: 'Inconclusive', reason: 'CheckPending', message: `Check ${check.name} has not been evaluated yet.` };
  }
  if (state.failures > check.consecutiveFailureLimit) {
    const excess = 'value' in state ? excessOf(check, state.value) : 0;
    return { kind: 'Fail', reason: 'CheckFailed', message: failureMessage(check, state), excess };
  }
  if (state.state === 'NoData') {
    return judgeMissingCheck(check, 'CheckNoData', `Check ${check.name} has no data: its query returned nothing.`);
  }
  if (state.state === 'Error') {
    const message = `Check ${check.name} could not be evaluated ${state.errors} times in a row (${state.reason}), tolerated ${check.consecutiveErrorLimit}.`;
    if (state.errors > check.consecutiveErrorLimit) return judgeMissingCheck(check, 'CheckErrors', message);
    return { kind: 'Inconclusive', reason: 'CheckUnknown', message };
  }
  if (state.state === 'Failing') {
    return { kind: 'Inconclusive', reason: 'CheckFailing', message: failureMessage(check, state) };
  }
  return {
    kind: 'Pass',
    reason: 'CheckPassing',
    message: `Check ${check.name} is ${state.value}, ${boundsOf(check)}.`,
  };
}

function judgeMissingCheck(check: CheckSpec, reason: string, message: string): CheckVerdict | undefined {
  if (check.onNoData === 'Ignore') return undefined;
  return { kind: check.onNoData === 'Rollback' ? 'Fail' : 'NoData', reason, message };
}

/** excessOf is how far a value is outside the bounds, in percent of the bound that it breaks, at most 100: checks have units of their own. */
function excessOf({ min, max }: CheckSpec, value: number): number {
  const distances = [
    ...(max !== undefined && value > max ? [(value - max) / Math.abs(max)] : []),
    ...(min !== undefined && value < min ? [(min - value) / Math.abs(min)] : []),
  ];
  return Math.min(100, 100 * Math.max(0, ...distances));
}

function failureMessage(check: CheckSpec, state: CheckState): string {
  const value = 'value' in state ? `is ${state.value}` : 'failed before its data went missing';
  return `Check ${check.name} ${value}, ${boundsOf(check)}: failed ${state.failures} in a row, tolerated ${check.consecutiveFailureLimit}.`;
}

function boundsOf(check: CheckSpec): string {
  const bounds = [
    check.min === undefined ? '' : `at least ${check.min}`,
    check.max === undefined ? '' : `at most ${check.max}`,
  ].filter((bound) => bound !== '');
  return bounds.length === 0 ? 'without bounds' : `allowed ${bounds.join(' and ')}`;
}
