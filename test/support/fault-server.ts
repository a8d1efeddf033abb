/** A plain HTTP server on loopback that answers as a test says, to inject what a real API server cannot be made to do. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { KubeConnection } from '../../src/kube/connection.ts';

/** FaultHandler answers one request; `body` is its whole body. */
export type FaultHandler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** FaultServer keeps what it was asked. */
export interface FaultServer {
  readonly url: URL;
  readonly requests: readonly {
    readonly method: string;
    readonly url: URL;
    readonly headers: IncomingMessage['headers'];
    readonly body: string;
  }[];
  /** connections is the number of connections that are open. */
  connections(): number;
  stop(): Promise<void>;
}

/** startFaultServer answers the first request with the first handler and so on; the last one answers all that follow. */
export async function startFaultServer(...handlers: readonly FaultHandler[]): Promise<FaultServer> {
  const requests: FaultServer['requests'][number][] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://127.0.0.1');
      requests.push({ method: request.method ?? '', url, headers: request.headers, body });
      const handler = handlers[Math.min(requests.length, handlers.length) - 1];
      handler?.(request, response, body);
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    requests,
    connections: () => sockets.size,
    stop: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** answer returns a handler that sends one JSON document. */
export function answer(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): FaultHandler {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

/** connectTo returns a KubeConnection to `server` with one fixed token. */
export function connectTo(server: FaultServer, fields: Partial<KubeConnection> = {}): KubeConnection {
  return {
    server: server.url,
    insecureSkipTlsVerify: false,
    authorization: () => Promise.resolve('Bearer token-1'),
    onUnauthorized: () => {},
    ...fields,
  };
}
