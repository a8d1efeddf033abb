/** One suite for a real Traefik and for Sluice's proxy: what is not in the table of differences must be the same. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAuthority } from '../../support/certificates.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import type { At, Case, CaseGroup } from '../../support/data-plane/case.ts';
import { differences, type DifferenceName } from '../../support/data-plane/differences.ts';
import { namespace } from '../../support/data-plane/objects.ts';
import { type Plane, type PlaneName, startPlanes } from '../../support/data-plane/planes.ts';
import { startGrpcServer, startUpstream, type Upstream } from '../../support/data-plane/upstream.ts';
import { eventually } from '../../support/eventually.ts';
import type { ServerProcess } from '../../support/processes.ts';
import { putNamespace } from '../../support/objects.ts';
import { installProxyRights } from '../../support/sluice-proxy.ts';
import { installTraefikCrds } from '../../support/traefik.ts';
import { ask } from '../../support/data-plane/http1-client.ts';
import { bodies } from './bodies.ts';
import { failures } from './failures.ts';
import { headers } from './headers.ts';
import { metrics } from './metrics.ts';
import { protocols } from './protocols.ts';
import { routing } from './routing.ts';

const groups: readonly CaseGroup[] = [routing, headers, bodies, failures, protocols, metrics];

let cluster: Cluster;
let upstream: Upstream;
let grpcServer: ServerProcess;
let planes: readonly Plane[] = [];

const ports = { http: 8080, https: 8443, h2c: 8081, h2: 8444, closed: 9999, grpc: 9000 } as const;

beforeAll(async () => {
  cluster = await startCluster({ controllerManager: false });
  const authority = createAuthority('authority');
  const certified = authority.issue('shop');
  await installTraefikCrds(cluster);
  await cluster.kubectl(['create', 'namespace', 'sluice-system']);
  await installProxyRights(cluster);
  await putNamespace(cluster, namespace);
  upstream = await startUpstream(certified, ports);
  grpcServer = await startGrpcServer(cluster.dataDir, ports.grpc);
  const items = groups.flatMap(({ objects }) => objects(ports, authority.cert));
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await cluster.kubectl(['apply', '--server-side', '-f', '-'], { input: list });
  planes = await startPlanes(cluster, certified);
  await Promise.all(
    planes.map(({ ports: { web } }) =>
      eventually(async () => (await ask(web, 'GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n')).status === 200, {
        timeoutMs: 30_000,
      }),
    ),
  );
});
afterAll(async () => {
  await grpcServer?.stop(0);
  for (const plane of planes) await plane.stop();
  await upstream?.[Symbol.asyncDispose]();
  await cluster?.stop();
});

let tokens = 0;

function run({ run: body }: Case, plane: Plane): Promise<unknown> {
  const at: At = {
    plane,
    traefik: planes.find(({ name }) => name === 'traefik') as Plane,
    upstream,
    scripted: (serve) => {
      tokens += 1;
      upstream.script(`${tokens}`, serve);
      return `X-Script: ${tokens}\r\n`;
    },
  };
  return body(at);
}

/** limitMs is how long a case may take on one data plane; what hangs is named then. */
const limitMs = 30_000;

async function runEverywhere(each: Case): Promise<Readonly<Record<PlaneName, unknown>>> {
  const runOne = async (plane: Plane): Promise<readonly [PlaneName, unknown]> => {
    const timer = new AbortController();
    const late = sleep(limitMs, { error: `no end within ${limitMs / 1000} s` }, { signal: timer.signal });
    late.catch(() => undefined);
    const failed = (error: Error): object => ({ error: error.message });
    const result = await Promise.race([run(each, plane).catch(failed), late]);
    timer.abort();
    return [plane.name, result];
  };
  return Object.fromEntries(await Promise.all(planes.map(runOne))) as Record<PlaneName, unknown>;
}

function check(each: Case, results: Readonly<Record<PlaneName, unknown>>): void {
  expect(results.traefik, 'Traefik').toMatchObject(each.traefik as object);
  const difference = each.differs === undefined ? undefined : differences[each.differs];
  for (const name of ['strict', 'sluice'] as const) {
    if (difference === undefined || (name === 'strict' && difference.strict === 'Traefik')) {
      expect(results[name], name).toEqual(results.traefik);
    } else {
      expect(results[name], name).not.toEqual(results.traefik);
      expect(results[name], name).toMatchObject(each.sluice as object);
    }
  }
}

describe.each(groups)('$name', ({ cases }) => {
  test.concurrent.each(cases)('$name', async (each) => check(each, await runEverywhere(each)));
});

test('every difference of the table has a case that shows it', () => {
  const shown = new Set(groups.flatMap(({ cases }) => cases.flatMap(({ differs }) => differs ?? [])));
  expect(
    (Object.keys(differences) as DifferenceName[]).filter(
      (name) => !shown.has(name) && differences[name].shownBy === undefined,
    ),
  ).toEqual([]);
});
