import { expect, test } from 'vitest';
import type { KubernetesObject, ObjectKey } from '../../../../src/api/kubernetes.ts';
import type { ObjectStore } from '../../../../src/api/object-store.ts';
import type { ObjectChange, ObjectKind } from '../../../../src/proxy/catalog/object-kind.ts';
import { createStatusPublisher } from '../../../../src/proxy/process/ingress-status.ts';
import type { PublishSettings } from '../../../../src/proxy/settings.ts';
import { createLogger } from '../../../../src/telemetry/logger.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { ingress, sluiceClass } from '../catalog/ingresses.ts';
import { object } from '../catalog/objects.ts';

/** World is an API server of some Ingresses, whose watch is the next `put`. */
function world(publish: PublishSettings) {
  const objects = new Map<string, KubernetesObject>();
  const clock = new ManualClock();
  const written: string[] = [];
  let version = 1;
  let isDown = false;
  const patchStatus: ObjectStore['patchStatus'] = async (_, key, { resourceVersion, status }) => {
    if (isDown) throw new Error('the API server is away');
    const id = `Ingress ${key}`;
    const before = objects.get(id);
    if (before?.metadata.resourceVersion !== resourceVersion) return { kind: 'Conflict', message: 'another version' };
    const { loadBalancer } = status as { readonly loadBalancer: { readonly ingress: readonly object[] } };
    written.push(`${key} ${JSON.stringify(loadBalancer.ingress)}`);
    put({ kind: 'Ingress', key, object: { ...before, status } as KubernetesObject });
    return { kind: 'Written', object: objects.get(id) as never };
  };
  const publisher = createStatusPublisher({
    publish,
    ingressClass: '',
    store: { patchStatus },
    objects: {
      get: (kind: ObjectKind, key: ObjectKey) => objects.get(`${kind} ${key}`),
      all: (kind) => [...objects].filter(([id]) => id.startsWith(`${kind} `)).map(([, each]) => each),
    },
    clock,
    logger: createLogger({ level: 'silent' }),
  });
  function put(change: ObjectChange): void {
    version += 1;
    const { metadata } = change.object as KubernetesObject;
    const next = { ...change.object, metadata: { ...metadata, resourceVersion: String(version) } };
    objects.set(`${change.kind} ${change.key}`, next);
    publisher.changed([change]);
  }
  return {
    put,
    clock,
    /** written returns what was written since it was asked last. */
    written: async (): Promise<readonly string[]> => {
      await new Promise(setImmediate);
      return written.splice(0).sort();
    },
    setDown: (value: boolean) => {
      isDown = value;
    },
  };
}

const shop = ingress('shop', [['x.example', 'Prefix /', 'a']]);
const others = ingress('others', [['y.example', 'Prefix /', 'a']], { spec: { ingressClassName: 'nginx' } });
const addresses = { kind: 'Addresses', addresses: ['192.0.2.1', 'edge.example', '2001:db8::1'] } as const;
const shown = '[{"ip":"192.0.2.1"},{"hostname":"edge.example"},{"ip":"2001:db8::1"}]';

test('our Ingresses get the addresses once, and those of others are left alone', async () => {
  const { put, written } = world(addresses);
  for (const change of [sluiceClass, shop, others]) put(change);
  expect(await written()).toEqual([`web/shop ${shown}`]);
  put(ingress('shop-2', [['z.example', 'Prefix /', 'a']]));
  expect(await written()).toEqual([`web/shop-2 ${shown}`]);
});

test('an address of the Service is published when it is known, and when it changes', async () => {
  const { put, written } = world({ kind: 'Service', service: 'web/proxy' });
  const proxy = (...ips: readonly string[]) =>
    object('Service', 'proxy', { spec: {}, status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } } });
  for (const change of [sluiceClass, shop, proxy()]) put(change);
  expect(await written()).toEqual([]);
  put(proxy('192.0.2.2', '192.0.2.1'));
  expect(await written()).toEqual(['web/shop [{"ip":"192.0.2.1"},{"ip":"192.0.2.2"}]']);
  put(proxy('192.0.2.1', '192.0.2.2'));
  expect(await written()).toEqual([]);
  put(proxy('192.0.2.3'));
  expect(await written()).toEqual(['web/shop [{"ip":"192.0.2.3"}]']);
});

test('what fails is tried again later', async () => {
  const { put, written, clock, setDown } = world(addresses);
  setDown(true);
  for (const change of [sluiceClass, shop]) put(change);
  expect(await written()).toEqual([]);
  setDown(false);
  await clock.advance(30_000);
  expect(await written()).toEqual([`web/shop ${shown}`]);
});
