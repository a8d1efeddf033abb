import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { KubernetesObject, ObjectKey } from '../../src/api/kubernetes.ts';
import { createCatalog, type Catalog, type InvalidObject } from '../../src/proxy/catalog/catalog.ts';
import type { ObjectChange, ObjectKind } from '../../src/proxy/catalog/object-kind.ts';
import type { CatalogSettings } from '../../src/proxy/catalog/settings.ts';
import { createAuthority } from '../support/certificates.ts';
import type { ConfigurationChange, ItemChanges } from '../../src/proxy/configuration.ts';

const plainSettings: CatalogSettings = {
  entryPoints: [
    { name: 'web', tls: undefined },
    { name: 'websecure', tls: { certificate: '', key: '' } },
  ],
  ingressClass: '',
  allowsCrossNamespace: true,
  allowsExternalName: true,
  isStrict: false,
};

// Namespaces and names whose joined names collide: `a-b` + `c` and `a` + `b-c`, a TraefikService `c-80` and a Service `c`.
const namespaces = ['a', 'a-b'] as const;
const names = ['c', 'b-c', 'c-80', 'd'] as const;
const oneOf = <T>(...values: readonly T[]) => fc.constantFrom(...values);

const serviceEntry = fc.record(
  {
    name: oneOf(...names),
    kind: oneOf('Service', 'Service', 'TraefikService', 'Other'),
    namespace: oneOf(...namespaces),
    port: oneOf<number | string>(80, 80, 443, 'http', '80'),
    weight: fc.integer({ min: 0, max: 3 }),
    scheme: oneOf('h2c', 'ftp', ''),
    strategy: oneOf('p2c', 'hrw', 'wrr'),
    sticky: oneOf({ cookie: {} }, { cookie: { name: 'c' } }),
    serversTransport: oneOf('c', 'd', 'x@file'),
    nativeLB: fc.boolean(),
    passiveHealthCheck: oneOf({}, { failureWindow: '1x' }),
  },
  { requiredKeys: ['name', 'port'] },
);

const authority = createAuthority('authority');
/** A Secret that becomes unreadable keeps its certificate: that is a memory, and so none of these is broken. */
const pairs = ['one.test', 'two.test'].map((host) => {
  const { cert, key } = authority.issue(host, [host]);
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return { 'tls.crt': base64(cert), 'tls.key': base64(key), 'ca.crt': base64(cert) };
});

const ingressBackend = fc.record({ service: fc.record({ name: oneOf(...names), port: oneOf({ number: 80 }, {}) }) });
const ingressPath = fc.record({
  path: oneOf('/', '/x', '/x/', 'x'),
  pathType: oneOf('Prefix', 'Exact'),
  backend: ingressBackend,
});
const annotations = oneOf(
  {},
  {},
  { 'sluice.dev/canary': 'true', 'sluice.dev/canary-weight': '20' },
  { 'sluice.dev/canary': 'true', 'sluice.dev/canary-by-header': 'X', 'sluice.dev/canary-by-cookie': 'x' },
  { 'sluice.dev/canary': 'true', 'sluice.dev/canary-weight': 'x' },
  { 'ingressclass.kubernetes.io/is-default-class': 'true' },
  { 'nginx.ingress.kubernetes.io/auth-url': 'x' },
);

const specs: { readonly [K in ObjectKind]?: fc.Arbitrary<object> } = {
  IngressRoute: fc.record(
    {
      entryPoints: fc.subarray(['web', 'websecure', 'other']),
      routes: fc.array(
        fc.record(
          {
            match: oneOf('Host(`a`)', 'Host(`b`)', ''),
            priority: oneOf(0, 7),
            services: fc.array(serviceEntry, { maxLength: 3 }),
            middlewares: oneOf([], [{ name: 'auth' }]),
          },
          { requiredKeys: ['match', 'services'] },
        ),
        { maxLength: 3 },
      ),
      tls: oneOf({}, { secretName: 'c' }, { secretName: 'd' }, { options: { name: 'o' } }),
      parentRefs: oneOf([], [{ name: 'c' }]),
    },
    { requiredKeys: ['routes'] },
  ),
  TraefikService: oneOf('weighted', 'weighted', 'weighted', 'mirroring').chain((way) =>
    fc.array(serviceEntry, { maxLength: 3 }).map((services) => ({ [way]: { services } })),
  ),
  ServersTransport: fc.record(
    {
      rootCAsSecrets: fc.array(oneOf(...names), { maxLength: 2 }),
      serverName: oneOf('x', 'y'),
      spiffe: fc.constant({}),
    },
    { requiredKeys: ['serverName'] },
  ),
  Ingress: fc.record(
    {
      ingressClassName: oneOf('sluice', 'sluice', 'other'),
      rules: fc.array(
        fc.record({
          host: oneOf('', 'a', '*.a'),
          http: fc.record({ paths: fc.array(ingressPath, { maxLength: 3 }) }),
        }),
        { maxLength: 2 },
      ),
      defaultBackend: ingressBackend,
      tls: oneOf([{ secretName: 'c', hosts: ['one.test'] }], [{ secretName: 'd' }]),
    },
    { requiredKeys: ['rules'] },
  ),
  IngressClass: fc.record({ controller: oneOf('sluice.dev/proxy', 'sluice.dev/proxy', 'x/y') }),
  Service: fc.record(
    {
      type: oneOf('ClusterIP', 'ExternalName'),
      clusterIP: oneOf('10.9.9.9', 'None'),
      externalName: fc.constant('x.example'),
    },
    { requiredKeys: ['type', 'clusterIP', 'externalName'] },
  ),
};

const body: fc.Arbitrary<{ readonly kind: ObjectKind; readonly body: object | undefined }> = oneOf<ObjectKind>(
  'IngressRoute',
  'IngressRoute',
  'TraefikService',
  'TraefikService',
  'ServersTransport',
  'Service',
  'EndpointSlice',
  'Secret',
  'Ingress',
  'Ingress',
  'Ingress',
  'IngressClass',
).chain((kind) => {
  const spec = specs[kind];
  const made: fc.Arbitrary<object> =
    kind === 'EndpointSlice'
      ? fc.record({
          ports: fc.constant([{ name: 'http', port: 8080 }]),
          endpoints: fc.array(fc.record({ addresses: oneOf(['10.0.0.1'], ['10.0.0.2', 'fd00::1']) }), { maxLength: 2 }),
        })
      : kind === 'Secret'
        ? fc.record({ data: oneOf(pairs[0], pairs[1]) })
        : fc
            .oneof({ weight: 15, arbitrary: spec ?? fc.constant({}) }, { weight: 1, arbitrary: fc.constant(undefined) })
            .map((value) => ({ spec: value }));
  return fc
    .oneof({ weight: 4, arbitrary: made }, { weight: 1, arbitrary: fc.constant(undefined) })
    .map((value) => ({ kind, body: value }));
});

const change: fc.Arbitrary<ObjectChange> = fc
  .record({
    made: body,
    namespace: oneOf(...namespaces),
    name: oneOf(...names),
    second: fc.integer({ min: 0, max: 2 }),
    service: oneOf(...names),
    annotations,
  })
  .map(({ made, namespace: place, name: called, second, service, annotations }) => {
    const isClass = made.kind === 'IngressClass';
    const [namespace, name] = isClass ? ['', called === 'c' ? 'sluice' : called] : [place, called];
    const key: ObjectKey = `${namespace}/${name}`;
    if (made.body === undefined) return { kind: made.kind, key, object: undefined };
    const labels = { 'kubernetes.io/service-name': service };
    const metadata = { namespace, name, creationTimestamp: `2026-01-01T00:00:0${second}Z`, labels, annotations };
    const object = { metadata, ...made.body } as KubernetesObject;
    return { kind: made.kind, key, object: made.kind === 'Service' ? withPorts(object) : object };
  });

function withPorts(object: KubernetesObject): KubernetesObject {
  const { spec } = object as { readonly spec?: object };
  const ports = [
    { name: 'http', port: 80 },
    { name: 'https', port: 443 },
  ];
  return { ...object, spec: { ports, ...spec } } as KubernetesObject;
}

const history = fc.array(fc.array(change, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 12 });

/** finalObjects are what is left after a history, last written first, so that another order is tried too. */
function finalObjects(batches: readonly (readonly ObjectChange[])[]): readonly ObjectChange[] {
  const objects = new Map<string, ObjectChange>();
  for (const each of batches.flat()) {
    objects.delete(`${each.kind} ${each.key}`);
    if (each.object !== undefined) objects.set(`${each.kind} ${each.key}`, each);
  }
  return [...objects.values()].reverse();
}

function contents(catalog: Catalog): object {
  const { routers, services, serverSets, transports, certificates } = catalog.configuration;
  const sorted = <T>(items: ReadonlyMap<string, T>) => [...items].sort(([one], [other]) => (one < other ? -1 : 1));
  return {
    routers: sorted(routers),
    services: sorted(services),
    serverSets: sorted(serverSets),
    transports: sorted(transports),
    certificates: sorted(certificates),
    invalid: catalog.invalidObjects(),
    secrets: [...catalog.used('Secret')].sort(),
  };
}

function replay<T extends { readonly name: string }>(items: Map<string, T>, { set, removed }: ItemChanges<T>): void {
  for (const name of removed) items.delete(name);
  for (const item of set) items.set(item.name, item);
}

describe.each([
  ['as Sluice', plainSettings],
  ['as Traefik', { ...plainSettings, isStrict: true }],
  ['within namespaces', { ...plainSettings, allowsCrossNamespace: false, allowsExternalName: false }],
])('the catalog, %s', (_, settings) => {
  test('is the same after any history as from the objects that are left', () => {
    fc.assert(
      fc.property(history, (batches) => {
        const catalog = createCatalog(settings);
        const told = new Map<string, readonly InvalidObject[]>();
        for (const batch of batches) {
          catalog.apply(batch);
          for (const { id, problems } of catalog.changedInvalid()) told.set(id, problems);
        }
        const inOrder = [...told].sort(([one], [other]) => (one < other ? -1 : 1)).flatMap(([, problems]) => problems);
        expect(inOrder).toEqual(catalog.invalidObjects());
        const fresh = createCatalog(settings);
        fresh.apply(finalObjects(batches));
        expect(contents(catalog)).toEqual(contents(fresh));
      }),
      { numRuns: 400 },
    );
  });

  test('tells in its changes all that is different, and nothing else', () => {
    fc.assert(
      fc.property(history, (batches) => {
        const catalog = createCatalog(settings);
        const copy = {
          routers: new Map(),
          services: new Map(),
          serverSets: new Map(),
          transports: new Map(),
          certificates: new Map(),
        };
        for (const batch of batches) {
          const told: ConfigurationChange = catalog.apply(batch);
          for (const kind of ['routers', 'services', 'serverSets', 'transports', 'certificates'] as const) {
            for (const item of told[kind].set) expect(copy[kind].get(item.name)).not.toEqual(item);
            for (const name of told[kind].removed) expect(copy[kind].has(name)).toBe(true);
            replay(copy[kind] as Map<string, { readonly name: string }>, told[kind]);
          }
          expect(copy).toEqual(catalog.configuration);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('never has a router that is served and leads nowhere, nor a service that uses what is not there', () => {
    fc.assert(
      fc.property(history, (batches) => {
        const catalog = createCatalog(settings);
        for (const batch of batches) catalog.apply(batch);
        const { routers, services, serverSets, transports } = catalog.configuration;
        for (const router of routers.values()) {
          if (router.status !== 'disabled') expect(services.get(router.service)?.status).toMatch(/enabled|warning/);
          expect(router.errors.length > 0).toBe(router.status !== 'enabled');
        }
        for (const service of services.values()) {
          if (service.kind === 'Weighted') {
            for (const { name } of service.services) expect(services.get(name)?.status).toMatch(/enabled|warning/);
          } else {
            if (service.transport !== undefined) expect(transports.has(service.transport)).toBe(true);
            if (service.serverSet !== undefined) expect(serverSets.has(service.serverSet)).toBe(true);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
