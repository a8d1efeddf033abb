/** Asks the user's queries that are due: equal ones once, a few at the same time. */
import { evaluateCheck, type CheckResult, type CheckSpec } from '../analysis/check.ts';
import type { MetricSource } from '../analysis/metric-source.ts';
import { createLanes } from '../source/lanes.ts';
import { evaluateQuery } from './ask-source.ts';

/** CheckAsker asks checks. */
export interface CheckAsker<T> {
  /** ask begins with the checks that are not under way for the same one already; each answer is told for all who wait for it. */
  ask(due: readonly DueCheck<T>[]): void;
}

/** DueCheck is a check to be evaluated, and whose it is. */
export interface DueCheck<T> {
  readonly of: T;
  readonly check: CheckSpec;
}

/** CheckedCheck is a check with its result. */
export interface CheckedCheck<T> extends DueCheck<T> {
  readonly result: CheckResult;
}

/** CheckAskerOptions are the collaborators; `nowMs` is the API server's time. */
export interface CheckAskerOptions<T> {
  readonly source: MetricSource;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
  readonly onChecked: (checked: readonly CheckedCheck<T>[]) => void;
}

const maxConcurrent = 8;

/** createCheckAsker returns an asker with lanes of its own; a query that hangs keeps one of them until its time-out. */
export function createCheckAsker<T extends object>(options: CheckAskerOptions<T>): CheckAsker<T> {
  const { source, nowMs, signal, onChecked } = options;
  const lanes = createLanes(maxConcurrent);
  const underWay = new WeakMap<T, Set<string>>();

  async function evaluate(promql: string, waiting: readonly DueCheck<T>[]): Promise<void> {
    const outcome = await lanes.run(async () =>
      signal.aborted ? undefined : evaluateQuery(source, promql, nowMs(), signal),
    );
    for (const { of, check } of waiting) underWay.get(of)?.delete(check.name);
    if (outcome === undefined || signal.aborted) return;
    onChecked(waiting.map(({ of, check }) => ({ of, check, result: evaluateCheck(check, outcome) })));
  }

  function begin({ of, check }: DueCheck<T>): boolean {
    const names = underWay.get(of) ?? new Set<string>();
    if (names.has(check.name)) return false;
    underWay.set(of, names.add(check.name));
    return true;
  }

  return {
    ask: (due) => {
      const byQuery = new Map<string, DueCheck<T>[]>();
      for (const one of due.filter(begin)) {
        const same = byQuery.get(one.check.query);
        if (same === undefined) byQuery.set(one.check.query, [one]);
        else same.push(one);
      }
      for (const [promql, waiting] of byQuery) void evaluate(promql, waiting);
    },
  };
}
