import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Series } from '../../../src/source/series.ts';
import { isRangeSelector, selectRange, sumOnGrid } from './evaluate.ts';

/** Reply is what the stand-in answers instead of evaluating the query. */
export type Reply = (request: IncomingMessage, response: ServerResponse) => void;

/** CannedPrometheus answers the query API from given raw samples; only bare range selectors, `count(…)`, and `sum by (…) (…)` on a grid are understood. */
export class CannedPrometheus {
  readonly #server: Server;
  /** series is what it has stored. */
  series: readonly Series[] = [];
  /** reply, if set, answers every request. */
  reply: Reply | undefined;
  /** before, if set, is waited for with the PromQL of a request; a status that it returns is answered instead of the result. */
  before: ((promql: string) => number | void | Promise<number | void>) | undefined;
  /** queries holds the PromQL of every request, oldest first. */
  readonly queries: string[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  /** start listens on a free port of the loopback interface. */
  static async start(): Promise<CannedPrometheus> {
    const server = createServer();
    const canned = new CannedPrometheus(server);
    server.on(
      'request',
      (request: IncomingMessage, response: ServerResponse) => void canned.#answer(request, response),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return canned;
  }

  /** url is where it listens. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** close ends all connections. */
  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const form = new URLSearchParams(body);
    const promql = form.get('query') ?? '';
    this.queries.push(promql);
    if (this.reply) {
      this.reply(request, response);
      return;
    }
    const status = await this.before?.(promql);
    if (status !== undefined) {
      json(response, status, { status: 'error', errorType: 'test', error: 'as the test wants it' });
      return;
    }
    json(response, 200, {
      status: 'success',
      data: this.#evaluate(promql, form),
    });
  }

  #evaluate(promql: string, form: URLSearchParams): object {
    const timeOf = (name: string): number => Math.round(Number(form.get(name)) * 1000);
    if (form.has('step')) {
      const grid = { fromMs: timeOf('start'), toMs: timeOf('end'), stepMs: timeOf('step') };
      if (promql.startsWith('sum'))
        return { resultType: 'matrix', result: toRows(sumOnGrid(this.series, promql, grid)) };
      const samples = new Map<number, number>();
      for (let atMs = grid.fromMs; atMs <= grid.toMs; atMs += grid.stepMs) {
        const count = this.#count(promql, atMs);
        if (count > 0) samples.set(atMs, count);
      }
      return { resultType: 'matrix', result: samples.size === 0 ? [] : toRows([{ labels: {}, samples }]) };
    }
    const atMs = timeOf('time');
    if (isRangeSelector(promql))
      return { resultType: 'matrix', result: toRows(selectRange(this.series, promql, atMs)) };
    const count = this.#count(promql, atMs);
    return { resultType: 'vector', result: count === 0 ? [] : [{ metric: {}, value: [atMs / 1000, String(count)] }] };
  }

  #count(promql: string, atMs: number): number {
    const inner = /^count\(.*?\((.*)\)(?: == 1)?\)$/.exec(promql)?.[1] ?? '';
    const found = selectRange(this.series, /\{/.test(inner) ? inner : inner.replace('[', '{}['), atMs);
    return found.filter(({ samples }) => [...samples.values()].some((value) => value !== 0)).length;
  }
}

function toRows(series: readonly Series[]): readonly object[] {
  return series.map(({ labels, samples }) => ({
    metric: labels,
    values: [...samples].map(([atMs, value]): [number, string] => [atMs / 1000, String(value)]),
  }));
}

/** json answers with a status and a JSON body. */
export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
