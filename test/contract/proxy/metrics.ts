/** What the counters say after the same requests. */
import { once } from 'node:events';
import tls from 'node:tls';
import { request } from 'undici';
import type { KubernetesObject } from '../../../src/api/kubernetes.ts';
import type { At, Case, CaseGroup } from '../../support/data-plane/case.ts';
import { connectHttp1 } from '../../support/data-plane/http1-client.ts';
import { routeObjects, serviceObjects } from '../../support/data-plane/objects.ts';
import type { Plane } from '../../support/data-plane/planes.ts';
import type { Ports } from '../../support/data-plane/upstream.ts';
import { eventually } from '../../support/eventually.ts';
import { differs, get, type Request, requestText } from './requests.ts';

const passiveHealthCheck = { failureWindow: '60s', maxFailedAttempts: 2 };

function objects(ports: Ports): readonly KubernetesObject[] {
  const two = (name: string, weight: number): readonly object[] => [
    { name, port: 80, weight },
    { name: 'counted-other', port: 80, weight: 0 },
  ];
  return [
    ...serviceObjects(ports, { name: 'counted', endpoints: [13] }),
    ...serviceObjects(ports, { name: 'counted-other', endpoints: [13] }),
    ...serviceObjects(ports, { name: 'counted-more', endpoints: [13] }),
    ...routeObjects({ name: 'counted-more', services: two('counted-more', 1), entryPoints: ['web'] }),
    ...serviceObjects(ports, { name: 'counted-one', endpoints: [13] }),
    ...serviceObjects(ports, { name: 'counted-tls', endpoints: [13] }),
    // Apart from the others: a POST on a connection that is closed by then would be a 502.
    ...serviceObjects(ports, { name: 'counted-stale', endpoints: [19] }),
    ...serviceObjects(ports, { name: 'counted-sick', endpoints: [13], to: 'closed' }),
    ...serviceObjects(ports, {
      name: 'counted-leaving',
      endpoints: [{ at: 13, conditions: { ready: false, serving: true, terminating: true } }],
    }),
    ...routeObjects({ name: 'counted', services: two('counted', 1), entryPoints: ['web'] }),
    ...routeObjects({ name: 'counted-one', services: [{ name: 'counted-one', port: 80 }], entryPoints: ['web'] }),
    ...routeObjects({ name: 'counted-names', services: [{ name: 'counted-other', port: 80 }] }),
    ...routeObjects({ name: 'counted-tls', services: two('counted-tls', 1) }),
    ...routeObjects({ name: 'counted-stale', services: two('counted-stale', 1), entryPoints: ['web'] }),
    ...routeObjects({
      name: 'counted-sick',
      services: [
        { name: 'counted-sick', port: 80, weight: 1, passiveHealthCheck },
        { name: 'counted-other', port: 80, weight: 0 },
      ],
      entryPoints: ['web'],
    }),
    ...routeObjects({ name: 'counted-leaving', services: two('counted-leaving', 1), entryPoints: ['web'] }),
  ];
}

/** Series are values by name and labels, these in the order of their names; durations are left out. */
type Series = Readonly<Record<string, number>>;

async function read({ metricsUrl }: Plane, label: string): Promise<Series> {
  const text = await (await request(metricsUrl)).body.text();
  const series: Record<string, number> = {};
  for (const [, name = '', labels = '', value] of text.matchAll(/^(traefik_\w+)\{(.*)\} (\S+)$/gm)) {
    if (!labels.includes(label) || /_(bucket|sum|open_connections)$/.test(name)) continue;
    const sorted = [...labels.matchAll(/\w+="[^"]*"/g)].map(([each]) => each).sort();
    series[`${name}{${sorted.join(',')}}`] = Number(value);
  }
  return series;
}

/** counted makes requests, and returns the series with the label once `requests` are counted. */
async function counted({ plane }: At, label: string, requests: number): Promise<Series> {
  return await eventually(
    async () => {
      const series = await read(plane, label);
      const total = Object.entries(series).reduce(
        (sum, [name, value]) => sum + (name.startsWith('traefik_service_requests_total') ? value : 0),
        0,
      );
      if (total !== requests) throw new Error(`${plane.name} has counted ${total}: ${JSON.stringify(series)}`);
      return series;
    },
    { timeoutMs: 15_000, describe: `${requests} requests to be counted` },
  );
}

const upgrade =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';

/** makeAll makes requests of all kinds and returns how many. */
async function makeAll(at: At): Promise<number> {
  const scripted = (text: string, options: Request = {}): Promise<unknown> => {
    const headers = at.scripted(async (connection) => {
      connection.write(text);
      if (text === '') connection.socket.end();
    });
    return get(at, 'counted', { ...options, headers: `${options.headers ?? ''}${headers}` });
  };
  const empty = (status: string): string => `HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`;
  await scripted(empty('200 OK'));
  await scripted('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');
  await scripted(empty('404 Not Found'));
  await scripted(empty('503 Service Unavailable'));
  await scripted(empty('200 OK'), { method: 'HEAD' });
  await posted(at);
  await scripted(empty('200 OK'), { method: 'PROPFIND' });
  await scripted(empty('200 OK'), { headers: 'Accept: text/event-stream\r\n' });
  await scripted('');
  await scripted(
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status\r\n\r\n0\r\nGrpc-Status: 5\r\n\r\n',
    { method: 'POST', headers: 'Content-Type: application/grpc\r\nContent-Length: 0\r\n' },
  );
  return 10;
}

async function posted(at: At): Promise<void> {
  const headers = at.scripted(async (connection) => {
    await connection.take(5);
    connection.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  await get(at, 'counted', { method: 'POST', headers: `Content-Length: 5\r\n${headers}`, body: 'hello' });
}

async function upgradeOnce(at: At): Promise<void> {
  await using client = await connectHttp1(at.plane.ports.web);
  const headers = at.scripted(async (connection) => {
    connection.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    connection.write(await connection.until('\n'));
    connection.socket.end();
    await connection.closed();
  });
  client.write(requestText('counted-more', { headers: `${upgrade}${headers}` }));
  await client.head();
  client.write('hello\n');
  await client.line();
  await client.ended();
}

async function leaveOnce(at: At): Promise<void> {
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
  await using client = await connectHttp1(at.plane.ports.web);
  const headers = at.scripted(async (connection) => {
    onAsked();
    await connection.closed();
  });
  client.write(requestText('counted-more', { method: 'DELETE', headers }));
  await asked;
}

/** getEncrypted makes one request over a connection that is encrypted as said. */
async function getEncrypted({ plane }: At, host: string, options: tls.ConnectionOptions = {}): Promise<void> {
  const socket = tls.connect({ port: plane.ports.websecure, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  socket.write(requestText(host, { headers: 'Connection: close\r\n' }));
  socket.resume();
  await once(socket, 'close');
}

/** families returns the metrics of requests, each with its type and the names of its labels. */
async function families({ metricsUrl }: Plane): Promise<readonly string[]> {
  const text = await (await request(metricsUrl)).body.text();
  const found = [...text.matchAll(/^# TYPE (traefik_(?:entrypoint|router|service)_\w+) (\w+)$/gm)];
  return found
    .map(([, name = '', type = '']) => {
      const [, labels = ''] = new RegExp(String.raw`^${name}(?:_count)?\{(.*)\} `, 'm').exec(text) ?? [];
      return `${name} ${type} ${[...labels.matchAll(/(\w+)="/g)].map(([, label]) => label).join(' ')}`;
    })
    .toSorted();
}

const cases: readonly Case[] = [
  {
    name: 'requests over TLS, by how they are encrypted',
    run: async (at) => {
      // Before 1.3 the cipher depends on the certificate, and Traefik has one of its own here.
      for (const ciphers of ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_AES_128_GCM_SHA256'])
        await getEncrypted(at, 'counted-tls', { minVersion: 'TLSv1.3', ciphers });
      await get(at, 'counted-tls');
      const service = await counted(at, 'service="shop-counted-tls-80@kubernetescrd"', 4);
      const router = await read(at.plane, 'router="shop-counted-tls-tls-');
      const all = Object.entries({ ...service, ...router });
      return Object.fromEntries(all.filter(([name]) => name.includes('tls_total')));
    },
    traefik: {
      'traefik_service_requests_tls_total{service="shop-counted-tls-80@kubernetescrd",tls_cipher="TLS_AES_128_GCM_SHA256",tls_version="1.3"}': 2,
      'traefik_service_requests_tls_total{service="shop-counted-tls-80@kubernetescrd",tls_cipher="TLS_AES_256_GCM_SHA384",tls_version="1.3"}': 1,
    },
  },
  {
    name: 'a server that passive health leaves alone',
    run: async (at) => {
      for (let index = 0; index < 2; index += 1) await get(at, 'counted-sick');
      return await eventually(
        async () => {
          const found = await read(at.plane, 'service="shop-counted-sick-80@kubernetescrd",url=');
          return Object.keys(found).length > 0 ? found : undefined;
        },
        { timeoutMs: 15_000, describe: `${at.plane.name} to say that the server is down` },
      );
    },
    traefik: {
      'traefik_service_server_up{service="shop-counted-sick-80@kubernetescrd",url="http://10.77.0.13:9999"}': 0,
    },
  },
  {
    name: 'a request that goes out again on a new connection is one request, and no retry',
    run: async (at) => {
      for (let index = 0; index < 5; index += 1) {
        const headers = at.scripted(async (connection) => {
          connection.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
          connection.socket.end();
        });
        await get(at, 'counted-stale', { headers });
      }
      const series = await counted(at, 'service="shop-counted-stale-80@kubernetescrd"', 5);
      return Object.fromEntries(Object.entries(series).filter(([name]) => /requests_total|retries/.test(name)));
    },
    traefik: {
      'traefik_service_requests_total{code="200",method="GET",protocol="http",service="shop-counted-stale-80@kubernetescrd"}': 5,
    },
  },
  {
    name: 'names, types and labels',
    run: async (at) => {
      await getEncrypted(at, 'counted-names');
      return await eventually(
        async () => {
          const found = (await families(at.plane)).filter((line) => !line.includes('server_up'));
          return found.length >= 15 ? { found } : undefined;
        },
        { timeoutMs: 15_000, describe: `${at.plane.name} to have all metrics` },
      );
    },
    traefik: {},
  },
  {
    name: 'requests of all kinds',
    run: async (at) => counted(at, 'service="shop-counted-80@kubernetescrd"', await makeAll(at)),
    traefik: {
      'traefik_service_requests_total{code="200",method="GET",protocol="http",service="shop-counted-80@kubernetescrd"}': 2,
      'traefik_service_requests_total{code="502",method="GET",protocol="http",service="shop-counted-80@kubernetescrd"}': 1,
      'traefik_service_requests_total{code="5",method="POST",protocol="grpc",service="shop-counted-80@kubernetescrd"}': 1,
    },
  },
  differs(
    {
      name: 'a WebSocket, and a client that leaves',
      run: async (at) => {
        await upgradeOnce(at);
        await leaveOnce(at);
        return await counted(at, 'service="shop-counted-more-80@kubernetescrd"', 2);
      },
      traefik: {
        'traefik_service_requests_total{code="0",method="GET",protocol="websocket",service="shop-counted-more-80@kubernetescrd"}': 1,
        'traefik_service_requests_total{code="499",method="DELETE",protocol="http",service="shop-counted-more-80@kubernetescrd"}': 1,
      },
    },
    'Counts of upgrades',
    {
      'traefik_service_requests_total{code="101",method="GET",protocol="websocket",service="shop-counted-more-80@kubernetescrd"}': 1,
      'traefik_service_requests_total{code="499",method="DELETE",protocol="http",service="shop-counted-more-80@kubernetescrd"}': 1,
    },
  ),
  {
    name: 'a route with one service is counted by its own name',
    run: async (at) => {
      for (let index = 0; index < 3; index += 1) await get(at, 'counted-one');
      const series = await counted(at, 'service="shop-counted-one-', 3);
      return Object.fromEntries(Object.entries(series).filter(([name]) => !name.includes('bytes')));
    },
    traefik: {},
  },
  differs(
    {
      name: 'requests that no server could get',
      run: async (at) => {
        for (let index = 0; index < 3; index += 1) await get(at, 'counted-leaving');
        await eventually(async () => Object.keys(await read(at.plane, 'router="shop-counted-leaving-')).length > 0);
        return await read(at.plane, 'service="shop-counted-leaving-80');
      },
      traefik: {},
    },
    'Counts of requests without a server',
    {},
  ),
];

/** metrics is about counters. */
export const metrics: CaseGroup = { name: 'metrics', objects, cases };
