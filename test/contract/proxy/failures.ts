/** What clients see when servers, or clients themselves, fail; and how soon the other side hears of it. */
import type { KubernetesObject } from '../../../src/api/kubernetes.ts';
import type { At, Case, CaseGroup } from '../../support/data-plane/case.ts';
import type { DifferenceName } from '../../support/data-plane/differences.ts';
import { type Answer, ask, connectHttp1 } from '../../support/data-plane/http1-client.ts';
import { routeObjects, serviceObjects, traefikObject } from '../../support/data-plane/objects.ts';
import { hastyMs } from '../../support/data-plane/planes.ts';
import type { Ports, Script } from '../../support/data-plane/upstream.ts';
import { differs, get, type Request, requestText, soonMs } from './requests.ts';

function objects(ports: Ports): readonly KubernetesObject[] {
  return [
    ...serviceObjects(ports, { name: 'failures', endpoints: [10] }),
    ...serviceObjects(ports, { name: 'refused', endpoints: [10], to: 'closed' }),
    ...routeObjects({ name: 'failures', services: [{ name: 'failures', port: 80 }] }),
    ...routeObjects({ name: 'refused', services: [{ name: 'refused', port: 80 }] }),
    ...routeObjects({
      name: 'nobody',
      services: [
        { name: 'failures', port: 80, weight: 0 },
        { name: 'refused', port: 80, weight: 0 },
      ],
    }),
    // Apart from servers that close their connections: a body that is under way cannot be sent again.
    ...serviceObjects(ports, { name: 'slow', endpoints: [14] }),
    ...routeObjects({ name: 'slow', services: [{ name: 'slow', port: 80 }] }),
    ...serviceObjects(ports, { name: 'impatient', endpoints: [11] }),
    ...routeObjects({ name: 'impatient', services: [{ name: 'impatient', port: 80, serversTransport: 'impatient' }] }),
    traefikObject('ServersTransport', 'impatient', { forwardingTimeouts: { responseHeaderTimeout: '300ms' } }),
  ];
}

/** All of an answer but the order of its headers. */
async function whole(at: At, host: string, options: Request = {}): Promise<object> {
  const { names: _, ...answer } = await get(at, host, options);
  return answer;
}

const gateway = { status: 502, reason: 'Bad Gateway', body: 'Bad Gateway', fields: { 'content-length': ['11'] } };

/** A case of a server that does something wrong. */
function fails(name: string, serve: Script, traefik: object, options: Request & { readonly host?: string } = {}): Case {
  const run = (at: At): Promise<object> => {
    const { host = 'failures', headers = '', ...request } = options;
    return whole(at, host, { ...request, headers: `${headers}${at.scripted(serve)}` });
  };
  return { name, run, traefik };
}

function writes(
  name: string,
  text: string,
  traefik: object = gateway,
  options: Request & { readonly end?: 'End' | 'Reset' } = {},
): Case {
  const { end, ...request } = options;
  const serve: Script = async (connection) => {
    connection.write(text);
    if (end === 'End') connection.socket.end();
    // The bytes before it have to be out, or they would be lost with the connection.
    if (end === 'Reset') connection.socket.write('', () => setImmediate(() => connection.socket.resetAndDestroy()));
    // Without an end the connection may be kept for the next request.
    if (end !== undefined) await connection.closed();
  };
  return fails(name, serve, traefik, request);
}

/** A case of an answer that breaks off within its body: how much of it comes first is a matter of chance. */
function breaksOff(name: string, text: string, end?: 'End' | 'Reset'): Case {
  const { run } = writes(name, text, {}, end === undefined ? {} : { end });
  const isWhole = async (at: At): Promise<object> => ({ isWhole: ((await run(at)) as Answer).isWhole });
  return { name, run: isWhole, traefik: { isWhole: false } };
}

const length10 = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc';
const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n';

/** A case of a client that goes away: `leave` is called once the server has said `before`. */
function abandoned(name: string, before: string, options: Request = {}): Case {
  const run = async (at: At): Promise<object> => {
    const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
    const { promise: ended, resolve: onEnded } = Promise.withResolvers<number>();
    const headers = `${options.headers ?? ''}${at.scripted(async (connection) => {
      connection.write(before);
      onAsked();
      await connection.closed();
      onEnded(performance.now());
    })}`;
    await using client = await connectHttp1(at.plane.ports.web);
    client.write(requestText('slow', { ...options, headers }));
    await asked;
    if (before !== '') await client.head();
    const leftMs = performance.now();
    client.socket.destroy();
    // Go looks for the end of a connection only while nothing of a body is outstanding: when Traefik hears of it is its own affair.
    if (at.plane.name === 'traefik') return { isSoon: true };
    return { isSoon: (await ended) - leftMs < soonMs };
  };
  return { name, run, traefik: { isSoon: true } };
}

/** A case of a client that is slow, at an entry point that has no patience. */
function slow(name: string, sent: string, traefik: object): Case {
  const run = async ({ plane, scripted }: At): Promise<object> => {
    await using client = await connectHttp1(plane.ports.hasty);
    const startedMs = performance.now();
    const headers = scripted(async (connection) => {
      await connection.closed();
    });
    client.write(sent.replace('SCRIPT\r\n', headers));
    const { status, body } = await client.answer();
    await client.ended();
    const tookMs = performance.now() - startedMs;
    return { status, body, isInTime: tookMs > 0.9 * hastyMs && tookMs < 4 * hastyMs };
  };
  return { name, run, traefik };
}

/** A case of a POST that Traefik takes, or refuses in another way. */
function refusedElsewhere(name: string, rest: string, [status, differs]: readonly [number, DifferenceName]): Case {
  const text = `POST / HTTP/1.1\r\nHost: failures.test\r\n${rest}`;
  const run = async ({ plane }: At): Promise<object> => ({ status: (await ask(plane.ports.web, text)).status });
  return { name: `refused: ${name}`, run, traefik: { status }, differs, sluice: { status: 400 } };
}

const cases: readonly Case[] = [
  {
    name: '404',
    run: (at) => whole(at, 'unknown'),
    traefik: { status: 404, reason: 'Not Found', body: '404 page not found\n' },
  },
  { name: '404 for HEAD', run: (at) => whole(at, 'unknown', { method: 'HEAD' }), traefik: { status: 404 } },
  {
    name: '404 for a body that nobody reads',
    run: (at) => whole(at, 'unknown', { method: 'POST', headers: 'Content-Length: 5\r\n', body: 'hello' }),
    traefik: { status: 404 },
  },
  { name: '503', run: (at) => whole(at, 'nobody'), traefik: { status: 503, body: 'no available server\n' } },
  { name: '502: refused', run: (at) => whole(at, 'refused'), traefik: gateway },
  { name: '502: refused, for HEAD', run: (at) => whole(at, 'refused', { method: 'HEAD' }), traefik: { status: 502 } },
  { name: '502: refused, over TLS', run: (at) => whole(at, 'refused', { entry: 'websecure' }), traefik: gateway },
  writes('502: reset before the head', '', gateway, { end: 'Reset' }),
  writes('502: closed before the head', '', gateway, { end: 'End' }),
  differs(
    writes('502: closed within the head', 'HTTP/1.1 200 OK\r\nX-A: ', { status: 500 }, { end: 'End' }),
    'Answers that cannot be read',
    gateway,
  ),
  writes('502: closed before the head, after a body', '', gateway, {
    end: 'End',
    method: 'POST',
    headers: 'Content-Length: 2\r\n',
    body: 'ab',
  }),
  differs(
    writes('an answer that is none', 'SSH-2.0-server\r\n\r\n', { status: 500 }),
    'Answers that cannot be read',
    gateway,
  ),
  differs(
    writes('a status that is none', 'HTTP/1.1 abc Hm\r\n\r\n', { status: 500 }),
    'Answers that cannot be read',
    gateway,
  ),
  differs(
    writes('a header without a colon', 'HTTP/1.1 200 OK\r\nNonsense\r\n\r\n', { status: 500 }),
    'Answers that cannot be read',
    gateway,
  ),
  differs(
    writes('two different lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc', {
      status: 500,
    }),
    'Answers that cannot be read',
    gateway,
  ),
  differs(
    writes('a length that is no number', 'HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nab', { status: 500 }),
    'Answers that cannot be read',
    gateway,
  ),
  differs(
    writes(
      'a length beside chunked',
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
      { status: 200 },
    ),
    'Answers that can be read in two ways',
    gateway,
  ),
  differs(
    writes('a coding that nobody knows', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n', {
      status: 500,
    }),
    'Answers that cannot be read',
    gateway,
  ),
  differs(
    writes(
      'a head of 100,000 bytes',
      `HTTP/1.1 200 OK\r\nX-Long: ${'l'.repeat(100_000)}\r\nContent-Length: 2\r\n\r\nok`,
      { status: 200 },
    ),
    'Heads above 64 KiB',
    gateway,
  ),
  breaksOff('reset within a body with a length', length10, 'Reset'),
  breaksOff('closed within a body with a length', length10, 'End'),
  breaksOff('reset within a chunked body', chunked, 'Reset'),
  breaksOff('closed within a chunked body', chunked, 'End'),
  breaksOff('a chunk that is none', `${chunked}zz\r\n`),
  breaksOff('reset within a body without a length', 'HTTP/1.1 200 OK\r\n\r\nabc', 'Reset'),
  fails(
    '504: no head in time',
    (connection) => connection.closed(),
    { status: 504, body: 'Gateway Timeout' },
    { host: 'impatient' },
  ),
  {
    name: 'a kept-alive connection that the server has closed is not an error',
    run: async (at) => {
      const script: Script = async (connection) => {
        connection.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
        // Without a word, as a server does whose time for idle connections is over.
        connection.socket.end();
      };
      const statuses: number[] = [];
      for (let index = 0; index < 10; index += 1)
        statuses.push((await get(at, 'failures', { headers: at.scripted(script) })).status);
      return { statuses };
    },
    traefik: { statuses: Array<number>(10).fill(200) },
  },
  abandoned('the server hears of a client that leaves before the head', ''),
  abandoned(
    'the server hears of a client that leaves within the body',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
  ),
  abandoned('the server hears of a client that leaves while it sends', '', {
    method: 'POST',
    headers: 'Content-Length: 100\r\n',
    body: 'abc',
  }),
  abandoned('the server hears of a client that leaves while it waits for 100 Continue', '', {
    method: 'POST',
    headers: 'Content-Length: 100\r\nExpect: 100-continue\r\n',
  }),
  differs(
    slow('a head that does not end', 'GET / HTTP/1.1\r\nHost: slow.test\r\n', { status: 0, isInTime: true }),
    'Slow requests',
    { status: 408, isInTime: true },
  ),
  differs(
    slow('a body that does not end', 'POST / HTTP/1.1\r\nHost: slow.test\r\nContent-Length: 10\r\nSCRIPT\r\n\r\nabc', {
      isInTime: true,
    }),
    'Slow requests',
    { status: 408, isInTime: true },
  ),
  ...[
    ['two Hosts', 'GET / HTTP/1.1\r\nHost: failures.test\r\nHost: other.test\r\n\r\n'],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['a bad Host', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'],
    ['no version', 'GET /a-target-and-nothing-else\r\n\r\n'],
    ['a target without a slash', 'GET x HTTP/1.1\r\nHost: failures.test\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: failures.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['a space before the colon', 'GET / HTTP/1.1\r\nHost: failures.test\r\nX-A : 1\r\n\r\n'],
    ['a bad escape', 'GET /%zz HTTP/1.1\r\nHost: failures.test\r\n\r\n'],
    ['a null byte in a header', 'GET / HTTP/1.1\r\nHost: failures.test\r\nX-A: \x00\r\n\r\n'],
  ].map(([name = '', text = '']): Case => ({
    name: `refused: ${name}`,
    run: async ({ plane }) => ({ status: (await ask(plane.ports.web, text)).status }),
    traefik: { status: 400 },
  })),
  refusedElsewhere('a coding that is none', 'Transfer-Encoding: nothing\r\n\r\n', [501, 'Bodies that cannot be read']),
  refusedElsewhere('a chunk that is none', 'Transfer-Encoding: chunked\r\n\r\nzz\r\n', [
    500,
    'Bodies that cannot be read',
  ]),
  refusedElsewhere('a length beside chunked', 'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', [
    200,
    'Requests that can be read in two ways',
  ]),
  {
    name: 'CONNECT',
    run: async ({ plane }) => ({
      status: (await ask(plane.ports.web, 'CONNECT failures.test:80 HTTP/1.1\r\nHost: failures.test:80\r\n\r\n'))
        .status,
    }),
    traefik: { status: 200 },
    differs: 'CONNECT',
    sluice: { status: 501 },
  },
  {
    name: 'a method that nobody knows',
    run: async ({ plane }) => ({
      status: (await ask(plane.ports.web, 'FOO / HTTP/1.1\r\nHost: failures.test\r\n\r\n')).status,
    }),
    traefik: { status: 200 },
    differs: 'Unknown methods',
    sluice: { status: 400 },
  },
  {
    name: 'a head of 200,000 bytes',
    run: async (at) => ({
      status: (await get(at, 'failures', { headers: `X-Long: ${'l'.repeat(200_000)}\r\n` })).status,
    }),
    traefik: { status: 200 },
    differs: 'Heads above 64 KiB',
    sluice: { status: 431 },
  },
];

/** failures is about everything that goes wrong. */
export const failures: CaseGroup = { name: 'failures', objects, cases };
