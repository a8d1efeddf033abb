/** Reads raw samples, in pieces that Prometheus and its proxies can answer. */
import type { ApiAnswer, PrometheusApi } from './prometheus-api.ts';
import { readMatrix } from './prometheus-answer.ts';
import { instanceSelector, type SelectorConfig } from './selectors.ts';
import { mergeSeries, type Series } from './series.ts';
import { addInstances, type Instances, type Span } from './targets.ts';
import type { Turns } from './turns.ts';

/** RangeData is what a selector had in a span; `bytes` is the size of the largest answer. */
export interface RangeData {
  readonly series: readonly Series[];
  readonly bytes: number;
}

/** RangeReader reads the raw samples of a selector in a span, both ends included. */
export type RangeReader = (selector: string, span: Span, signal: AbortSignal) => Promise<ApiAnswer<RangeData>>;

/** Range queries are cut to this length. */
const pieceMs = 300_000;

/** createRangeReader returns a reader over `api`. */
export function createRangeReader(api: PrometheusApi, turns: Turns): RangeReader {
  return async (selector, { fromMs, toMs }, signal) => {
    const pieces: (readonly Series[])[] = [];
    let bytes = 0;
    for (let startMs = fromMs; startMs <= toMs; startMs += pieceMs) {
      const endMs = Math.min(startMs + pieceMs - 1, toMs);
      // A range is open on the left in Prometheus 3 and closed in 2: one more millisecond holds startMs in both.
      const answer = await api.query(`${selector}[${endMs - startMs + 1}ms]`, endMs, signal);
      if (answer.kind === 'Failure') return answer;
      const series = await turns.take(() => readMatrix(answer.value.data));
      if (series === undefined) {
        return {
          kind: 'Failure',
          reason: 'SourceRefused',
          message: 'The source did not answer a range with a matrix.',
        };
      }
      pieces.push(series);
      bytes = Math.max(bytes, answer.value.bytes);
    }
    return { kind: 'Answer', value: { series: await turns.take(() => mergeSeries(pieces)), bytes } };
  };
}

/** InstanceBook holds the scrapes and process starts of the instances that were asked for, in one span. */
export interface InstanceBook {
  /** read asks for the instances that nobody has asked for yet, and waits for those that somebody has. */
  read(names: readonly string[], signal: AbortSignal): Promise<ApiAnswer<Instances>>;
}

/** createInstanceBook returns an empty book: `up` and `process_start_time_seconds` say nothing of services, so all who count in the span share them. */
export function createInstanceBook(range: RangeReader, config: SelectorConfig, span: Span): InstanceBook {
  const asked = new Map<string, Promise<ApiAnswer<true>>>();
  const instances = { up: new Map<string, readonly Series[]>(), started: new Map<string, readonly Series[]>() };

  async function ask(names: readonly string[], signal: AbortSignal): Promise<ApiAnswer<true>> {
    const [up, started] = await Promise.all([
      range(instanceSelector(config, 'up', names), span, signal),
      range(instanceSelector(config, 'process_start_time_seconds', names), span, signal),
    ]);
    if (up.kind === 'Failure') return up;
    if (started.kind === 'Failure') return started;
    addInstances(instances, up.value.series, started.value.series);
    return { kind: 'Answer', value: true };
  }

  return {
    read: async (names, signal) => {
      const unknown = names.filter((name) => !asked.has(name));
      const asking = unknown.length === 0 ? undefined : ask(unknown, signal);
      if (asking !== undefined) for (const name of unknown) asked.set(name, asking);
      const pages = new Set(names.flatMap((name) => asked.get(name) ?? []));
      for (const answer of await Promise.all(pages)) if (answer.kind === 'Failure') return answer;
      return { kind: 'Answer', value: instances };
    },
  };
}
