import { expect, test } from 'vitest';
import type { Downstream } from '../../../../src/proxy/downstream.ts';
import { createHeaderForwarding, portOf } from '../../../../src/proxy/server/forwarded-headers.ts';

interface Asked {
  readonly headers: readonly string[];
  readonly authority?: string;
  readonly isTls?: boolean;
  readonly address?: string;
  readonly upgrade?: string;
  readonly body?: Downstream['body'];
}

const trustedIps = ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1'];

/** What a server gets, as `Name: value` lines without those about the peer that every request has. */
function forwarded({
  headers,
  authority = 'shop.test',
  isTls = false,
  address = '203.0.113.9',
  ...rest
}: Asked): string[] {
  const forwarding = createHeaderForwarding({ trustedIps, isInsecure: false, hostname: 'node-1' });
  const client = { headers, authority, isTls, peer: { address, port: 1 }, upgrade: rest.upgrade, body: rest.body };
  const list = forwarding(client as unknown as Downstream).headers;
  return list.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${list[index + 1] ?? ''}`] : []));
}

const about = (changes: Readonly<Record<string, string>> = {}): string[] =>
  Object.entries({
    'X-Forwarded-For': '203.0.113.9',
    'X-Forwarded-Host': 'shop.test',
    'X-Forwarded-Proto': 'http',
    'X-Forwarded-Port': '80',
    'X-Forwarded-Server': 'node-1',
    'X-Real-Ip': '203.0.113.9',
    ...changes,
  }).map(([name, value]) => `${name}: ${value}`);

test('a server learns who asked, for which host, and how', () => {
  expect(forwarded({ headers: ['Host', 'shop.test', 'accept', '*/*'] })).toEqual(['accept: */*', ...about()]);
});

test('what an untrusted peer says about others is replaced', () => {
  const headers = [
    'X-Forwarded-For',
    '1.2.3.4',
    'x-real-ip',
    '1.2.3.4',
    'X-Forwarded-Proto',
    'https',
    'X-Forwarded-Host',
    'evil',
    'X-Forwarded-Port',
    '1',
    'X-Forwarded-Server',
    'evil',
    'X-Forwarded-Uri',
    '/',
    'X-Forwarded-Method',
    'PUT',
    'X-Forwarded-Prefix',
    '/x',
    'X-Forwarded-Tls-Client-Cert',
    'x',
    'X-Forwarded-Tls-Client-Cert-Info',
    'x',
    'X-Forwarded-Scheme',
    'https',
    'X-Scheme',
    'https',
  ];
  expect(forwarded({ headers })).toEqual(about());
});

test.each(['X_Real_Ip', 'x_forwarded_for', 'X_Forwarded-Proto', 'X-Forwarded_Server'])(
  '%s is dropped from everybody: servers read it as its twin',
  (name) => {
    expect(forwarded({ headers: [name, '1.2.3.4'] })).toEqual(about());
    expect(forwarded({ headers: [name, '1.2.3.4'], address: '10.1.2.3' })).not.toContain(`${name}: 1.2.3.4`);
  },
);

test.each(['10.1.2.3', '2001:db8::7', '192.0.2.1'])(
  'what the trusted peer %s says is kept, and it is added itself',
  (address) => {
    const headers = ['X-Forwarded-For', '1.2.3.4', 'X-Forwarded-For', '5.6.7.8', 'X-Real-Ip', '1.2.3.4'];
    const all = forwarded({
      headers: [...headers, 'X-Forwarded-Proto', 'https', 'X-Forwarded-Host', 'a.test'],
      address,
    });
    expect(all.toSorted()).toEqual(
      about({
        'X-Forwarded-For': `1.2.3.4, 5.6.7.8, ${address}`,
        'X-Real-Ip': '1.2.3.4',
        'X-Forwarded-Proto': 'https',
        'X-Forwarded-Host': 'a.test',
        'X-Forwarded-Port': '443',
      }).toSorted(),
    );
  },
);

test('a trusted peer that says nothing is a client like any other', () => {
  const expected = about({ 'X-Forwarded-For': '10.1.2.3', 'X-Real-Ip': '10.1.2.3' });
  expect(forwarded({ headers: ['X-Real-Ip', ''], address: '10.1.2.3' })).toEqual(expected);
});

test.each([
  [{ isTls: true }, { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Port': '443' }],
  [{ upgrade: 'WebSocket' }, { 'X-Forwarded-Proto': 'ws' }],
  [
    { upgrade: 'websocket', isTls: true },
    { 'X-Forwarded-Proto': 'wss', 'X-Forwarded-Port': '443' },
  ],
  [{ upgrade: 'SPDY/3.1' }, {}],
  [{ authority: 'shop.test:8000' }, { 'X-Forwarded-Host': 'shop.test:8000', 'X-Forwarded-Port': '8000' }],
  [{ authority: '[::1]:81' }, { 'X-Forwarded-Host': '[::1]:81', 'X-Forwarded-Port': '81' }],
])('protocol and port of %o', (asked, expected) => {
  expect(forwarded({ headers: [], ...asked })).toEqual(about(expected));
});

test.each([
  [
    'hop-by-hop headers end here',
    ['Keep-Alive', '5', 'Proxy-Connection', 'x', 'Proxy-Authorization', 'x', 'Upgrade', 'h2c'],
    [],
  ],
  [
    'headers that Connection lists end here',
    ['Connection', 'close, X-Mine', 'X-Mine', '1', 'X-Yours', '2'],
    ['X-Yours: 2'],
  ],
  ['a client cannot take away what is said about it', ['Connection', 'X-Real-Ip, X-Forwarded-For'], []],
  [
    'framing is the business of each connection',
    ['Content-Length', '3', 'Transfer-Encoding', 'chunked', 'Expect', 'x'],
    [],
  ],
  ['Te: trailers is passed on', ['TE', 'gzip, trailers', 'Connection', 'te'], ['Te: trailers']],
  ['Te of anything else is not', ['TE', 'gzip'], []],
  ['cookies are one header', ['cookie', 'a=1', 'cookie', 'b=2'], ['Cookie: a=1; b=2']],
  ['other names keep their case', ['x-mIxEd', '1', 'Sec-WebSocket-Key', 'k'], ['x-mIxEd: 1', 'Sec-WebSocket-Key: k']],
  ['an announcement of trailers needs a body', ['Trailer', 'X-Sum'], []],
] as const)('%s', (_, headers, expected) => {
  expect(forwarded({ headers })).toEqual([...expected, ...about()]);
});

test('the protocol is Traefik’s', () => {
  const forwarding = createHeaderForwarding({ trustedIps: [], isInsecure: false, hostname: 'x' });
  const protocolOf = (headers: readonly string[], upgrade?: string): string =>
    forwarding({
      headers,
      authority: '',
      isTls: false,
      peer: { address: '', port: 0 },
      upgrade,
    } as unknown as Downstream).protocol;
  expect(protocolOf([])).toBe('http');
  expect(protocolOf(['Content-Type', 'application/grpc+proto'])).toBe('grpc');
  expect(protocolOf(['content-type', 'application/grpc-web'])).toBe('grpc-web');
  expect(protocolOf(['Accept', 'text/html, text/event-stream', 'content-type', 'application/grpc'])).toBe('sse');
  expect(protocolOf(['Accept', 'text/event-stream'], 'websocket')).toBe('websocket');
});

test('a range that is none is refused', () => {
  expect(() => createHeaderForwarding({ trustedIps: ['10.0.0.0/33'], isInsecure: false, hostname: 'x' })).toThrow(
    RangeError,
  );
});

test('ports of authorities', () => {
  expect(['a', 'a:1', 'a:', '[::1]', '[::1]:2', '::1', ''].map(portOf)).toEqual([
    undefined,
    '1',
    undefined,
    undefined,
    '2',
    undefined,
    undefined,
  ]);
});
