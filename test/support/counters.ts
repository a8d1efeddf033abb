/**
 * What Traefik pods would count, without the traffic: a real Prometheus scrapes it. Every service of every instance gets
 * the same number of requests a second; how many of them fail is what a test says.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Counters serve metrics until stopped. */
export interface Counters {
  /** addresses are `host:port` of the instances, as scrape targets. */
  readonly addresses: readonly string[];
  /** fail makes `ratio` (0 to 1) of the requests to a service fail from now on. */
  fail(service: string, ratio: number): void;
  /** restart lets an instance count from zero, as a new process would. */
  restart(instance: number): void;
  stop(): Promise<void>;
}

/** CountersOptions: `services` are the values of the label `service`. */
export interface CountersOptions {
  readonly services: readonly string[];
  /** instances is the number of pods; 2 if absent. */
  readonly instances?: number;
  /** requestsPerSecond is what each instance counts for each service; 20 if absent. */
  readonly requestsPerSecond?: number;
}

interface Instance {
  startedMs: number;
  countedMs: number;
  readonly counts: Map<string, { good: number; bad: number }>;
}

/** startCounters listens on free loopback ports. */
export async function startCounters(options: CountersOptions): Promise<Counters> {
  const { services, instances: count = 2, requestsPerSecond = 20 } = options;
  const ratios = new Map<string, number>();
  const fresh = (): Instance => ({
    startedMs: Date.now(),
    countedMs: Date.now(),
    counts: new Map(services.map((service) => [service, { good: 0, bad: 0 }])),
  });
  const instances = Array.from({ length: count }, fresh);
  const countUpToNow = (instance: Instance): void => {
    const requests = ((Date.now() - instance.countedMs) / 1000) * requestsPerSecond;
    instance.countedMs = Date.now();
    for (const [service, counted] of instance.counts) {
      const ratio = ratios.get(service) ?? 0;
      counted.good += requests * (1 - ratio);
      counted.bad += requests * ratio;
    }
  };
  const servers = await Promise.all(
    instances.map((_instance, index) =>
      listen(() => {
        const instance = instances[index] ?? fresh();
        countUpToNow(instance);
        return render(instance);
      }),
    ),
  );
  return {
    addresses: servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`),
    fail: (service, ratio) => {
      for (const instance of instances) countUpToNow(instance);
      ratios.set(service, ratio);
    },
    restart: (index) => {
      instances[index] = fresh();
    },
    stop: async () => {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise<void>((resolve) => server.close(() => resolve()));
      }
    },
  };
}

function listen(text: () => string): Promise<Server> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' });
    response.end(text());
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

function render({ startedMs, counts }: Instance): string {
  const lines = [
    '# TYPE traefik_service_requests_total counter',
    ...[...counts].flatMap(([service, { good, bad }]) => [
      `traefik_service_requests_total{code="200",method="GET",protocol="http",service="${service}"} ${Math.floor(good)}`,
      `traefik_service_requests_total{code="500",method="GET",protocol="http",service="${service}"} ${Math.floor(bad)}`,
    ]),
    '# TYPE traefik_config_reloads_total counter',
    'traefik_config_reloads_total 42',
    '# TYPE process_start_time_seconds gauge',
    `process_start_time_seconds ${startedMs / 1000}`,
  ];
  return `${lines.join('\n')}\n`;
}
