/** One version of an application: an HTTP server that says who it is, takes its time, and fails now and then. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../clock.ts';
import type { Behaviour } from './stories.ts';

/** servedBy is the header in which a backend says its name. */
export const servedBy = 'x-served-by';

/** Backend listens until it is closed. */
export interface Backend {
  readonly port: number;
  close(): Promise<void>;
}

/** BackendOptions: `random` returns numbers in [0, 1). */
export interface BackendOptions {
  readonly name: string;
  readonly behaviour: Behaviour;
  readonly random: () => number;
  readonly clock: Clock;
}

/** spread of the durations: the tenth of the requests that takes longest takes twice the median or more. */
const spread = 0.5;

/** A kept-alive connection must not end in the very moment in which the proxy uses it again. */
const keepAliveMs = 300_000;

/** startBackend resolves when the backend listens on a free port of the loopback. */
export async function startBackend({ name, behaviour, random, clock }: BackendOptions): Promise<Backend> {
  const { errorRatio, medianMs } = behaviour;
  const server = createServer({ keepAlive: true, keepAliveTimeout: keepAliveMs }, (request, response) => {
    request.resume();
    const status = random() < errorRatio ? 500 : 200;
    clock.schedule(medianMs * Math.exp(spread * normal(random)), () => {
      response.writeHead(status, { 'content-type': 'text/plain', [servedBy]: name });
      response.end(status === 200 ? `${name} says hello\n` : `${name} has failed\n`);
    });
  });
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject);
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

/** Box and Muller (1958). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log1p(-random())) * Math.cos(2 * Math.PI * random());
}
