/** The servers behind the data planes: they say what reached them, or do what a case has scripted byte by byte. */
import http2 from 'node:http2';
import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { toolPath } from '../build-tools.ts';
import type { Certified } from '../certificates.ts';
import { type ServerProcess, startServer } from '../processes.ts';
import { type RawConnection, startRawServer } from '../raw-server.ts';
import { type Fields, fieldsOf } from './http1-client.ts';

/** Received is a request as a server got it. */
export interface Received {
  /** address is the server's, e.g. `10.77.0.2:8080`. */
  readonly address: string;
  /** version is that of HTTP. */
  readonly version: string;
  readonly method: string;
  readonly target: string;
  readonly fields: Fields;
  /** names are the headers' names as written. */
  readonly names: readonly string[];
  readonly body: string;
  readonly trailers: Fields;
}

/** Script serves one request, whose head is read. */
export type Script = (connection: RawConnection, head: RequestHead) => Promise<void>;

/** RequestHead is a request without its body. */
export type RequestHead = Omit<Received, 'body' | 'trailers'>;

/** Ports are where the servers listen, on all addresses. */
export interface Ports {
  /** http and https are scripted, or echo. */
  readonly http: number;
  readonly https: number;
  /** h2c and h2 echo; h2 is over TLS. */
  readonly h2c: number;
  readonly h2: number;
  /** closed refuses connections. */
  readonly closed: number;
  /** grpc is the Go server's. */
  readonly grpc: number;
}

/** Upstream is all of the servers. */
export interface Upstream extends AsyncDisposable {
  readonly ports: Ports;
  /** script makes the next requests with the header `X-Script: <token>` be served by `serve`; they are GETs of the case's own. */
  script(token: string, serve: Script): void;
}

/** startUpstream starts them; `certified` is for both that speak TLS. */
export async function startUpstream(certified: Certified, ports: Ports): Promise<Upstream> {
  const scripts = new Map<string, Script>();
  const serve = async (connection: RawConnection): Promise<void> => {
    while (!connection.isClosed) {
      const head = readHead(await connection.head(), connection.socket);
      const script = scripts.get(head.fields['x-script']?.[0] ?? '');
      if (script === undefined) await echo(connection, head);
      else await script(connection, head);
    }
  };
  const at = (port: number): { host: string; port: number } => ({ host: '0.0.0.0', port });
  const tlsOptions = { ...certified, ALPNProtocols: ['http/1.1'] };
  const servers = [
    await startRawServer(serve, undefined, at(ports.http)),
    await startRawServer(serve, tlsOptions, at(ports.https)),
    await startHttp2(http2.createServer(), ports.h2c),
    await startHttp2(http2.createSecureServer({ ...certified, allowHTTP1: false }), ports.h2),
  ];
  return {
    ports,
    script: (token, script) => void scripts.set(token, script),
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) await server[Symbol.asyncDispose]();
    },
  };
}

function readHead(text: string, socket: Socket): RequestHead {
  const [line = '', ...lines] = text.trimEnd().split('\r\n');
  const [method = '', target = '', version = ''] = line.split(' ');
  const list = lines.flatMap((each) => [each.slice(0, each.indexOf(':')), each.slice(each.indexOf(':') + 1).trim()]);
  return {
    address: `${socket.localAddress}:${socket.localPort}`,
    version: version.replace('HTTP/', ''),
    method,
    target,
    fields: fieldsOf(list),
    names: list.filter((_, index) => index % 2 === 0),
  };
}

/** readBody reads the body of a request, and asks for it where the client waits. */
export async function readBody(
  connection: RawConnection,
  { fields }: RequestHead,
): Promise<Pick<Received, 'body' | 'trailers'>> {
  if (fields['expect'] !== undefined) connection.write('HTTP/1.1 100 Continue\r\n\r\n');
  if (fields['transfer-encoding'] === undefined) {
    return { body: await connection.take(Number(fields['content-length']?.[0] ?? 0)), trailers: {} };
  }
  let body = '';
  for (;;) {
    const size = Number.parseInt(await connection.until('\r\n'), 16);
    if (size === 0) break;
    body += await connection.take(size);
    await connection.take(2);
  }
  const trailers: string[] = [];
  for (;;) {
    const line = (await connection.until('\r\n')).trimEnd();
    if (line === '') return { body, trailers: fieldsOf(trailers) };
    trailers.push(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim());
  }
}

/** echo answers with a Received as JSON. */
export async function echo(connection: RawConnection, head: RequestHead): Promise<void> {
  const received: Received = { ...head, ...(await readBody(connection, head)) };
  const body = JSON.stringify(received);
  const fields = `Content-Type: application/json\r\nContent-Length: ${body.length}`;
  connection.write(`HTTP/1.1 200 OK\r\n${fields}\r\n\r\n${head.method === 'HEAD' ? '' : body}`);
}

/** startGrpcServer starts the server of test/tools/grpc on all addresses; its log goes to `directory`. */
export async function startGrpcServer(directory: string, port: number): Promise<ServerProcess> {
  const isReady = async (): Promise<boolean> => {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.destroy();
    return true;
  };
  const args = ['serve', `0.0.0.0:${port}`];
  return await startServer({ name: 'grpc-peer', command: await toolPath('grpc-peer'), args, directory, isReady });
}

async function startHttp2(server: http2.Http2Server | http2.Http2SecureServer, port: number): Promise<AsyncDisposable> {
  const sessions = new Set<http2.Http2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream: http2.ServerHttp2Stream, headers, _flags, raw: readonly string[]) => {
    const chunks: Buffer[] = [];
    let trailers: readonly string[] = [];
    stream.on('error', () => undefined);
    stream.on('trailers', (_: unknown, _flags: unknown, list: readonly string[]) => {
      trailers = list;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const socket = stream.session?.socket;
      const { localAddress = '', localPort = 0 } = socket ?? {};
      const list = raw.slice(pseudoLength(raw));
      const received: Received = {
        address: `${localAddress}:${localPort}`,
        version: '2.0',
        method: headers[':method'] ?? '',
        target: headers[':path'] ?? '',
        fields: {
          ...fieldsOf(list),
          ':authority': [headers[':authority'] ?? ''],
          ':scheme': [headers[':scheme'] ?? ''],
        },
        names: list.filter((_, index) => index % 2 === 0),
        body: Buffer.concat(chunks).toString('latin1'),
        trailers: fieldsOf(trailers),
      };
      stream.respond({ ':status': 200, 'content-type': 'application/json' }, { waitForTrailers: true });
      stream.once('wantTrailers', () => stream.sendTrailers({ 'x-after': 'all' }));
      stream.end(JSON.stringify(received));
    });
  });
  server.listen(port, '0.0.0.0');
  await once(server, 'listening');
  return {
    [Symbol.asyncDispose]: async () => {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function pseudoLength(raw: readonly string[]): number {
  let length = 0;
  while (raw[length]?.startsWith(':') === true) length += 2;
  return length;
}
