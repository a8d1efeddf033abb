/** The HTTP endpoints for machines: /healthz, /readyz, /metrics and /config. */
import type * as Http from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics.ts';

// An `import` of node:http reads all that it exports, WebSocket too, which loads Node's own copy of undici: 15 MiB.
const { createServer } = createRequire(import.meta.url)('node:http') as typeof Http;

/** HealthOptions say what the endpoints answer; `config` must not hold secrets. */
export interface HealthOptions {
  /** host is an address or a name; empty takes every address, of IPv6 too where the machine has it. */
  readonly host: string;
  /** port 0 takes a free one. */
  readonly port: number;
  readonly metrics: Pick<Metrics, 'contentType' | 'text'>;
  /** isReady returns undefined when ready, else the sentence that says why not. */
  readonly isReady: () => string | undefined;
  readonly config: object;
  /** page returns what is shown at another URL (path and query), or undefined where there is nothing. */
  readonly page?: ((url: string) => JsonPage | undefined) | undefined;
}

/** JsonPage is shown as JSON. */
export interface JsonPage {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** HealthServer listens until closed. */
export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** startHealthServer resolves when the endpoints can be reached; it rejects where the address is taken. */
export async function startHealthServer(options: HealthOptions): Promise<HealthServer> {
  const server = createServer((request, response) => {
    void answer(request.url ?? '', options)
      // A scrape must not end the process, whatever a metric or the state of readiness throws.
      .catch(() => text(500, 'the answer could not be made'))
      .then(({ status, contentType, body, headers }) => {
        response.writeHead(status, { ...headers, 'content-type': contentType }).end(body);
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return { port: (server.address() as AddressInfo).port, close: () => close(server) };
}

async function answer(url: string, options: HealthOptions): Promise<Answer> {
  switch (url.split('?')[0] ?? '') {
    case '/healthz':
      return text(200, 'ok');
    case '/readyz': {
      const reason = options.isReady();
      return reason === undefined ? text(200, 'ok') : text(503, reason);
    }
    case '/config':
      return json(options.config);
    case '/metrics':
      return { status: 200, contentType: options.metrics.contentType, body: await options.metrics.text() };
    default: {
      const page = options.page?.(url);
      if (page === undefined) return text(404, 'not found; there are /healthz, /readyz, /metrics and /config');
      return { ...json(page.body), status: page.status, headers: page.headers };
    }
  }
}

function json(value: unknown): Answer {
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` };
}

function text(status: number, body: string): Answer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${body}\n` };
}

function close(server: Http.Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
