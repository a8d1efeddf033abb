/** One suite for a real Traefik and for Sluice's proxy: what is not in the table of differences must be the same. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAuthority } from '../../support/certificates.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import type { At, Case, CaseGroup } from '../../support/data-plane/case.ts';
import { differences, type DifferenceName } from '../../support/data-plane/differences.ts';
import { namespace } from '../../support/data-plane/objects.ts';
import { type Plane, type PlaneName, startPlanes } from '../../support/data-plane/planes.ts';
import { startUpstream, type Upstream } from '../../support/data-plane/upstream.ts';
import { eventually } from '../../support/eventually.ts';
import { putNamespace } from '../../support/objects.ts';
import { installProxyRights } from '../../support/sluice-proxy.ts';
import { installTraefikCrds } from '../../support/traefik.ts';
import { ask } from '../../support/data-plane/http1-client.ts';
import { routing } from './routing.ts';

const groups: readonly CaseGroup[] = [routing];

let cluster: Cluster;
let upstream: Upstream;
let planes: readonly Plane[] = [];

const ports = { http: 8080, https: 8443, h2c: 8081, h2: 8444, closed: 9999, grpc: 9000 } as const;

beforeAll(async () => {
  cluster = await startCluster({ controllerManager: false });
  const authority = createAuthority('shop');
  const certified = authority.issue('shop');
  await installTraefikCrds(cluster);
  await cluster.kubectl(['create', 'namespace', 'sluice-system']);
  await installProxyRights(cluster);
  await putNamespace(cluster, namespace);
  upstream = await startUpstream(certified, ports);
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

async function runEverywhere(each: Case): Promise<Readonly<Record<PlaneName, unknown>>> {
  const results = await Promise.all(planes.map(async (plane) => [plane.name, await run(each, plane)] as const));
  return Object.fromEntries(results) as Record<PlaneName, unknown>;
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
