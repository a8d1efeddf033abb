/** What a server receives of a request, and what a client receives of a head. */
import type { KubernetesObject } from '../../../src/api/kubernetes.ts';
import type { At, Case, CaseGroup } from '../../support/data-plane/case.ts';
import { ask, connectHttp1 } from '../../support/data-plane/http1-client.ts';
import { routeObjects, serviceObjects } from '../../support/data-plane/objects.ts';
import type { Ports, Received } from '../../support/data-plane/upstream.ts';
import { differs, get, received, type Request } from './requests.ts';

function objects(ports: Ports): readonly KubernetesObject[] {
  return [
    ...serviceObjects(ports, { name: 'headers', endpoints: [8] }),
    ...routeObjects({ name: 'headers', services: [{ name: 'headers', port: 80 }] }),
    ...routeObjects({ name: 'own-host', services: [{ name: 'headers', port: 80, passHostHeader: false }] }),
    ...routeObjects({ name: 'any-host', services: [{ name: 'headers', port: 80 }], match: 'PathPrefix(`/any-host`)' }),
  ];
}

async function echoed(at: At, options: Request = {}, host = 'headers'): Promise<Received> {
  return received(await get(at, host, options));
}

const lines = (...each: readonly string[]): string => each.map((line) => `${line}\r\n`).join('');

/** A case of the fields that a server receives; `traefik` lists some of them. */
function fields(name: string, options: Request, traefik: Readonly<Record<string, readonly string[]>>): Case {
  return { name, run: async (at) => ({ fields: (await echoed(at, options)).fields }), traefik: { fields: traefik } };
}

function target(name: string, sent: string, arrives: string): Case {
  const run = async (at: At): Promise<object> => ({ target: (await echoed(at, { target: sent })).target });
  return { name, run, traefik: { target: arrives } };
}

/** A case of an answer's head, as a scripted server sends it with a body of two bytes. */
function head(name: string, written: string, traefik: object): Case {
  const run = async (at: At): Promise<object> => {
    const headers = at.scripted(async (connection) => {
      connection.write(`${written}Content-Length: 2\r\n\r\nok`);
    });
    const { names: _, ...answer } = await get(at, 'headers', { headers });
    return answer;
  };
  return { name, run, traefik };
}

const spoofed = lines(
  'X-Forwarded-For: 1.2.3.4',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Host: evil.test',
  'X-Forwarded-Port: 1',
  'X-Forwarded-Server: evil',
  'X-Forwarded-Uri: /evil',
  'X-Forwarded-Method: POST',
  'X-Forwarded-Prefix: /evil',
  'X-Forwarded-Tls-Client-Cert: evil',
  'X-Forwarded-Tls-Client-Cert-Info: evil',
  'X-Real-Ip: 1.2.3.4',
);
const hopByHop = lines(
  'Connection: keep-alive, X-Hop, X-Forwarded-For, X-Real-Ip',
  'X-Hop: 1',
  'X-Kept: 1',
  'Keep-Alive: timeout=5',
  'Proxy-Connection: keep-alive',
  'Proxy-Authenticate: Basic',
  'Proxy-Authorization: Basic eA==',
  'TE: trailers, deflate',
);

const cases: readonly Case[] = [
  fields(
    'a bare request',
    {},
    { host: ['headers.test'], 'x-forwarded-for': ['127.0.0.1'], 'x-real-ip': ['127.0.0.1'] },
  ),
  fields(
    'a bare request over TLS',
    { entry: 'websecure' },
    { 'x-forwarded-proto': ['https'], 'x-forwarded-port': ['443'] },
  ),
  fields(
    'what a client says about itself, from who is not trusted',
    { headers: spoofed },
    { 'x-forwarded-for': ['127.0.0.1'], 'x-forwarded-host': ['headers.test'] },
  ),
  fields(
    'what a client says about itself, from who is trusted',
    { headers: spoofed, entry: 'trusting' },
    { 'x-forwarded-for': ['1.2.3.4, 127.0.0.1'], 'x-forwarded-host': ['evil.test'] },
  ),
  fields(
    'two X-Forwarded-For, from who is trusted',
    { headers: lines('X-Forwarded-For: 1.1.1.1', 'X-Forwarded-For: 2.2.2.2, 3.3.3.3'), entry: 'trusting' },
    { 'x-forwarded-for': ['1.1.1.1, 2.2.2.2, 3.3.3.3, 127.0.0.1'] },
  ),
  fields(
    'hop-by-hop headers',
    { headers: hopByHop },
    { 'x-kept': ['1'], te: ['trailers'], 'x-forwarded-for': ['127.0.0.1'] },
  ),
  fields(
    'a header twice, an empty one, one with bytes above 127',
    { headers: lines('X-Two: a', 'X-Two: b', 'X-Empty:', 'X-Bytes: \xe9\xff') },
    { 'x-two': ['a', 'b'], 'x-empty': [''], 'x-bytes': ['\xe9\xff'] },
  ),
  fields('a header of 30,000 bytes', { headers: lines(`X-Long: ${'l'.repeat(30_000)}`) }, {}),
  fields(
    'an Accept-Encoding',
    { headers: lines('Accept-Encoding: br;q=0.5, zstd') },
    { 'accept-encoding': ['br;q=0.5, zstd'] },
  ),
  fields('a User-Agent', { headers: lines('User-Agent: me/1') }, { 'user-agent': ['me/1'] }),
  fields(
    'Range and conditions',
    { headers: lines('Range: bytes=0-1', 'If-None-Match: "x"') },
    { range: ['bytes=0-1'], 'if-none-match': ['"x"'] },
  ),
  {
    name: 'nothing is added that the client did not say',
    run: async (at) => {
      const { fields: seen } = await echoed(at);
      return {
        added: ['user-agent', 'accept', 'content-length', 'connection', 'via'].filter((name) => name in seen),
      };
    },
    traefik: { added: [] },
  },
  {
    name: 'an Accept-Encoding of the proxy',
    run: async (at) => ({ added: JSON.parse((await get(at, 'headers')).body).fields['accept-encoding'] }),
    traefik: { added: ['gzip'] },
    differs: 'Accept-Encoding',
    sluice: {},
  },
  {
    name: 'the names of headers as they were written',
    run: async (at) => {
      const { names } = await echoed(at, { headers: lines('x-loWer: 1') });
      return { name: names.find((each) => each.toLowerCase() === 'x-lower') };
    },
    traefik: { name: 'X-Lower' },
    differs: 'Names of headers',
    sluice: { name: 'x-loWer' },
  },
  {
    ...fields('two Cookie headers', { headers: lines('Cookie: a=1', 'Cookie: b=2') }, { cookie: ['a=1', 'b=2'] }),
    differs: 'Several Cookie headers',
    sluice: { fields: { cookie: ['a=1; b=2'] } },
  },
  {
    ...fields(
      'a twin of a managed header',
      { headers: lines('X_Forwarded_For: 1.2.3.4', 'X_Real_Ip: 1.2.3.4') },
      { x_forwarded_for: ['1.2.3.4'] },
    ),
    differs: 'Twins of managed headers',
    sluice: {},
  },
  {
    name: 'a Host with a port, in capitals',
    run: async ({ plane }) => {
      const answer = await ask(plane.ports.web, 'GET / HTTP/1.1\r\nHost: HEADERS.test:8123\r\n\r\n');
      return { fields: received(answer).fields };
    },
    traefik: {
      fields: { host: ['HEADERS.test:8123'], 'x-forwarded-host': ['HEADERS.test:8123'], 'x-forwarded-port': ['8123'] },
    },
  },
  {
    name: 'a URL as target wins over Host',
    run: async ({ plane }) => {
      const answer = await ask(plane.ports.web, 'GET http://headers.test/x?y HTTP/1.1\r\nHost: other.test\r\n\r\n');
      const { target: arrived, fields: seen } = received(answer);
      return { arrived, fields: seen };
    },
    traefik: { arrived: '/x?y', fields: { host: ['headers.test'] } },
  },
  {
    name: 'passHostHeader: false',
    run: async (at) => ({ fields: (await echoed(at, {}, 'own-host')).fields }),
    traefik: { fields: { host: ['10.77.0.8:8080'], 'x-forwarded-host': ['own-host.test'] } },
  },
  {
    name: 'HTTP/1.0 without Host',
    run: async ({ plane }) => {
      const answer = await ask(plane.ports.web, 'GET /any-host HTTP/1.0\r\n\r\n');
      const { 'x-forwarded-host': _, ...seen } = received(answer).fields as Record<string, readonly string[]>;
      return { version: answer.version, framing: answer.framing, host: seen['host']?.[0] === '' };
    },
    traefik: { version: '1.0', host: false },
    differs: 'Answers to HTTP/1.0',
    sluice: { version: '1.1', host: false },
  },
  target('a semicolon in the query is an ampersand', '/p?a=1;b=2&c', '/p?a=1&b=2&c'),
  target('escapes stay as they are', '/a%2Fb%20c/%C3%A9?q=%20+x', '/a%2Fb%20c/%C3%A9?q=%20+x'),
  target('dots and double slashes are cleaned', '/a/../b//c/./d', '/b/c/d'),
  target('an empty query', '/p?', '/p?'),
  {
    name: 'OPTIONS *',
    run: async (at) => {
      const { status, body } = await get(at, 'headers', {
        method: 'OPTIONS',
        target: '*',
        headers: 'Connection: close\r\n',
      });
      return { status, body };
    },
    traefik: { status: 200, body: '' },
    differs: 'OPTIONS *',
    sluice: { status: 200 },
  },
  ...['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND'].map((method): Case => ({
    name: `the method ${method}`,
    run: async (at) => {
      const { method: arrived, fields: seen } = await echoed(at, { method });
      return { arrived, fields: seen };
    },
    traefik: { arrived: method },
  })),
  head(
    'a head with all sorts of fields',
    `HTTP/1.1 200 Fine\r\n${lines('X-Two: a', 'X-Two: b', 'Set-Cookie: a=1', 'Set-Cookie: b=2; Path=/', 'Server: me', 'ETag: "x"', 'Vary: Accept', 'X-Empty:', 'X-Bytes: \xe9')}`,
    { status: 200, reason: 'OK', fields: { 'x-two': ['a', 'b'], server: ['me'], 'x-bytes': ['\xe9'] } },
  ),
  head(
    'hop-by-hop headers of an answer',
    `HTTP/1.1 200 OK\r\n${lines('Connection: X-Hop, keep-alive', 'X-Hop: 1', 'Keep-Alive: timeout=5', 'Proxy-Authenticate: Basic', 'Upgrade: h2c')}`,
    { status: 200 },
  ),
  head('a Date of the server', `HTTP/1.1 200 OK\r\n${lines('Date: Thu, 01 Jan 1970 00:00:00 GMT')}`, {
    fields: { date: ['now'] },
  }),
  head('no Content-Type is guessed', 'HTTP/1.1 200 OK\r\n', { fields: { date: ['now'], 'content-length': ['2'] } }),
  differs(
    head('an unknown status', 'HTTP/1.1 299 Whatever\r\n', { status: 299, reason: 'status code 299' }),
    'Unknown reasons',
    { status: 299, reason: 'unknown' },
  ),
  head('a redirect', `HTTP/1.1 302 Found\r\n${lines('Location: //elsewhere.test/%2F')}`, {
    status: 302,
    fields: { location: ['//elsewhere.test/%2F'] },
  }),
  head('an error of the server', 'HTTP/1.1 500 Oh\r\n', { status: 500, body: 'ok' }),
  head('a head of HTTP/1.0', 'HTTP/1.0 200 OK\r\n', { version: '1.1', status: 200 }),
  differs(
    head('early hints', `HTTP/1.1 103 Early Hints\r\n${lines('Link: </a.css>; rel=preload')}\r\nHTTP/1.1 200 OK\r\n`, {
      informational: [{ status: 103 }],
    }),
    'Content-Type after early hints',
    { informational: [{ status: 103 }], status: 200, body: 'ok' },
  ),
  {
    name: 'two requests on one connection',
    run: async ({ plane }) => {
      await using client = await connectHttp1(plane.ports.web);
      const seen: unknown[] = [];
      for (const path of ['/1', '/2']) {
        client.write(`GET ${path} HTTP/1.1\r\nHost: headers.test\r\n\r\n`);
        seen.push(received(await client.answer()).target);
      }
      return { seen };
    },
    traefik: { seen: ['/1', '/2'] },
  },
  {
    name: 'two requests sent at once are answered in their order',
    run: async ({ plane }) => {
      await using client = await connectHttp1(plane.ports.web);
      client.write(['/1', '/2', '/3'].map((path) => `GET ${path} HTTP/1.1\r\nHost: headers.test\r\n\r\n`).join(''));
      const seen: unknown[] = [];
      for (let index = 0; index < 3; index += 1) seen.push(received(await client.answer()).target);
      return { seen };
    },
    traefik: { seen: ['/1', '/2', '/3'] },
  },
  ...(['close', 'keep-alive'] as const).flatMap((token) =>
    (['1.0', '1.1'] as const).map((version): Case => ({
      name: `Connection: ${token} with HTTP/${version}`,
      run: async ({ plane }) => {
        await using client = await connectHttp1(plane.ports.web);
        client.write(`GET / HTTP/${version}\r\nHost: headers.test\r\nConnection: ${token}\r\n\r\n`);
        const answer = await client.answer();
        client.write(`GET /2 HTTP/${version}\r\nHost: headers.test\r\nConnection: ${token}\r\n\r\n`);
        const { fields: answered, framing, version: spoken } = answer;
        return { connection: answered['connection'], framing, spoken, isOpen: (await client.answer()).status === 200 };
      },
      traefik: { isOpen: token === 'keep-alive', spoken: version },
      ...(version === '1.0' &&
        ({ differs: 'Answers to HTTP/1.0', sluice: { isOpen: token === 'keep-alive', spoken: '1.1' } } as const)),
    })),
  ),
];

/** headers is about heads of requests and answers. */
export const headers: CaseGroup = { name: 'headers', objects, cases };
