import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Series } from '../../../src/source/series.ts';

/** Reply is what the stand-in answers instead of evaluating the query. */
export type Reply = (request: IncomingMessage, response: ServerResponse) => void;

/** CannedPrometheus answers the query API from given raw samples; only bare range selectors and `count(…)` are understood. */
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
      data: this.#evaluate(promql, Math.round(Number(form.get('time')) * 1000)),
    });
  }

  #evaluate(promql: string, atMs: number): object {
    const range = /^(\w+)\{(.*)\}\[(\d+)ms\]$/.exec(promql);
    if (range === null) {
      const inner = /^count\(.*?\((.*)\)(?: == 1)?\)$/.exec(promql)?.[1] ?? '';
      const rows = this.#range(/\{/.test(inner) ? inner : inner.replace('[', '{}['), atMs);
      const count = rows.filter(({ values }) => values.some(([, value]) => value !== '0')).length;
      return { resultType: 'vector', result: count === 0 ? [] : [{ metric: {}, value: [atMs / 1000, String(count)] }] };
    }
    return { resultType: 'matrix', result: this.#range(promql, atMs) };
  }

  #range(selector: string, atMs: number): { metric: object; values: [number, string][] }[] {
    const [, name, matchers, length] = /^(\w+)\{(.*)\}\[(\d+)ms\]$/.exec(selector) ?? [];
    const patterns = [...(matchers ?? '').matchAll(/(\w+)=(~?)("(?:[^"\\]|\\.)*")/g)].map(
      ([, label, tilde, literal]) => {
        const value = JSON.parse(literal ?? '""') as string;
        return [label ?? '', tilde === '~' ? new RegExp(value) : value] as const;
      },
    );
    return this.series
      .filter(({ labels }) => labels['__name__'] === name)
      .filter(({ labels }) =>
        patterns.every(([label, want]) =>
          typeof want === 'string' ? labels[label] === want : want.test(labels[label] ?? ''),
        ),
      )
      .map(({ labels, samples }) => ({
        metric: labels,
        values: [...samples]
          .filter(([sampleMs]) => sampleMs > atMs - Number(length) && sampleMs <= atMs)
          .map(([sampleMs, value]): [number, string] => [sampleMs / 1000, String(value)]),
      }))
      .filter(({ values }) => values.length > 0);
  }
}

/** json answers with a status and a JSON body. */
export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
