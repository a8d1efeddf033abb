import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { traefikRouterName } from '../../src/api/traefik-names.ts';
import { answerApi } from '../../src/proxy/api/answer.ts';
import { namedRouterJson } from '../../src/proxy/api/router-json.ts';
import { namedServiceJson, type NamedServiceJson } from '../../src/proxy/api/service-json.ts';
import type { ApiView } from '../../src/proxy/api/view.ts';
import { createCatalog, type Catalog } from '../../src/proxy/catalog/catalog.ts';
import type { ObjectKind } from '../../src/proxy/catalog/object-kind.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { putNamespace } from '../support/objects.ts';
import { freePort } from '../support/processes.ts';
import { installTraefikCrds, startTraefik, type Traefik } from '../support/traefik.ts';
import { catalogObjects, routes, specOf, type RouteCase } from './catalog-objects.ts';
import { readObjects, readTraefik, type Listed, type ListedByTraefik } from './listed.ts';

let cluster: Cluster;
let traefik: Traefik;
let catalog: Catalog;
let theirs: ListedByTraefik;

beforeAll(async () => {
  cluster = await startCluster({ controllerManager: false });
  await installTraefikCrds(cluster);
  await putNamespace(cluster, 'shop');
  await putNamespace(cluster, 'other');
  const text = catalogObjects()
    .map((object) => stringify(object))
    .join('---\n');
  await cluster.kubectl(['apply', '--server-side', '-f', '-'], { input: text });
  traefik = await startTraefik({
    cluster,
    flags: [
      `--entrypoints.websecure.address=127.0.0.1:${await freePort()}`,
      '--entrypoints.websecure.http.tls=true',
      '--providers.kubernetescrd.allowexternalnameservices=true',
    ],
  });
  // The last object that was written tells that all are there.
  const last = routerNames(routes.at(-1) as RouteCase)[0] ?? '';
  theirs = await eventually(() => readTraefik(traefik, (routers) => routers.has(last)), { timeoutMs: 30_000 });
  catalog = createCatalog({
    entryPoints: [
      { name: 'web', tls: undefined },
      { name: 'websecure', tls: { certificate: '', key: '' } },
    ],
    ingressClass: '',
    allowsCrossNamespace: false,
    allowsExternalName: true,
    isStrict: true,
  });
  catalog.apply(await readObjects(cluster, paths));
});
afterAll(async () => {
  await traefik?.stop();
  await cluster?.stop();
});

const paths: readonly (readonly [ObjectKind, string])[] = [
  ['IngressRoute', '/apis/traefik.io/v1alpha1/ingressroutes'],
  ['TraefikService', '/apis/traefik.io/v1alpha1/traefikservices'],
  ['ServersTransport', '/apis/traefik.io/v1alpha1/serverstransports'],
  ['Service', '/api/v1/services'],
  ['EndpointSlice', '/apis/discovery.k8s.io/v1/endpointslices'],
];

/** routerNames are those that a route may have: for all entry points, and for one with TLS. */
function routerNames(route: RouteCase): readonly string[] {
  const own = specOf(route).routes.map(({ match }) => traefikRouterName('shop', route.name, match));
  return [...new Set(own.flatMap((name) => [name, `websecure-${name}`]))];
}

/** shown is the part of a router that is compared; undefined: nothing is served. */
function shown(router: Listed | undefined) {
  if (router === undefined || router.status === 'disabled') return undefined;
  const { rule, priority, service, using, status, ruleSyntax, tls } = router;
  return { rule, priority, service, using, status, ruleSyntax, isTls: tls !== undefined };
}

function ours(name: string): Listed | undefined {
  const router = catalog.configuration.routers.get(name);
  return router === undefined ? undefined : (namedRouterJson(router) as unknown as Listed);
}

/** served is everything below a service, each by its name, in an order of no importance. */
function served(name: string, find: (name: string) => Listed | undefined): object {
  const found = find(name.includes('@') ? name : `${name}@kubernetescrd`) as NamedServiceJson | undefined;
  if (found === undefined) return { name, missing: true };
  const { loadBalancer, weighted, serverStatus, type, status } = found;
  const servers = [...(loadBalancer?.servers ?? [])].sort((one, other) => (one.url < other.url ? -1 : 1));
  const weights = new Map<string, number>();
  // Traefik lists a service twice where a route does; the sum of both weights is the same.
  for (const child of weighted?.services ?? []) weights.set(child.name, (weights.get(child.name) ?? 0) + child.weight);
  return {
    type,
    status,
    serverStatus,
    ...(loadBalancer !== undefined && { loadBalancer: { ...loadBalancer, servers } }),
    ...(weighted !== undefined && { sticky: weighted.sticky, weights: Object.fromEntries(weights) }),
    children: Object.fromEntries([...weights.keys()].map((child) => [child, served(child, find)])),
  };
}

function ourService(name: string): Listed | undefined {
  const service = catalog.configuration.services.get(name);
  return service === undefined
    ? undefined
    : (namedServiceJson(service, {
        usedBy: new Map(),
        serverSets: catalog.configuration.serverSets,
      }) as unknown as Listed);
}

function view(): ApiView {
  const limits = { readTimeoutMs: 60_000, idleTimeoutMs: 180_000, maxHeaderBytes: 65_536 };
  const web = { name: 'web', host: '', port: 80, tls: undefined, trustedIps: [], isInsecure: false, ...limits };
  return {
    configuration: catalog.configuration,
    entryPoints: [web],
    version: '1',
    startedAt: '2026-01-01T00:00:00Z',
    hasAccessLog: false,
    graceMs: 10_000,
    acceptGraceMs: 0,
  };
}

/** shapeOf lists the paths of all fields, with those of named things once. */
function shapeOf(value: unknown, path = ''): readonly string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [path];
  const paths = Object.entries(value).flatMap(([key, inner]) =>
    shapeOf(inner, `${path}/${/[@:]/.test(key) ? '*' : key}`),
  );
  return [...new Set(paths)];
}

function isSame(route: RouteCase): boolean {
  return routerNames(route).every(
    (name) => JSON.stringify(shown(ours(name))) === JSON.stringify(shown(theirs.routers.get(name))),
  );
}

describe('Traefik and the catalog in strict mode', () => {
  test('serve most of what was written', () => {
    expect(routes.length).toBeGreaterThan(60);
    const [mine, their] = [[...catalog.configuration.routers.keys()].map(ours), [...theirs.routers.values()]];
    for (const routers of [mine, their]) expect(routers.filter((router) => shown(router)).length).toBeGreaterThan(50);
  });

  test.each(routes.filter(({ differs }) => differs === undefined))(
    'serve the same routers and services: $name',
    (route) => {
      for (const name of routerNames(route)) {
        const router = shown(theirs.routers.get(name));
        expect({ name, router: shown(ours(name)) }).toEqual({ name, router });
        if (router?.service === undefined) continue;
        if (router.status === 'enabled') expect(ours(name)).toEqual(theirs.routers.get(name));
        const [mine, their] = [
          served(router.service, ourService),
          served(router.service, (service) => theirs.services.get(service)),
        ];
        expect(mine).toEqual(their);
      }
    },
  );

  test.each(routes.filter(({ differs }) => differs !== undefined))('differ as intended: $name: $differs', (route) => {
    expect(isSame(route)).toBe(false);
    const mine = routerNames(route)
      .map(ours)
      .filter((router) => router !== undefined);
    expect(mine.length).toBeGreaterThan(0);
    for (const { status, error } of mine) {
      expect(status).toMatch(/warning|disabled/);
      expect(String(error)).toContain(`IngressRoute shop/${route.name}, spec`);
    }
  });

  test.each(['/api/overview', '/api/version', '/api/entrypoints/web', '/api/rawdata', '/api/http/routers/none'])(
    'show the same fields of %s',
    async (path) => {
      const answer = await request(traefik.apiUrl.replace(/\/api$/, '') + path);
      const shape = shapeOf(await answer.body.json());
      const mine = answerApi(path, new URLSearchParams(), view());
      expect(mine?.status).toBe(answer.statusCode);
      for (const field of shapeOf(mine?.body)) expect(shape).toContain(field);
    },
  );

  test('have no router that the other does not know', () => {
    const known = new Set(routes.flatMap(routerNames));
    expect([...theirs.routers.keys()].filter((name) => !known.has(name))).toEqual([]);
    expect([...catalog.configuration.routers.keys()].filter((name) => !known.has(name))).toEqual([]);
  });
});
