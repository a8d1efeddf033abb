/** Clients that everybody has, through the proxy as a program: what they say, and what the server behind it saw. */
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { Agent, ping, WebSocket } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createAuthority } from '../support/certificates.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { applyObject, putEndpoints, putNamespace, putService } from '../support/objects.ts';
import { freePort } from '../support/processes.ts';
import { installProxyRights, startSluiceProxy } from '../support/sluice-proxy.ts';
import { installTraefikCrds, type Traefik } from '../support/traefik.ts';
import { patternOf, sha256, startWebServer, type Visit, type WebServer } from '../support/web-server.ts';

const run = promisify(execFile);
const namespace = 'web';
const address = '10.77.0.2';
const large = patternOf(20_000_003);

const isMissing = (tool: string): boolean => spawnSync(tool, ['--version']).error !== undefined;

let cluster: Cluster;
let proxy: Traefik;
let server: WebServer;
let authority: string;
const urls = { plain: '', tls: '' };

const routes = { group: 'traefik.io', version: 'v1alpha1', plural: 'ingressroutes', kind: 'IngressRoute' } as const;

async function putRoutes(): Promise<void> {
  const services = [{ name: 'shop', port: 80 }];
  for (const [entryPoint, more] of Object.entries({ web: {}, websecure: { tls: {} } })) {
    const spec = {
      entryPoints: [entryPoint],
      routes: [{ kind: 'Rule', match: 'Host(`127.0.0.1`)', services }],
      ...more,
    };
    await applyObject(cluster, routes, { metadata: { namespace, name: `shop-${entryPoint}` }, spec } as never);
  }
}

beforeAll(async () => {
  cluster = await startCluster({ controllerManager: false });
  const signer = createAuthority('authority');
  const certified = signer.issue('shop');
  const [cert, key] = [path.join(cluster.dataDir, 'tls.crt'), path.join(cluster.dataDir, 'tls.key')];
  authority = path.join(cluster.dataDir, 'authority.crt');
  await Promise.all([
    writeFile(cert, certified.cert),
    writeFile(key, certified.key),
    writeFile(authority, signer.cert),
  ]);
  await installTraefikCrds(cluster);
  await cluster.kubectl(['create', 'namespace', 'sluice-system']);
  await installProxyRights(cluster);
  await putNamespace(cluster, namespace);
  server = await startWebServer(address, large);
  await putService(cluster, { namespace, name: 'shop' });
  await putEndpoints(cluster, { namespace, name: 'shop' }, [{ address }]);
  await putRoutes();
  const [web, websecure] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const args = [
    `--entry-point=web=${web} websecure=${websecure},tls`,
    `--tls-cert-file=${cert}`,
    `--tls-key-file=${key}`,
  ];
  proxy = await startSluiceProxy({ cluster, workers: 2, args });
  urls.plain = `http://${web}`;
  urls.tls = `https://${websecure}`;
});
afterAll(async () => {
  await proxy?.stop();
  await server?.stop();
  await cluster?.stop();
});

let seenBefore = 0;
beforeEach(() => {
  seenBefore = server.visits.length;
});

/** seen returns what the server has seen since the test began. */
const seen = (): readonly Visit[] => server.visits.slice(seenBefore);

interface Curled {
  readonly status: number;
  readonly version: string;
  readonly redirects: number;
  readonly uploaded: number;
  readonly body: Buffer;
  readonly head: string;
  /** log is what `--verbose` writes. */
  readonly log: string;
}

let bodies = 0;

/** curl runs curl; it throws where curl says that something went wrong. */
async function curl(...args: readonly string[]): Promise<Curled> {
  bodies += 1;
  const [body, head] = ['body', 'head'].map((part) => path.join(cluster.dataDir, `curl-${bodies}.${part}`));
  const files = ['--output', body ?? '', '--dump-header', head ?? '', '--cacert', authority];
  const always = ['--silent', '--show-error', '--verbose', '--max-time', '20', '--write-out', '%{json}'];
  const { stdout, stderr } = await run('curl', [...always, ...files, ...args], { maxBuffer: 1 << 24 });
  const said = JSON.parse(stdout) as Readonly<Record<string, number | string>>;
  return {
    status: Number(said['response_code']),
    version: String(said['http_version']),
    redirects: Number(said['num_redirects']),
    uploaded: Number(said['size_upload']),
    body: await readFile(body ?? '').catch(() => Buffer.alloc(0)),
    head: await readFile(head ?? '', 'latin1'),
    log: stderr,
  };
}

/** Each way to ask, with the version of HTTP that it must come to. */
const ways = [
  ['HTTP/1.1', 'plain', ['--http1.1'], '1.1'],
  ['HTTP/1.0', 'plain', ['--http1.0'], '1.1'],
  ['HTTP/2 by prior knowledge', 'plain', ['--http2-prior-knowledge'], '2'],
  ['HTTP/1.1 over TLS', 'tls', ['--http1.1'], '1.1'],
  ['HTTP/2 over TLS', 'tls', ['--http2'], '2'],
] as const satisfies (readonly [string, keyof typeof urls, readonly string[], string])[];

describe.skipIf(isMissing('curl'))('curl', { timeout: 60_000 }, () => {
  describe.each(ways)('by %s', (_, entry, flags, version) => {
    test('gets a page, and the server hears who asks', async () => {
      const answer = await curl(...flags, `${urls[entry]}/page?a=1`);
      expect([answer.status, answer.version, answer.body.toString()]).toEqual([200, version, 'GET /page?a=1 0\n']);
      expect(seen()).toMatchObject([
        {
          headers: {
            host: urls[entry].split('//')[1],
            'x-forwarded-for': '127.0.0.1',
            'x-forwarded-proto': entry === 'tls' ? 'https' : 'http',
          },
        },
      ]);
    });

    test('gets 20 MB whole, a part of it, and its length', async () => {
      const url = `${urls[entry]}/large`;
      expect(sha256((await curl(...flags, url)).body)).toBe(sha256(large));
      const part = await curl(...flags, '--range', '1000000-1999999', url);
      expect([part.status, part.body.equals(large.subarray(1_000_000, 2_000_000))]).toEqual([206, true]);
      const rest = await curl(...flags, '--range', '20000000-', url);
      expect([rest.status, rest.body.length]).toEqual([206, 3]);
      const { status, head } = await curl(...flags, '--head', url);
      expect([status, /^content-length: (\d+)\r$/im.exec(head)?.[1]]).toEqual([200, '20000003']);
    });

    test('sends a file, and the server gets all of it', async () => {
      const file = path.join(cluster.dataDir, 'large');
      await writeFile(file, large);
      const answer = await curl(...flags, '--upload-file', file, `${urls[entry]}/file`);
      expect([answer.status, answer.uploaded]).toEqual([200, large.length]);
      expect(seen()).toMatchObject([{ method: 'PUT', bytes: large.length, sha256: sha256(large) }]);
      // curl asks first where the body is large and the version is HTTP/1.1.
      const isAsked = flags.includes('--http1.1' as never);
      expect(answer.log.includes('< HTTP/1.1 100 Continue')).toBe(isAsked);
    });

    // curl 7.88 cannot make a second request by prior knowledge, to no server.
    const isAble = flags[0] !== '--http2-prior-knowledge';

    test.runIf(isAble)('follows a redirect, with its body where it has to', async () => {
      const moved = await curl(...flags, '--location', `${urls[entry]}/moved`);
      expect([moved.redirects, moved.body.toString()]).toEqual([1, 'GET /landing?from=moved 0\n']);
      const kept = await curl(...flags, '--location', '--data', 'a=1', `${urls[entry]}/kept`);
      expect([kept.redirects, kept.body.toString()]).toEqual([1, 'POST /landing?from=kept 3\n']);
    });

    test('gets pieces and trailers', async () => {
      const { body, head, log } = await curl(...flags, `${urls[entry]}/chunks`);
      expect(body.toString()).toBe('one two three');
      if (flags.includes('--http1.0' as never)) expect(head).not.toMatch(/chunked/i);
      else expect(`${head}${log}`).toMatch(/x-sum: 3/i);
    });
  });

  test('sends a body in chunks, whose length nobody knows', async () => {
    const file = path.join(cluster.dataDir, 'chunked');
    await writeFile(file, large.subarray(0, 3_000_000));
    const flags = ['--http1.1', '--header', 'Transfer-Encoding: chunked', '--header', 'Expect:'];
    const { status } = await curl(...flags, '--upload-file', file, `${urls.plain}/chunked`);
    expect(status).toBe(200);
    expect(seen()).toMatchObject([
      { bytes: 3_000_000, sha256: sha256(large.subarray(0, 3_000_000)), headers: { 'transfer-encoding': 'chunked' } },
    ]);
    expect(seen()[0]?.headers).not.toHaveProperty('content-length');
  });

  test('keeps its body when the server refuses it before it came', async () => {
    const file = path.join(cluster.dataDir, 'refused');
    await writeFile(file, large);
    const answer = await curl('--http1.1', '--expect100-timeout', '10', '--upload-file', file, `${urls.plain}/refused`);
    expect([answer.status, answer.uploaded, answer.body.toString()]).toEqual([413, 0, 'too large\n']);
  });

  test('that asks to switch to HTTP/2 in the clear is served with HTTP/1.1, and the server does not hear of it', async () => {
    const { status, version } = await curl('--http2', `${urls.plain}/page`);
    expect([status, version]).toEqual([200, '1.1']);
    for (const name of ['upgrade', 'http2-settings']) expect(seen()[0]?.headers).not.toHaveProperty(name);
  });

  test('asks for many pages at once over one connection', async () => {
    const pages = Array.from({ length: 50 }, (_, index) => `${urls.tls}/many/${index}`);
    const args = ['--silent', '--show-error', '--fail', '--http2', '--parallel', '--cacert', authority];
    const { stdout } = await run('curl', [...args, ...pages]);
    const answers = stdout.trim().split('\n').toSorted();
    expect(answers).toEqual(pages.map((_, index) => `GET /many/${index} 0`).toSorted());
  });
});

describe('a WebSocket', { timeout: 30_000 }, () => {
  async function open(entry: keyof typeof urls, protocols: readonly string[] = []) {
    const dispatcher = new Agent({ connect: { ca: await readFile(authority, 'utf8') } });
    const url = `${urls[entry].replace('http', 'ws')}/socket?a=1`;
    const socket = new WebSocket(url, { protocols: [...protocols], dispatcher });
    socket.binaryType = 'arraybuffer';
    const messages: (string | ArrayBuffer)[] = [];
    socket.addEventListener('message', ({ data }) => void messages.push(data as string | ArrayBuffer));
    const closed = once(socket, 'close') as Promise<[{ code: number; reason: string; wasClean: boolean }]>;
    await once(socket, 'open');
    const session = server.sessions.at(-1);
    if (session === undefined) throw new Error('The server has not seen it');
    const until = (count: number): Promise<unknown> =>
      eventually(() => messages.length >= count, { timeoutMs: 10_000 });
    return { socket, messages, closed, session, until };
  }

  test.each(['plain', 'tls'] as const)('carries text and bytes both ways, in order (%s)', async (entry) => {
    const { socket, messages, session, until, closed } = await open(entry, ['echo.v1', 'echo.v2']);
    expect(socket.protocol).toBe('echo.v1');
    expect(session.request.headers).toMatchObject({
      'sec-websocket-protocol': 'echo.v1, echo.v2',
      'x-forwarded-proto': entry === 'tls' ? 'wss' : 'ws',
    });
    const bytes = large.subarray(0, 1 << 20);
    socket.send('hello');
    socket.send(bytes);
    for (let index = 0; index < 200; index += 1) socket.send(`number ${index}`);
    await until(202);
    expect(messages[0]).toBe('hello');
    expect(Buffer.from(messages[1] as ArrayBuffer).equals(bytes)).toBe(true);
    expect(messages.slice(2)).toEqual(Array.from({ length: 200 }, (_, index) => `number ${index}`));
    expect(session.received.slice(0, 2)).toEqual(['text hello', `binary ${1 << 20}`]);
    socket.close(1000, 'enough');
    const [{ code, reason, wasClean }] = await closed;
    expect([code, reason, wasClean]).toEqual([1000, 'enough', true]);
    expect(session.received.at(-1)).toBe('close 1000 enough');
  });

  test('carries pings and pongs both ways', async () => {
    const { socket, session } = await open('plain');
    socket.send('ping are-you-there');
    ping(socket, Buffer.from('and you'));
    await eventually(() => session.received.length >= 3, { timeoutMs: 10_000 });
    expect(session.received).toEqual(expect.arrayContaining(['pong are-you-there', 'ping and you']));
    socket.close();
  });

  test('tells the client why the server closed it', async () => {
    const { socket, closed } = await open('plain');
    socket.send('close 4001 out of order');
    const [{ code, reason, wasClean }] = await closed;
    expect([code, reason, wasClean]).toEqual([4001, 'out of order', true]);
  });

  test('that breaks at the server breaks for the client', async () => {
    const { closed, session } = await open('plain');
    session.socket.destroy();
    const [{ code, wasClean }] = await closed;
    expect([code, wasClean]).toEqual([1006, false]);
  });

  test('is one of many, and is counted as long as it is open', async () => {
    const opened = await Promise.all(Array.from({ length: 20 }, () => open('plain')));
    const streams = async (): Promise<number> => {
      const text = await (await fetch(proxy.metricsUrl)).text();
      // Each route has its own, also to the same Service.
      const counts = [...text.matchAll(/^sluice_proxy_open_streams\{service="web-shop-.*"\} (\d+)$/gm)];
      return counts.reduce((sum, [, count]) => sum + Number(count), 0);
    };
    await expect.poll(streams, { timeout: 10_000 }).toBe(20);
    for (const { socket } of opened) socket.close();
    await expect.poll(streams, { timeout: 10_000 }).toBe(0);
  });
});

describe('load', { timeout: 60_000 }, () => {
  /** What the generator before had under way when it ended still comes. */
  function restingCount(): Promise<number> {
    let last = -1;
    return eventually(
      () => {
        const isResting = last === server.rootCount();
        last = server.rootCount();
        return isResting ? { last } : undefined;
      },
      { timeoutMs: 5000, intervalMs: 100, describe: 'the server to be at rest' },
    ).then((found) => found.last);
  }

  /** A generator that ends may take requests back that the server has seen: at most one for each connection or stream. */
  function expectSeen(before: number, answered: number, open: number): void {
    const count = server.rootCount() - before;
    expect(count).toBeGreaterThanOrEqual(answered);
    expect(count).toBeLessThanOrEqual(answered + open);
  }

  test.skipIf(isMissing('wrk')).each(['plain', 'tls'] as const)(
    'of wrk is answered without an error (%s)',
    async (entry) => {
      const before = await restingCount();
      const { stdout } = await run('wrk', ['-t1', '-c32', '-d2s', `${urls[entry]}/`]);
      expect(stdout).not.toMatch(/Non-2xx|Socket errors/);
      const answered = Number(/(\d+) requests in/.exec(stdout)?.[1]);
      expect(answered).toBeGreaterThan(500);
      expectSeen(before, answered, 32);
    },
  );

  test.skipIf(isMissing('h2load')).each(['plain', 'tls'] as const)(
    'of h2load is answered whole (%s)',
    async (entry) => {
      const before = await restingCount();
      const { stdout } = await run('h2load', ['-n4000', '-c8', '-m16', `${urls[entry]}/`]);
      expect(stdout).toContain('4000 done, 4000 succeeded, 0 failed, 0 errored, 0 timeout');
      expect(stdout).toContain('status codes: 4000 2xx, 0 3xx, 0 4xx, 0 5xx');
      expectSeen(before, 4000, 0);
    },
  );
});
