/**
 * Answers as Prometheus would, in a process of its own: raw samples of the traffic model for a selector, with or without
 * a range, `sum by (…) (…)` of one on a grid, and `count(…)` of the pods. It counts the queries, and notes when an answer with a breach had been sent.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { parseSelector, type Matcher, type Selector } from './selector.ts';
import {
  createTrafficModel,
  nextBreachMs,
  scrapeTimes,
  type Pod,
  type Series,
  type TrafficModel,
} from './traffic-model.ts';

/** StandInStats is the answer of GET /bench/stats. */
export interface StandInStats {
  readonly queries: number;
  readonly series: number;
  readonly bytes: number;
  /** refused is a query that the stand-in did not understand. */
  readonly refused: string | undefined;
}

/** BreachOrder is the body of POST /bench/breach: errors a second by application; the answer is `{atMs}` of the first sample that shows them. */
export type BreachOrder = readonly { readonly index: number; readonly errorsPerSecond: number }[];

/** BreachAnswers is the answer of GET /bench/answers: when each answer with samples of an application's breach was sent, ascending. */
export type BreachAnswers = readonly { readonly index: number; readonly sentMs: readonly number[] }[];

interface StandIn {
  readonly model: TrafficModel;
  readonly stats: { queries: number; series: number; bytes: number; refused: string | undefined };
  readonly breachAnswers: Map<number, number[]>;
}

/** Prometheus finds the last sample of an instant query up to five minutes back. */
const lookbackMs = 300_000;

/** serve listens on loopback until the process ends. */
function serve(port: number, rollouts: number): void {
  const standIn: StandIn = {
    model: createTrafficModel(rollouts, Date.now()),
    stats: { queries: 0, series: 0, bytes: 0, refused: undefined },
    breachAnswers: new Map(),
  };
  const server = createServer((request, response) => {
    readBody(request).then(
      (body) => answer(standIn, request, { body, response }),
      () => response.destroy(),
    );
  });
  server.keepAliveTimeout = 600_000;
  server.listen(port, '127.0.0.1');
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function answer(
  standIn: StandIn,
  request: IncomingMessage,
  { body, response }: { readonly body: string; readonly response: ServerResponse },
): void {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  switch (url.pathname) {
    case '/api/v1/query':
      return answerQuery(standIn, new URLSearchParams(request.method === 'POST' ? body : url.search), response);
    case '/api/v1/query_range':
      return answerGrid(standIn, new URLSearchParams(body), response);
    case '/bench/stats':
      return send(response, 200, JSON.stringify(standIn.stats));
    case '/bench/answers': {
      const answers: BreachAnswers = [...standIn.breachAnswers].map(([index, sentMs]) => ({ index, sentMs }));
      return send(response, 200, JSON.stringify(answers));
    }
    case '/bench/breach': {
      const atMs = nextBreachMs(Date.now());
      for (const { index, errorsPerSecond } of JSON.parse(body) as BreachOrder)
        standIn.model.breaches.set(index, { atMs, errorsPerSecond });
      return send(response, 200, JSON.stringify({ atMs }));
    }
    default:
      return send(response, 404, '{}');
  }
}

function answerQuery(standIn: StandIn, parameters: URLSearchParams, response: ServerResponse): void {
  const { stats, model, breachAnswers } = standIn;
  const query = parameters.get('query') ?? '';
  const atMs = parameters.has('time') ? Math.round(Number(parameters.get('time')) * 1000) : Date.now();
  stats.queries += 1;
  if (/^\s*count\s*\(/.test(query)) {
    return send(response, 200, success('vector', `{"metric":{},"value":[${atMs / 1000},"3"]}`));
  }
  const selector = parseSelector(query);
  if (selector === undefined) return refuse(standIn, query, response);
  const shown: number[] = [];
  const rows = renderRows(selectSeries(model, selector), { selector, atMs, model, shown });
  const text = success(selector.rangeMs === undefined ? 'vector' : 'matrix', rows.join(','));
  count(standIn, rows.length, text);
  response.once('finish', () => {
    const sentMs = Date.now();
    for (const index of shown) {
      const known = breachAnswers.get(index);
      if (known === undefined) breachAnswers.set(index, [sentMs]);
      else known.push(sentMs);
    }
  });
  send(response, 200, text);
}

function count({ stats }: StandIn, rows: number, text: string): void {
  stats.series += rows;
  stats.bytes += text.length;
}

function refuse({ stats }: StandIn, query: string, response: ServerResponse): void {
  stats.refused = query.slice(0, 200);
  send(response, 400, '{"status":"error","errorType":"bad_data","error":"the stand-in knows no such query"}');
}

/** answerGrid knows sums of a selector by some labels. */
function answerGrid(standIn: StandIn, parameters: URLSearchParams, response: ServerResponse): void {
  const query = parameters.get('query') ?? '';
  standIn.stats.queries += 1;
  const [, by = '', inner = ''] = /^sum by \(([\w, ]+)\) \((.*)\)$/s.exec(query) ?? [];
  const selector = parseSelector(inner);
  if (by === '' || selector === undefined) return refuse(standIn, query, response);
  const msOf = (name: string): number => Math.round(Number(parameters.get(name)) * 1000);
  const [fromMs, toMs, stepMs] = [msOf('start'), msOf('end'), msOf('step')];
  const points: number[] = [];
  for (let atMs = fromMs; atMs <= toMs; atMs += stepMs) points.push(atMs);
  const rows = renderSums(selectSeries(standIn.model, selector), by.split(', '), points);
  const text = success('matrix', rows.join(','));
  count(standIn, rows.length, text);
  send(response, 200, text);
}

function renderSums(series: readonly Series[], by: readonly string[], points: readonly number[]): readonly string[] {
  const times = new Map<Pod, readonly (number | undefined)[]>();
  const sums = new Map<string, number[]>();
  for (const { labels, pod, valueAt } of series) {
    const scrapes = times.get(pod) ?? points.map((atMs) => scrapeTimes(pod, atMs - lookbackMs, atMs).at(-1));
    times.set(pod, scrapes);
    const key = JSON.stringify(Object.fromEntries(by.map((label) => [label, labels[label]])));
    const values = sums.get(key) ?? points.map(() => 0);
    for (const [index, atMs] of scrapes.entries())
      values[index] = (values[index] ?? 0) + (atMs === undefined ? 0 : valueAt(atMs));
    sums.set(key, values);
  }
  return [...sums].map(
    ([metric, values]) =>
      `{"metric":${metric},"values":[${values.map((value, index) => `[${(points[index] ?? 0) / 1000},"${value}"]`).join(',')}]}`,
  );
}

function selectSeries(model: TrafficModel, { matchers }: Selector): readonly Series[] {
  const metrics = matchers.find(({ label }) => label === '__name__')?.values ?? [];
  const services = matchers.find(({ label, values }) => label === 'service' && values !== undefined)?.values;
  const found = metrics.flatMap((metric) => [...model.targetSeries(metric), ...model.serviceSeries(metric, services)]);
  // The two that chose the series need not be asked again.
  const others = matchers.filter(
    ({ label, values }) => values === undefined || !['__name__', 'service'].includes(label),
  );
  return others.length === 0 ? found : found.filter(({ labels }) => matchesAll(labels, others));
}

function matchesAll(labels: Readonly<Record<string, string>>, matchers: readonly Matcher[]): boolean {
  return matchers.every(({ label, matches }) => matches(labels[label] ?? ''));
}

interface Asked {
  readonly selector: Selector;
  readonly atMs: number;
  readonly model: TrafficModel;
  /** shown collects the applications whose breach is in the answer. */
  readonly shown: number[];
}

function renderRows(series: readonly Series[], { selector, atMs, model, shown }: Asked): readonly string[] {
  const { rangeMs } = selector;
  const timesByPod = new Map<Pod, readonly number[]>();
  const timesOf = (pod: Pod): readonly number[] => {
    const times = timesByPod.get(pod) ?? scrapeTimes(pod, atMs - (rangeMs ?? lookbackMs), Math.min(atMs, Date.now()));
    timesByPod.set(pod, times);
    return times;
  };
  const rows: string[] = [];
  for (const one of series) {
    const times = timesOf(one.pod);
    if (times.length === 0) continue;
    const breachMs = one.breachable === undefined ? undefined : model.breaches.get(one.breachable)?.atMs;
    if (one.breachable !== undefined && (times.at(-1) ?? 0) >= (breachMs ?? Infinity)) shown.push(one.breachable);
    rows.push(renderRow(one, rangeMs === undefined ? times.slice(-1) : times, rangeMs !== undefined));
  }
  return rows;
}

function renderRow({ labelsText, valueAt }: Series, times: readonly number[], isRange: boolean): string {
  const points = times.map((timeMs) => `[${timeMs / 1000},"${valueAt(timeMs)}"]`).join(',');
  return `{"metric":${labelsText},${isRange ? `"values":[${points}]` : `"value":${points}`}}`;
}

function success(resultType: string, rows: string): string {
  return `{"status":"success","data":{"resultType":"${resultType}","result":[${rows}]}}`;
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

if (import.meta.main) serve(Number(process.argv[2]), Number(process.argv[3]));
