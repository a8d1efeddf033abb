/** HTTP by hand, for requests that no client sends, and a server that says what reached it. */
import net from 'node:net';
import { once } from 'node:events';

/** RawRequest is a request as written to the socket; all strings are byte strings ('latin1'). */
export interface RawRequest {
  readonly method: string;
  readonly target: string;
  /** headers is a flat list of names and values, the Host header among them. */
  readonly headers: readonly string[];
}

/** RawAnswer is a status with the body. */
export interface RawAnswer {
  readonly status: number;
  readonly body: string;
}

/** sendRaw sends one request on a connection of its own and reads until it is closed. */
export async function sendRaw(port: number, { method, target, headers }: RawRequest): Promise<RawAnswer> {
  const socket = net.connect(port, '127.0.0.1');
  const lines = [`${method} ${target} HTTP/1.1`];
  for (let index = 0; index + 1 < headers.length; index += 2) lines.push(`${headers[index]}: ${headers[index + 1]}`);
  // Not ended: Go takes a half-closed connection for a client that has gone (499).
  socket.write(`${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`, 'latin1');
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(socket, 'close');
  const [head = '', ...body] = text.split('\r\n\r\n');
  return { status: Number(head.split(' ', 2)[1]), body: body.join('\r\n\r\n') };
}

/** Echo is what an EchoServer answers: the address that it was asked at, and the target. */
export interface Echo {
  readonly address: string;
  readonly target: string;
}

/** EchoServer listens on one port of every loopback address and answers each request with an Echo as JSON. */
export interface EchoServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** startEchoServer listens on a free port. It takes any bytes for a target, and no bodies. */
export async function startEchoServer(): Promise<EchoServer> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
      if (!text.includes('\r\n\r\n')) return;
      const echo: Echo = { address: socket.localAddress ?? '', target: text.split('\r\n')[0]?.split(' ')[1] ?? '' };
      const body = JSON.stringify(echo);
      socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`, 'latin1');
    });
    socket.on('error', () => undefined);
  });
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
