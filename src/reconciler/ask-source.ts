/** Calls of a MetricSource that cannot fail. A source that throws breaks its promise: silence must not pass for health. */
import type { MetricSource, QueryOutcome, SampleOutcome, SampleQuery } from '../analysis/metric-source.ts';

/** Asker is who waits for the answer to one of many queries. */
export interface Asker<T> {
  readonly of: T;
  readonly query: SampleQuery;
}

/** Answered is the answer for one asker. */
export interface Answered<T> {
  readonly of: T;
  readonly outcome: SampleOutcome;
}

const broken = { reason: 'SourceUnreachable', message: 'The metric source failed unexpectedly.' } as const;

/** sampleAll asks for all at once and yields the answers as they come, each once; those that the source leaves out are missing data. */
export async function* sampleAll<T>(
  source: MetricSource,
  askers: readonly Asker<T>[],
  signal: AbortSignal,
): AsyncGenerator<readonly Answered<T>[]> {
  const open = new Map(askers.entries());
  const close = (index: number, outcome: SampleOutcome): readonly Answered<T>[] => {
    const asker = open.get(index);
    open.delete(index);
    return asker === undefined ? [] : [{ of: asker.of, outcome }];
  };
  const queries = askers.map(({ query }) => query);
  try {
    for await (const answers of source.sample(queries, signal)) {
      yield answers.flatMap(({ index, outcome }) => close(index, outcome));
    }
  } catch {
    // Those that are still open are told below.
  }
  if (open.size > 0) yield [...open.keys()].flatMap((index) => close(index, { kind: 'NoData', ...broken }));
}

/** evaluateQuery asks a user's query. */
export async function evaluateQuery(
  source: MetricSource,
  promql: string,
  atMs: number,
  signal: AbortSignal,
): Promise<QueryOutcome> {
  try {
    return await source.query(promql, atMs, signal);
  } catch {
    return { kind: 'Error', ...broken };
  }
}
