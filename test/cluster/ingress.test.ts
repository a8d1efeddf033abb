/** The classic exercise, manifests/examples/ingress/hosts.yaml: hosts, certificates, changes and a broken Ingress, on one proxy. */
import https from 'node:https';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Secret, ResourceKind } from '../../src/api/kubernetes.ts';
import { type Backend, startBackend } from '../support/backend.ts';
import { createAuthority } from '../support/certificates.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { applyObject, putEndpoints, putNamespace } from '../support/objects.ts';
import { freePort } from '../support/processes.ts';
import { installProxyRights, startSluiceProxy } from '../support/sluice-proxy.ts';
import type { Traefik } from '../support/traefik.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const namespace = 'web';
const secrets = { group: '', version: 'v1', plural: 'secrets', kind: 'Secret' } satisfies ResourceKind;
const authority = createAuthority('authority');

let cluster: Cluster;
let proxy: Traefik;
let port: number;
const backends: Backend[] = [];

beforeAll(async () => {
  cluster = await startCluster({ controllerManager: false });
  for (const name of ['sluice-system', namespace]) await putNamespace(cluster, name);
  await installProxyRights(cluster);
  await cluster.kubectl(['apply', '-f', path.join(root, 'manifests/components/proxy/ingress-class.yaml')]);
  await putSecret('shop-tls', 'shop', ['shop.example']);
  await putSecret('api-tls', 'api', ['api.example']);
  await putSecret('preview-tls', 'preview', ['*.preview.example']);
  await cluster.kubectl(['apply', '-n', namespace, '-f', path.join(root, 'manifests/examples/ingress/hosts.yaml')]);
  for (const [index, version] of ['shop', 'api', 'preview', 'next'].entries()) {
    backends.push(await startBackend({ address: `10.77.0.${index + 2}`, version }));
    if (version !== 'next')
      await putEndpoints(cluster, { namespace, name: version }, [{ address: `10.77.0.${index + 2}` }]);
  }
  port = await freePort();
  const entryPoints = `web=127.0.0.1:${await freePort()} websecure=127.0.0.1:${port},tls`;
  proxy = await startSluiceProxy({ cluster, workers: 2, args: [`--entry-point=${entryPoints}`] });
});
afterAll(async () => {
  await proxy?.stop();
  for (const backend of backends) await backend.stop();
  await cluster?.stop();
});

async function putSecret(name: string, subject: string, hosts: readonly string[]): Promise<void> {
  const { cert, key } = authority.issue(subject, hosts);
  const secret = {
    metadata: { namespace, name },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': cert, 'tls.key': key },
  };
  await applyObject(cluster, secrets, secret as unknown as Secret);
}

/** Asked is what a client sees of one request. */
interface Asked {
  readonly status: number | undefined;
  readonly version: string | undefined;
  readonly subject: string | undefined;
}

function ask(host: string, agent?: https.Agent): Promise<Asked> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const options = { host: '127.0.0.1', port, servername: host, headers: { host }, ca: authority.cert };
  https.get({ ...options, ...(agent === undefined ? { agent: false } : { agent }) }, resolve).on('error', reject);
  return promise.then((answer) => {
    const { subject } = (answer.socket as TLSSocket).getPeerCertificate();
    answer.resume();
    return {
      status: answer.statusCode,
      version: answer.headers['x-version'] as string | undefined,
      subject: subject.CN as string,
    };
  });
}

interface Loop {
  readonly failures: string[];
  readonly connections: () => number;
  readonly stop: () => Promise<void>;
}

/** startLoop asks for a host again and again on one connection. */
function startLoop(host: string): Loop {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  const failures: string[] = [];
  const sockets = new Set<string>();
  const over = new AbortController();
  agent.on('free', (socket: TLSSocket) => sockets.add(`${socket.localPort}`));
  const run = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const { status } = await ask(host, agent).catch((error: Error) => ({ status: error.message }));
      if (status !== 200) failures.push(String(status));
      await sleep(5);
    }
    agent.destroy();
  };
  const running = run();
  return {
    failures,
    connections: () => sockets.size,
    stop: async () => {
      over.abort();
      await running;
    },
  };
}

test('two hosts and a wildcard are served with a certificate each', async () => {
  const asked = await Promise.all(
    ['shop.example', 'api.example', 'a.preview.example', 'b.preview.example'].map((host) => ask(host)),
  );
  expect(asked).toEqual([
    { status: 200, version: 'shop', subject: 'shop' },
    { status: 200, version: 'api', subject: 'api' },
    { status: 200, version: 'preview', subject: 'preview' },
    { status: 200, version: 'preview', subject: 'preview' },
  ]);
  await expect(ask('unknown.example')).rejects.toThrow();
});

test('a changed Secret and changed endpoints hold for what comes, and no connection is dropped', async () => {
  const loop = startLoop('shop.example');
  await eventually(() => loop.connections() === 1, { timeoutMs: 10_000, describe: 'the connection of the loop' });
  await putSecret('shop-tls', 'renewed', ['shop.example']);
  await eventually(async () => (await ask('shop.example')).subject === 'renewed', { timeoutMs: 10_000 });
  await putEndpoints(cluster, { namespace, name: 'shop' }, [{ address: '10.77.0.5' }]);
  await eventually(async () => (await ask('shop.example')).version === 'next', { timeoutMs: 10_000 });
  await loop.stop();
  expect(loop.failures).toEqual([]);
  expect(loop.connections()).toBe(1);
  expect((await ask('api.example')).subject).toBe('api');
});

test('the broken Ingress says so in an event, a metric and the API, and leaves the others alone', async () => {
  const message = 'Service web/nobody does not exist; create it or correct the name.';
  await eventually(
    async () => (await cluster.kubectl(['-n', namespace, 'describe', 'ingress', 'broken'])).includes(message),
    { timeoutMs: 30_000, describe: 'an event on the broken Ingress' },
  );
  const read = async (url: string): Promise<string> => (await request(url)).body.text();
  expect(await read(proxy.metricsUrl)).toContain(
    'sluice_proxy_invalid_objects{kind="Ingress",name="broken",namespace="web"} 1',
  );
  const pages = await Promise.all(['/http/routers', '/rawdata'].map((page) => read(`${proxy.apiUrl}${page}`)));
  expect(pages[0]).toContain(message);
  expect((await ask('api.example')).status).toBe(200);
  for (const text of [...pages, await read(proxy.apiUrl.replace('/api', '/config'))])
    expect(text).not.toContain('PRIVATE KEY');
});
