/** A release to send traffic to: an HTTP server that says which version it is and fails as often as it is told to. */
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { namespaceHint } from './processes.ts';

/** Behaviour is how a backend answers: `errorRatio` of requests (0 to 1, at random) get a 500, all wait `latencyMs`. */
export interface Behaviour {
  /** version is sent back as the header `x-version`. */
  readonly version: string;
  readonly errorRatio: number;
  readonly latencyMs: number;
}

/** BackendOptions say where the backend listens and what it calls itself. */
export interface BackendOptions extends Partial<Behaviour> {
  /** address is an address of the tests' network namespace, e.g. `10.77.0.2`, because EndpointSlices refuse loopback. */
  readonly address: string;
  /** port is 8080 if absent. */
  readonly port?: number;
  readonly version: string;
}

/** Backend is a listening backend. */
export interface Backend {
  readonly address: string;
  readonly port: number;
  /** version is what it calls itself now. */
  readonly version: string;
  /** requestCount returns how many requests have arrived. */
  requestCount(): number;
  /** set changes how later requests are answered. */
  set(behaviour: Partial<Behaviour>): void;
  stop(): Promise<void>;
}

/** startBackend listens and answers until stopped. */
export async function startBackend(options: BackendOptions): Promise<Backend> {
  const { address, port = 8080, version } = options;
  const { errorRatio = 0, latencyMs = 0 } = options;
  let behaviour: Behaviour = { version, errorRatio, latencyMs };
  let requestCount = 0;
  const answer = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    requestCount += 1;
    const { version, errorRatio, latencyMs } = behaviour;
    request.resume();
    if (latencyMs > 0) await sleep(latencyMs);
    response.writeHead(Math.random() < errorRatio ? 500 : 200, { 'x-version': version });
    response.end(`${version}\n`);
  };
  const server = http.createServer((request, response) => void answer(request, response));
  // Traefik keeps idle connections for 90 s; closing them earlier would race with its requests and look like a 502.
  server.keepAliveTimeout = 120_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new Error(`Backend ${version} cannot listen: ${error.message}${namespaceHint(address)}`, { cause: error }),
      );
    });
    server.listen(port, address, resolve);
  });
  return {
    address,
    port,
    get version() {
      return behaviour.version;
    },
    requestCount: () => requestCount,
    set: (change) => {
      behaviour = { ...behaviour, ...change };
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
