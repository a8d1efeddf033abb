/** What the user's queries said in the past, and what would have come of it. */
import { evaluateCheck, nextCheckState, type CheckResult, type CheckSpec, type CheckState } from '../analysis/check.ts';
import { addCheck, type Evidence } from '../analysis/evidence.ts';
import type { PrometheusSource } from '../source/prometheus.ts';

/** CheckPast is a check with its results, ascending in time. */
export interface CheckPast {
  readonly check: CheckSpec;
  readonly results: readonly { readonly atMs: number; readonly result: CheckResult }[];
}

/** CheckReport is how often a check was evaluated, and with what. */
export interface CheckReport {
  readonly name: string;
  readonly evaluated: number;
  readonly failed: number;
  readonly noData: number;
  readonly errors: number;
  /** mostFailures in a row, as the controller counts them. */
  readonly mostFailures: number;
  /** isTooMany: they are more than consecutiveFailureLimit tolerates. */
  readonly isTooMany: boolean;
}

/** A check of every second is not asked for a day's seconds: what fails often shows anyway. */
const maxResults = 10_000;

/** readChecks asks for what each check said in (fromMs, untilMs] at its own interval, or less often where that is too much. */
export async function readChecks(
  source: Pick<PrometheusSource, 'queryOver'>,
  checks: readonly CheckSpec[],
  { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
  signal: AbortSignal,
): Promise<readonly CheckPast[]> {
  const read: CheckPast[] = [];
  for (const check of checks) {
    const stepMs = Math.max(check.intervalMs, Math.ceil((untilMs - fromMs) / maxResults));
    const grid = { fromMs: fromMs + stepMs, toMs: untilMs, stepMs };
    const outcomes = await source.queryOver(check.query, grid, signal);
    const results = outcomes.map((outcome, index) => {
      return { atMs: grid.fromMs + index * stepMs, result: evaluateCheck(check, outcome) };
    });
    read.push({ check, results });
  }
  return read;
}

/** reportCheck counts the results of a check. */
export function reportCheck({ check, results }: CheckPast): CheckReport {
  const count = (state: CheckResult['state']): number => results.filter(({ result }) => result.state === state).length;
  let state: CheckState | undefined;
  let mostFailures = 0;
  for (const { result, atMs } of results) {
    state = nextCheckState(state, result, atMs);
    mostFailures = Math.max(mostFailures, state.failures);
  }
  return {
    name: check.name,
    evaluated: results.length,
    failed: count('Failing'),
    noData: count('NoData'),
    errors: count('Error'),
    mostFailures,
    isTooMany: mostFailures > check.consecutiveFailureLimit,
  };
}

/** addPastChecks adds the results of (sinceMs, untilMs] to evidence, in the order of time. */
export function addPastChecks(
  evidence: Evidence,
  past: readonly CheckPast[],
  { sinceMs, untilMs }: { readonly sinceMs: number; readonly untilMs: number },
): Evidence {
  const checks = past.map(({ check }) => check);
  return past
    .flatMap(({ check, results }) => results.map((one) => ({ check, ...one })))
    .filter(({ atMs }) => atMs > sinceMs && atMs <= untilMs)
    .toSorted((left, right) => left.atMs - right.atMs)
    .reduce((sum, { check, result, atMs }) => addCheck(sum, checks, { check, result }, atMs), evidence);
}

/** checkLines writes the reports, and what is wrong with checks that cannot be asked; nothing where there are none. */
export function checkLines(reports: readonly CheckReport[], problems: readonly string[]): readonly string[] {
  if (reports.length + problems.length === 0) return [];
  return [
    'Checks in the same time; the replays leave them out, for what a canary would have done to them is not known:',
    ...reports.map((report) => `  ${report.name}: ${sentenceOf(report)}`),
    ...problems.map((problem) => `  ${problem}`),
  ];
}

function sentenceOf({ evaluated, failed, noData, errors, mostFailures, isTooMany }: CheckReport): string {
  if (noData === evaluated) return 'no data at any time; is it about the canary, which was not there?';
  const gaps = [
    ...(noData === 0 ? [] : [`${times(noData)} without data`]),
    ...(errors === 0 ? [] : [`${times(errors)} it could not be evaluated`]),
  ];
  const failures =
    failed === 0 ? `passed ${times(evaluated - noData - errors)}` : `failed ${failed} of ${evaluated} times`;
  const streak = failed === 0 ? [] : [`at most ${mostFailures} in a row`];
  const end = isTooMany ? '; that is a rollback, whatever the canary does.' : '.';
  return `${[failures, ...streak, ...gaps].join(', ')}${end}`;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
