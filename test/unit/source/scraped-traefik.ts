import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** ScrapedTraefik shows the metrics that a test gives it, as Traefik does. */
export class ScrapedTraefik {
  readonly #server: Server;
  /** counters maps `service/code` (or `service/protocol/code`) to a number of requests. */
  counters: Readonly<Record<string, number>> = {};
  /** buckets maps `service/code/le` or `service/protocol/code/le` to a number of requests. */
  buckets: Readonly<Record<string, number>> = {};
  startedSeconds = 1_795_000_000;
  contentType = 'text/plain; version=0.0.4; charset=utf-8';
  /** reply, if set, answers instead. */
  reply: ((response: ServerResponse) => void) | undefined;
  /** scrapes is the number of requests so far. */
  scrapes = 0;
  /** headers are those of the last request. */
  headers: IncomingMessage['headers'] = {};

  private constructor(server: Server) {
    this.#server = server;
  }

  /** start listens on a free port of the loopback interface. */
  static async start(): Promise<ScrapedTraefik> {
    const server = createServer();
    const traefik = new ScrapedTraefik(server);
    server.on('request', ({ headers }: IncomingMessage, response: ServerResponse) => {
      traefik.scrapes += 1;
      traefik.headers = headers;
      if (traefik.reply) return traefik.reply(response);
      response.writeHead(200, { 'content-type': traefik.contentType });
      response.end(traefik.text);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return traefik;
  }

  /** url is where its metrics are. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/metrics`;
  }

  /** text is what it shows. */
  get text(): string {
    const counters = Object.entries(this.counters).map(([name, value]) => {
      const parts = name.split('/');
      const [service, protocol, code] = parts.length > 2 ? parts : [parts[0], 'http', parts[1]];
      return `traefik_service_requests_total{code="${code}",method="GET",protocol="${protocol}",service="${service}"} ${value}`;
    });
    const buckets = Object.entries(this.buckets).map(([name, value]) => {
      const parts = name.split('/');
      const [service, protocol, code, le] = parts.length > 3 ? parts : [parts[0], 'http', parts[1], parts[2]];
      const labels = `code="${code}",method="GET",protocol="${protocol}",service="${service}",le="${le}"`;
      return `traefik_service_request_duration_seconds_bucket{${labels}} ${value}`;
    });
    return [`process_start_time_seconds ${this.startedSeconds}`, ...counters, ...buckets, ''].join('\n');
  }

  /** close ends all connections. */
  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
