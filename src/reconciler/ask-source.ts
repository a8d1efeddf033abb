/** Calls of a MetricSource that cannot fail. A source that throws breaks its promise: silence must not pass for health. */
import type {
  MetricSource,
  QueryOutcome,
  SampleAnswer,
  SampleOutcome,
  SampleQuery,
} from '../analysis/metric-source.ts';

/** Asker is who waits for the answer to one of many queries. */
export interface Asker<T> {
  readonly of: T;
  readonly query: SampleQuery;
}

/** Answered is the answer for one asker. */
export interface Answered<T> {
  readonly of: T;
  readonly outcome: SampleOutcome;
  /** isEarly says that the same comes again, with durations. */
  readonly isEarly: boolean;
}

const broken = { reason: 'SourceUnreachable', message: 'The metric source failed unexpectedly.' } as const;

/** sampleAll asks for all at once and yields the answers as they come, each once besides early ones; those that the source leaves out are missing data. */
export async function* sampleAll<T>(
  source: MetricSource,
  askers: readonly Asker<T>[],
  signal: AbortSignal,
): AsyncGenerator<readonly Answered<T>[]> {
  const open = new Map(askers.entries());
  const close = ({ index, outcome, isEarly = false }: SampleAnswer): readonly Answered<T>[] => {
    const asker = open.get(index);
    if (!isEarly) open.delete(index);
    return asker === undefined ? [] : [{ of: asker.of, outcome, isEarly }];
  };
  const queries = askers.map(({ query }) => query);
  try {
    for await (const answers of source.sample(queries, signal)) {
      yield answers.flatMap(close);
    }
  } catch {
    // Those that are still open are told below.
  }
  if (open.size > 0)
    yield [...open.keys()].flatMap((index) => close({ index, outcome: { kind: 'NoData', ...broken } }));
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
