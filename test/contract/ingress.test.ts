/** Traefik's Kubernetes Ingress provider and the catalog read the same Ingresses from one API server. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KubernetesObject, ResourceKind } from '../../src/api/kubernetes.ts';
import { namedRouterJson } from '../../src/proxy/api/router-json.ts';
import { namedServiceJson } from '../../src/proxy/api/service-json.ts';
import { createCatalog, type Catalog } from '../../src/proxy/catalog/catalog.ts';
import type { ObjectKind } from '../../src/proxy/catalog/object-kind.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { applyObject, putEndpoints, putNamespace, putService } from '../support/objects.ts';
import { freePort } from '../support/processes.ts';
import { installTraefikCrds, startTraefik, type Traefik } from '../support/traefik.ts';
import { readObjects, readTraefik, type Listed, type ListedByTraefik } from './listed.ts';

/** Written is one Ingress: paths as `host type path service:port`, separated by commas. */
interface Written {
  readonly name: string;
  readonly paths: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec?: object;
  /** differs says why it is meant to be served otherwise than by Traefik. */
  readonly differs?: string;
}

const traefik = 'traefik.ingress.kubernetes.io/router.';

const written: readonly Written[] = [
  { name: 'plain', paths: 'plain.test Prefix / a:80' },
  { name: 'paths', paths: 'paths.test Prefix / a:80,paths.test Prefix /api b:80,paths.test Exact /api/v1 a:http' },
  { name: 'slash', paths: 'slash.test Prefix /foo/ a:80' },
  { name: 'specific', paths: 'specific.test ImplementationSpecific /foo a:80' },
  { name: 'wild', paths: '*.wild.test Prefix / a:80' },
  { name: 'any-host', paths: ' Prefix /any-host a:80' },
  { name: 'same-names', paths: 'same.test Prefix /x/y a:80,same.test Prefix /x-y b:80' },
  { name: 'points', paths: 'points.test Prefix / a:80', annotations: { [`${traefik}entrypoints`]: 'websecure' } },
  { name: 'first', paths: 'first.test Prefix / a:80', annotations: { [`${traefik}priority`]: '77' } },
  { name: 'tls', paths: 'tls.test Prefix / a:80', annotations: { [`${traefik}tls`]: 'true' } },
  { name: 'all', paths: '', spec: { defaultBackend: { service: { name: 'b', port: { number: 80 } } } } },
  { name: 'other-class', paths: 'other.test Prefix / a:80', spec: { ingressClassName: 'nginx' } },
  {
    name: 'annotated',
    paths: 'annotated.test Prefix / a:80',
    annotations: { 'kubernetes.io/ingress.class': 'traefik' },
    spec: { ingressClassName: undefined },
  },
  { name: 'no-class', paths: 'none.test Prefix / a:80', spec: { ingressClassName: undefined } },
  {
    name: 'missing',
    paths: 'missing.test Prefix / missing:80,missing.test Prefix /here a:80',
    differs: 'shown as disabled',
  },
  { name: 'empty', paths: 'empty.test Prefix / empty:80', differs: 'shown as disabled' },
  { name: 'port', paths: 'port.test Prefix / a:81', differs: 'shown as disabled' },
  {
    name: 'rules-and-default',
    paths: 'rd.test Prefix /a a:80',
    spec: { defaultBackend: { service: { name: 'b', port: { number: 80 } } } },
    differs: 'the default backend of the host is served',
  },
  {
    name: 'nginx',
    paths: 'nginx.test Prefix / a:80',
    annotations: { 'nginx.ingress.kubernetes.io/auth-url': 'https://auth.test' },
    differs: 'refused: the annotation keeps somebody out',
  },
];

const ingresses = {
  group: 'networking.k8s.io',
  version: 'v1',
  plural: 'ingresses',
  kind: 'Ingress',
} satisfies ResourceKind;
const ingressClasses = {
  group: 'networking.k8s.io',
  version: 'v1',
  plural: 'ingressclasses',
  kind: 'IngressClass',
} satisfies ResourceKind;

function objectOf({ name, paths, annotations = {}, spec }: Written): KubernetesObject {
  const rules = paths
    .split(',')
    .filter((text) => text !== '')
    .map((text) => {
      const [host = '', pathType, path, backend = ''] = text.split(' ');
      const [service = '', port = ''] = backend.split(':');
      const by = /^[0-9]+$/.test(port) ? { number: Number(port) } : { name: port };
      return {
        ...(host !== '' && { host }),
        http: { paths: [{ path, pathType, backend: { service: { name: service, port: by } } }] },
      };
    });
  return {
    metadata: { namespace: 'shop', name, annotations },
    spec: { ingressClassName: 'traefik', ...(rules.length > 0 && { rules }), ...spec },
  } as KubernetesObject;
}

let cluster: Cluster;
let server: Traefik;
let catalog: Catalog;
let theirs: ListedByTraefik;

beforeAll(async () => {
  cluster = await startCluster({ controllerManager: false });
  await installTraefikCrds(cluster);
  await putNamespace(cluster, 'shop');
  for (const [name, controller] of [
    ['traefik', 'traefik.io/ingress-controller'],
    ['nginx', 'k8s.io/ingress-nginx'],
  ]) {
    await applyObject(cluster, ingressClasses, { metadata: { name }, spec: { controller } } as KubernetesObject);
  }
  for (const [index, name] of ['a', 'b', 'empty'].entries()) {
    await putService(cluster, { namespace: 'shop', name });
    if (name !== 'empty')
      await putEndpoints(cluster, { namespace: 'shop', name }, [{ address: `10.1.0.${index + 1}` }]);
  }
  for (const each of written) await applyObject(cluster, ingresses, objectOf(each));
  const provider = '--providers.kubernetesingress';
  server = await startTraefik({
    cluster,
    flags: [
      `--entrypoints.websecure.address=127.0.0.1:${await freePort()}`,
      '--entrypoints.websecure.http.tls=true',
      `${provider}=true`,
      `${provider}.endpoint=${cluster.url}`,
      `${provider}.token=${await cluster.serviceAccountToken('default', 'traefik-ingress-controller')}`,
      `${provider}.certauthfilepath=${cluster.caFile}`,
      `${provider}.ingressclass=traefik`,
      `${provider}.strictprefixmatching=true`,
    ],
  });
  theirs = await eventually(() => readTraefik(server, ({ size }) => size > 0), { timeoutMs: 30_000 });
  catalog = createCatalog({
    entryPoints: [
      { name: 'web', tls: undefined },
      { name: 'websecure', tls: { certificate: '', key: '' } },
    ],
    ingressClass: 'traefik',
    allowsCrossNamespace: false,
    allowsExternalName: false,
    isStrict: true,
  });
  catalog.apply(await readObjects(cluster, paths));
});
afterAll(async () => {
  await server?.stop();
  await cluster?.stop();
});

const paths: readonly (readonly [ObjectKind, string])[] = [
  ['Ingress', '/apis/networking.k8s.io/v1/ingresses'],
  ['IngressClass', '/apis/networking.k8s.io/v1/ingressclasses'],
  ['Service', '/api/v1/services'],
  ['EndpointSlice', '/apis/discovery.k8s.io/v1/endpointslices'],
];

/** shown is what is compared: all but the priority, which is that of Kubernetes here. */
function shown({ name, rule, service, using, status, tls }: Listed) {
  return { name, rule, service, using, status, isTls: tls !== undefined };
}

function ours(): readonly Listed[] {
  const routers = [...catalog.configuration.routers.values()];
  return routers.map((router) => namedRouterJson(router) as unknown as Listed);
}

/** isOf tells whether a router is one of an Ingress. */
function isOf({ name, paths: text }: Written, router: Listed): boolean {
  const own = router.name.replace(/^websecure-/, '');
  return text === '' ? own.startsWith('default-router') : own.startsWith(`shop-${name}-`);
}

function served(routers: Iterable<Listed>, each: Written): readonly object[] {
  const own = [...routers].filter((router) => isOf(each, router) && router.status !== 'disabled');
  return own.sort((one, other) => (one.name < other.name ? -1 : 1)).map(shown);
}

function urlsOf(service: Listed | undefined): readonly string[] {
  const { servers = [] } = (service?.['loadBalancer'] ?? {}) as {
    readonly servers?: readonly { readonly url: string }[];
  };
  return servers.map(({ url }) => url).sort();
}

describe('Traefik and the catalog', () => {
  test.each(written.filter(({ differs }) => differs === undefined))('serve $name by the same routers', (each) => {
    expect(served(ours(), each)).toEqual(served(theirs.routers.values(), each));
  });

  test('serve most of what was written, and have the same services with the same servers', () => {
    expect(theirs.routers.size).toBeGreaterThan(20);
    const { services, serverSets } = catalog.configuration;
    for (const [name, service] of theirs.services) {
      const own = services.get(name);
      const json = own === undefined ? undefined : namedServiceJson(own, { usedBy: new Map(), serverSets });
      expect([name, urlsOf(json as unknown as Listed)]).toEqual([name, urlsOf(service)]);
    }
    expect(theirs.services.size).toBe(4);
  });

  test.each(written.filter(({ differs }) => differs !== undefined))('differ as intended: $name: $differs', (each) => {
    const mine = ours().filter((router) => isOf(each, router));
    const all = [...theirs.routers.values()].filter((router) => isOf(each, router));
    expect(mine.map(shown)).not.toEqual(all.map(shown));
    if (each.differs?.startsWith('shown') === true) {
      expect(served(mine, each)).toEqual(served(all, each));
      expect(String(mine.find(({ status }) => status === 'disabled')?.['error'])).toContain(
        `Ingress shop/${each.name}, spec`,
      );
    }
  });

  test('have no router that is of none of them', () => {
    for (const router of [...ours(), ...theirs.routers.values()]) {
      expect(written.filter((each) => isOf(each, router)).length, router.name).toBeGreaterThan(0);
    }
  });
});
