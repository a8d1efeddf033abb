import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ReplicaEndpoint } from '../../../src/source/traefik-api.ts';

type Reply = (response: ServerResponse, request: IncomingMessage) => void;

/** TraefikStandIn answers as the API of a Traefik that has one route, or as a broken one. */
export interface TraefikStandIn {
  readonly endpoint: ReplicaEndpoint;
  /** weights are what the route's service shows; undefined: there is no such route. */
  weights: Readonly<Record<string, number>> | undefined;
  /** error is why its router is off. */
  error: string | undefined;
  /** reply, if set, answers instead. */
  reply: Reply | undefined;
  /** requests are all paths so far. */
  readonly requests: readonly string[];
  readonly headers: IncomingMessage['headers'];
  close(): Promise<void>;
}

/** startTraefikStandIn listens on a free port of the loopback interface. */
export async function startTraefikStandIn(): Promise<TraefikStandIn> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    standIn.headers = request.headers;
    if (standIn.reply !== undefined) return standIn.reply(response, request);
    answer(standIn, request.url ?? '', response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const standIn: TraefikStandIn & { headers: IncomingMessage['headers'] } = {
    endpoint: { name: host, url: `http://${host}` },
    weights: {},
    error: undefined,
    reply: undefined,
    requests,
    headers: {},
    close: () => closeAll(server),
  };
  return standIn;
}

function answer({ weights, error }: TraefikStandIn, path: string, response: ServerResponse): void {
  const [, kind = '', encoded = ''] = /^\/api\/http\/(service|router)s\/(.+)$/.exec(path) ?? [];
  const name = decodeURIComponent(encoded);
  response.setHeader('content-type', 'application/json');
  if (weights === undefined) {
    response.writeHead(404).end(JSON.stringify({ message: `${kind} not found: ${name}` }));
    return;
  }
  const services = Object.entries(weights).map(([name, weight]) => ({ name, weight }));
  const service = { weighted: { services }, status: 'enabled', usedBy: [name], name, type: 'weighted' };
  const router = {
    rule: 'x',
    name,
    ...(error === undefined ? { status: 'enabled' } : { status: 'disabled', error: [error] }),
  };
  response.end(JSON.stringify(kind === 'service' ? service : router));
}

async function closeAll(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
