/** HTTP/2 from clients and to servers, TLS to servers, and gRPC. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import http2 from 'node:http2';
import { promisify } from 'node:util';
import type { KubernetesObject } from '../../../src/api/kubernetes.ts';
import { toolPath } from '../../support/build-tools.ts';
import type { At, Case, CaseGroup } from '../../support/data-plane/case.ts';
import { type Fields, fieldsOf } from '../../support/data-plane/http1-client.ts';
import { namespace, routeObjects, serviceObjects, traefikObject } from '../../support/data-plane/objects.ts';
import type { Ports, Script } from '../../support/data-plane/upstream.ts';
import { differs, get, received, soonMs } from './requests.ts';

const transports = {
  insecure: { insecureSkipVerify: true },
  trusted: { rootCAs: [{ secret: 'ca' }], serverName: 'localhost' },
  'other-name': { rootCAs: [{ secret: 'ca' }], serverName: 'other.test' },
  'no-h2': { insecureSkipVerify: true, disableHTTP2: true },
};

function objects(ports: Ports, caCert: string): readonly KubernetesObject[] {
  const to = (name: string, more: object = {}): readonly object[] => [{ name, port: 80, ...more }];
  const secret = { metadata: { namespace, name: 'ca' }, type: 'Opaque', stringData: { 'ca.crt': caCert } };
  return [
    ...serviceObjects(ports, { name: 'protocols', endpoints: [12] }),
    ...serviceObjects(ports, { name: 'https', endpoints: [12], to: 'https' }),
    ...serviceObjects(ports, { name: 'https-port', endpoints: [12], to: 'https', port: 443 }),
    ...serviceObjects(ports, { name: 'https-name', endpoints: [12], to: 'https', portName: 'https-web' }),
    ...serviceObjects(ports, { name: 'h2', endpoints: [12], to: 'h2' }),
    ...serviceObjects(ports, { name: 'h2c', endpoints: [12], to: 'h2c' }),
    ...serviceObjects(ports, { name: 'grpc', endpoints: [12], to: 'grpc' }),
    ...serviceObjects(ports, { name: 'no-grpc', endpoints: [12], to: 'closed' }),
    ...[
      { name: 'protocols', services: to('protocols') },
      { name: 'https', services: to('https', { scheme: 'https', serversTransport: 'insecure' }) },
      { name: 'https-port', services: [{ name: 'https-port', port: 443, serversTransport: 'insecure' }] },
      { name: 'https-name', services: to('https-name', { serversTransport: 'insecure' }) },
      { name: 'h2', services: to('h2', { scheme: 'https', serversTransport: 'insecure' }) },
      { name: 'h2c', services: to('h2c', { scheme: 'h2c' }) },
      { name: 'grpc', services: to('grpc', { scheme: 'h2c' }) },
      { name: 'no-grpc', services: to('no-grpc', { scheme: 'h2c' }) },
    ].flatMap((route) => routeObjects(route)),
    // A Service with its scheme and transport is one for all routes that name it: each of these needs its own.
    ...(['trusted', 'other-name', 'no-h2'] as const).flatMap((name) => [
      ...serviceObjects(ports, { name: `by-${name}`, endpoints: [12], to: 'https' }),
      ...routeObjects({ name: `by-${name}`, services: to(`by-${name}`, { scheme: 'https', serversTransport: name }) }),
    ]),
    ...serviceObjects(ports, { name: 'by-none', endpoints: [12], to: 'https' }),
    ...routeObjects({ name: 'by-none', services: to('by-none', { scheme: 'https' }) }),
    ...Object.entries(transports).map(([name, spec]) => traefikObject('ServersTransport', name, spec)),
    { apiVersion: 'v1', kind: 'Secret', ...secret },
  ];
}

/** Http2Answer is what a client of HTTP/2 sees. */
interface Http2Answer {
  readonly status: number;
  readonly fields: Fields;
  readonly body: string;
  readonly trailers: Fields;
  /** reset is the code of a stream that was broken off; 0: it was not. */
  readonly reset: number;
}

interface Http2Request {
  readonly headers?: http2.OutgoingHttpHeaders;
  readonly body?: string;
  readonly trailers?: http2.OutgoingHttpHeaders;
  readonly isTls?: boolean;
}

async function connectHttp2({ plane }: At, isTls: boolean): Promise<http2.ClientHttp2Session> {
  const { web, websecure } = plane.ports;
  const session = http2.connect(isTls ? `https://127.0.0.1:${websecure}` : `http://127.0.0.1:${web}`, {
    rejectUnauthorized: false,
  });
  session.on('error', () => undefined);
  await once(session, 'connect');
  return session;
}

async function getHttp2(at: At, host: string, options: Http2Request = {}): Promise<Http2Answer> {
  const session = await connectHttp2(at, options.isTls ?? false);
  try {
    return await send(session, host, options);
  } finally {
    session.destroy();
  }
}

async function send(
  session: http2.ClientHttp2Session,
  host: string,
  { headers = {}, body, trailers }: Http2Request,
): Promise<Http2Answer> {
  const stream = session.request(
    { ':authority': `${host}.test`, ':path': '/', ...headers },
    { endStream: body === undefined && trailers === undefined, waitForTrailers: trailers !== undefined },
  );
  let [status, fields, after, text]: [number, Fields, Fields, string] = [0, {}, {}, ''];
  stream.on('error', () => undefined);
  stream.on('response', (pseudo, _flags, raw: readonly string[]) => {
    status = pseudo[':status'] ?? 0;
    fields = fieldsOf(raw.slice(2));
  });
  stream.on('trailers', (_headers, _flags, raw: readonly string[]) => {
    after = fieldsOf(raw);
  });
  stream.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  if (trailers !== undefined) stream.once('wantTrailers', () => stream.sendTrailers(trailers));
  if (body !== undefined || trailers !== undefined) stream.end(body ?? '');
  await new Promise((resolve) => stream.once('close', resolve));
  return { status, fields, body: text, trailers: after, reset: stream.rstCode ?? 0 };
}

/** A case of a request by HTTP/2, in the clear and over TLS. */
function both(name: string, run: (at: At, isTls: boolean) => Promise<unknown>, traefik: object): readonly Case[] {
  return [
    { name: `h2c: ${name}`, run: (at) => run(at, false), traefik },
    { name: `h2: ${name}`, run: (at) => run(at, true), traefik },
  ];
}

/** scriptOf returns the header by which a scripted server is asked. */
function scriptOf(at: At, serve: Script): http2.OutgoingHttpHeaders {
  return { 'x-script': at.scripted(serve).trim().split(': ')[1] ?? '' };
}

const fromHttp2: readonly Case[] = [
  ...both(
    'what the server receives',
    async (at, isTls) => {
      const answer = await getHttp2(at, 'protocols', {
        isTls,
        headers: { 'x-a': '1', te: 'trailers', 'x-two': ['a', 'b'] },
      });
      const { fields, version, method } = received(answer);
      return { fields, version, method, status: answer.status, trailers: answer.trailers };
    },
    { version: '1.1', fields: { te: ['trailers'] } },
  ),
  ...both(
    'a body without a length',
    async (at, isTls) => {
      const { body, fields, method } = received(
        await getHttp2(at, 'protocols', { isTls, headers: { ':method': 'POST' }, body: 'hello' }),
      );
      return { body, method, coding: fields['transfer-encoding'], length: fields['content-length'] };
    },
    { body: 'hello', coding: ['chunked'] },
  ),
  ...both(
    'a body with a length',
    async (at, isTls) => {
      const { body, fields } = received(
        await getHttp2(at, 'protocols', { isTls, headers: { ':method': 'POST', 'content-length': 5 }, body: 'hello' }),
      );
      return { body, coding: fields['transfer-encoding'], length: fields['content-length'] };
    },
    { body: 'hello', length: ['5'] },
  ),
  ...both(
    'trailers of a request',
    async (at, isTls) => {
      const { body, trailers } = received(
        await getHttp2(at, 'protocols', {
          isTls,
          headers: { ':method': 'POST', trailer: 'x-after' },
          body: 'hello',
          trailers: { 'x-after': '1' },
        }),
      );
      return { body, trailers };
    },
    { body: 'hello', trailers: {} },
  ).map((each) => differs(each, 'Trailers of requests', { body: 'hello', trailers: { 'x-after': ['1'] } })),
  ...both(
    'trailers of an answer',
    async (at, isTls) => {
      const headers = scriptOf(at, async (connection) => {
        connection.write(
          'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-After\r\n\r\n2\r\nok\r\n0\r\nX-After: 1\r\n\r\n',
        );
      });
      return await getHttp2(at, 'protocols', { isTls, headers });
    },
    { status: 200, body: 'ok', trailers: { 'x-after': ['1'] }, reset: 0 },
  ),
  ...both(
    'HEAD',
    async (at, isTls) => {
      const headers = scriptOf(at, async (connection) => {
        connection.write('HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n');
      });
      return await getHttp2(at, 'protocols', { isTls, headers: { ...headers, ':method': 'HEAD' } });
    },
    { status: 200, body: '', fields: { 'content-length': ['1234'] } },
  ),
  ...both(
    '204',
    async (at, isTls) => {
      const headers = scriptOf(at, async (connection) => {
        connection.write('HTTP/1.1 204 No Content\r\n\r\n');
      });
      return await getHttp2(at, 'protocols', { isTls, headers });
    },
    { status: 204, body: '' },
  ),
  ...both('404', (at, isTls) => getHttp2(at, 'unknown', { isTls }), { status: 404, body: '404 page not found\n' }),
  ...both('502', (at, isTls) => getHttp2(at, 'no-grpc', { isTls }), { status: 502, body: 'Bad Gateway' }),
  ...both(
    'hop-by-hop headers of an answer',
    async (at, isTls) => {
      const headers = scriptOf(at, async (connection) => {
        connection.write(
          'HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok',
        );
      });
      return await getHttp2(at, 'protocols', { isTls, headers });
    },
    { status: 200, body: 'ok' },
  ),
  ...both(
    'a server that breaks off',
    async (at, isTls) => {
      const headers = scriptOf(at, async (connection) => {
        connection.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc');
        connection.socket.end();
      });
      return { reset: (await getHttp2(at, 'protocols', { isTls, headers })).reset };
    },
    { reset: 2 },
  ),
  ...both(
    '100 streams at once',
    async (at, isTls) => {
      const session = await connectHttp2(at, isTls);
      const paths = [...Array(100).keys()].map((index) => `/${index}`);
      const answers = await Promise.all(
        paths.map((path) => send(session, 'protocols', { headers: { ':path': path } })),
      );
      session.destroy();
      return { isEachItsOwn: answers.every((answer, index) => received(answer).target === paths[index]) };
    },
    { isEachItsOwn: true },
  ),
  ...both(
    'a client that resets a stream',
    async (at, isTls) => {
      const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
      const { promise: ended, resolve: onEnded } = Promise.withResolvers<number>();
      const headers = scriptOf(at, async (connection) => {
        onAsked();
        await connection.closed();
        onEnded(performance.now());
      });
      const session = await connectHttp2(at, isTls);
      const stream = session.request({ ':authority': 'protocols.test', ':path': '/', ...headers });
      stream.on('error', () => undefined);
      await asked;
      const leftMs = performance.now();
      stream.close(http2.constants.NGHTTP2_CANCEL);
      const tookMs = (await ended) - leftMs;
      const { status } = await send(session, 'protocols', {});
      session.destroy();
      return { status, isSoon: tookMs < soonMs || at.plane.name === 'traefik' };
    },
    { status: 200, isSoon: true },
  ),
];

/** A case of how a server is reached. */
function reaches(name: string, host: string, traefik: object): Case {
  const run = async (at: At): Promise<object> => {
    const answer = await get(at, host, { method: 'POST', headers: 'Content-Length: 5\r\n', body: 'hello' });
    if (answer.status !== 200) return { status: answer.status, body: answer.body };
    const { version, body, fields, address } = received(answer);
    return { status: 200, version, body, fields, address, trailers: answer.trailers };
  };
  return { name, run, traefik };
}

const toServers: readonly Case[] = [
  reaches('https', 'https', { version: '1.1', body: 'hello' }),
  reaches('https, by the number of the port', 'https-port', { version: '1.1' }),
  reaches('https, by the name of the port', 'https-name', { version: '1.1' }),
  reaches('https, with the authority of a Secret and a server name', 'by-trusted', { version: '1.1' }),
  differs(
    reaches('https, with another server name', 'by-other-name', { status: 500 }),
    'Servers that are not trusted',
    { status: 502 },
  ),
  differs(
    reaches('https, signed by nobody that is known', 'by-none', { status: 500 }),
    'Servers that are not trusted',
    { status: 502 },
  ),
  reaches('https, without HTTP/2', 'by-no-h2', { version: '1.1' }),
  reaches('HTTP/2 over TLS', 'h2', { version: '2.0', trailers: { 'x-after': ['all'] } }),
  reaches('HTTP/2 in the clear', 'h2c', { version: '2.0', trailers: { 'x-after': ['all'] } }),
  {
    name: 'from HTTP/2 to HTTP/2, with trailers both ways',
    run: async (at) => {
      const answer = await getHttp2(at, 'h2c', {
        headers: { ':method': 'POST', te: 'trailers', trailer: 'x-after' },
        body: 'hello',
        trailers: { 'x-after': '1' },
      });
      const { fields, body, trailers } = received(answer);
      return { fields, body, trailers, after: answer.trailers };
    },
    traefik: { body: 'hello', trailers: {}, after: { 'x-after': ['all'] } },
    differs: 'Trailers of requests',
    sluice: { body: 'hello', trailers: { 'x-after': ['1'] }, after: { 'x-after': ['all'] } },
  },
];

/** The calls that the client of test/tools/grpc makes, with what it must see. */
const calls: Readonly<Record<string, object>> = {
  unary: { replies: ['HELLO'], code: 'OK', header: { 'x-seen': ['a,b'] }, trailer: { 'x-after': ['1', '2'] } },
  'unary of 2 MB': { replies: ['2000000 × X'], code: 'OK' },
  'trailers only': { code: 'FailedPrecondition', message: 'no way 100% ü', trailer: { 'x-why': ['because'] } },
  'no such method': { code: 'Unimplemented' },
  bidi: { replies: ['echo 99'], code: 'OK' },
  'client stream': { replies: ['abc'], code: 'OK' },
  'broken off': { replies: ['one', 'two'], code: 'DataLoss', trailer: { 'x-why': ['broken'] } },
  cancelled: { replies: ['waiting'], code: 'Canceled', serverSawEnd: true },
  deadline: { replies: ['waiting'], code: 'DeadlineExceeded', serverSawEnd: true },
};

const outcomes = new Map<string, Promise<Record<string, object>>>();

/** All calls are made at once for each data plane. */
function call({ plane }: At, host: string): Promise<Record<string, object>> {
  const key = `${plane.name} ${host}`;
  const known = outcomes.get(key);
  if (known !== undefined) return known;
  const made = (async () => {
    const { stdout } = await promisify(execFile)(
      await toolPath('grpc-peer'),
      ['call', `127.0.0.1:${plane.ports.web}`, `${host}.test`],
      { timeout: 60_000 },
    );
    return JSON.parse(stdout) as Record<string, object>;
  })();
  outcomes.set(key, made);
  return made;
}

/** At a deadline the client sees its own clock or the reset of the proxy first, which is Internal to it. */
function settled(outcome: object): object {
  const isReset = 'code' in outcome && outcome.code === 'Internal';
  return isReset ? { ...outcome, code: 'DeadlineExceeded' } : outcome;
}

const grpc: readonly Case[] = [
  ...Object.entries(calls).map(([name, traefik]): Case => ({
    name: `gRPC: ${name}`,
    run: async (at) => settled((await call(at, 'grpc'))[name] ?? {}),
    traefik,
  })),
  {
    name: 'gRPC: a server that is not there',
    run: async (at) => (await call(at, 'no-grpc'))['unary'],
    traefik: { code: 'Unavailable' },
  },
  {
    name: 'gRPC: no such route',
    run: async (at) => (await call(at, 'unknown'))['unary'],
    traefik: { code: 'Unimplemented' },
  },
];

/** protocols is about everything that is not HTTP/1.1 in the clear on both sides. */
export const protocols: CaseGroup = { name: 'protocols', objects, cases: [...fromHttp2, ...toServers, ...grpc] };
