/** Reads raw samples, in pieces that Prometheus and its proxies can answer. */
import type { ApiAnswer, ApiFailure, ApiResult, Grid, PrometheusApi } from './prometheus-api.ts';
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
  return (selector, { fromMs, toMs }, signal) => {
    const pieces = cut(fromMs, toMs, pieceMs).map((startMs) => {
      const endMs = Math.min(startMs + pieceMs - 1, toMs);
      // A range is open on the left in Prometheus 3 and closed in 2: one more millisecond holds startMs in both.
      return () => api.query(`${selector}[${endMs - startMs + 1}ms]`, endMs, signal);
    });
    return readPieces(pieces, turns);
  };
}

/** GridReader reads what an expression is at each point of a grid. */
export type GridReader = (promql: string, grid: Grid, signal: AbortSignal) => Promise<ApiAnswer<RangeData>>;

/** createGridReader returns a reader over `api`. */
export function createGridReader(api: PrometheusApi, turns: Turns): GridReader {
  return (promql, { fromMs, toMs, stepMs }, signal) => {
    const lengthMs = Math.max(stepMs, Math.floor(pieceMs / stepMs) * stepMs);
    const pieces = cut(fromMs, toMs, lengthMs).map((startMs) => {
      const piece = { fromMs: startMs, toMs: Math.min(startMs + lengthMs - stepMs, toMs), stepMs };
      return () => api.queryGrid(promql, piece, signal);
    });
    return readPieces(pieces, turns);
  };
}

function cut(fromMs: number, toMs: number, lengthMs: number): readonly number[] {
  const starts: number[] = [];
  for (let startMs = fromMs; startMs <= toMs; startMs += lengthMs) starts.push(startMs);
  return starts;
}

async function readPieces(
  pieces: readonly (() => Promise<ApiAnswer<ApiResult>>)[],
  turns: Turns,
): Promise<ApiAnswer<RangeData>> {
  const read: (readonly Series[])[] = [];
  let bytes = 0;
  for (const ask of pieces) {
    const answer = await ask();
    if (answer.kind === 'Failure') return answer;
    const series = readMatrix(answer.value.data);
    if (series === undefined) return noMatrix;
    read.push(series);
    bytes = Math.max(bytes, answer.value.bytes);
  }
  return { kind: 'Answer', value: { series: await turns.take(() => mergeSeries(read)), bytes } };
}

const noMatrix: ApiFailure = {
  kind: 'Failure',
  reason: 'SourceRefused',
  message: 'The source did not answer a range with a matrix.',
};

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
