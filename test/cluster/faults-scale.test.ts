/** Row 14 of the fault matrix: many objects and many changes, measured in this very process on a real API server. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resources, type KubernetesObject, type ResourceKind } from '../../src/api/kubernetes.ts';
import { systemClock } from '../../src/clock.ts';
import { loadKubeConfig } from '../../src/kube/config.ts';
import { Reflector } from '../../src/kube/reflector.ts';
import { Store } from '../../src/kube/store.ts';
import { eventually } from '../support/eventually.ts';
import { startProxied, type Proxied } from '../support/proxied.ts';
import { connectionsTo } from '../support/sockets.ts';
import { widgets } from '../support/widgets.ts';

const configMaps = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap' } as const;
const { deployments, endpointSlices, services } = resources;
const objectsOfAKind = 2000;
const changesPerSecond = 500;
const churnSeconds = 5;

/** folders are where the API server keeps each kind in etcd. */
const folders: readonly (readonly [ResourceKind, string])[] = [
  [widgets, 'test.sluice.dev/widgets'],
  [configMaps, 'configmaps'],
  [services, 'services/specs'],
  [deployments, 'deployments'],
  [endpointSlices, 'endpointslices'],
];

let proxied: Proxied;
beforeAll(async () => {
  proxied = await startProxied();
  for (const [kind, folder] of folders) {
    const entries = Array.from({ length: objectsOfAKind }, (_, index) => entryOf(kind, folder, objectOf(kind, index)));
    await proxied.cluster.etcd.put(entries);
  }
});
afterAll(() => proxied.stop());

function entryOf({ group, version, kind }: ResourceKind, folder: string, object: KubernetesObject) {
  const apiVersion = group === '' ? version : `${group}/${version}`;
  const { namespace = '', name } = object.metadata;
  return { key: `/registry/${folder}/${namespace}/${name}`, value: JSON.stringify({ apiVersion, kind, ...object }) };
}

/** objectOf returns an object of 1.5 to 2 kB, as they are in real clusters; `annotations` are added. */
function objectOf(
  kind: ResourceKind,
  index: number,
  annotations: Readonly<Record<string, string>> = {},
): KubernetesObject {
  const name = `web-${index}`;
  const endpoint = (pod: number) => ({
    addresses: [`10.1.${pod}.${index % 250}`],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: `node-${pod}`,
    targetRef: { kind: 'Pod', namespace: 'scale', name: `${name}-6fd7c9b5c-${pod}`, uid: crypto.randomUUID() },
  });
  const manager = { manager: 'kube-controller-manager', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1' };
  const fieldsV1 = Object.fromEntries(Array.from({ length: 20 }, (_, field) => [`f:field-${field}`, { '.': {} }]));
  return {
    metadata: {
      name,
      namespace: 'scale',
      uid: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`,
      creationTimestamp: '2026-11-21T09:00:00Z',
      labels: { 'kubernetes.io/service-name': name, app: 'shop', team: 'checkout' },
      annotations: { note: 'x'.repeat(300), ...annotations },
      managedFields: [{ ...manager, time: '2026-11-21T09:00:00Z', fieldsV1 }],
    },
    ...(kind === endpointSlices
      ? { addressType: 'IPv4', endpoints: [1, 2, 3].map(endpoint), ports: [{ port: 80 }] }
      : {}),
    ...(kind === configMaps ? { data: { text: 'y'.repeat(500) } } : {}),
    ...(kind === widgets ? { spec: { size: 1, extra: { text: 'z'.repeat(500) } } } : {}),
    ...(kind === services ? { spec: { type: 'ExternalName', externalName: 'a.b', ports: [{ port: 80 }] } } : {}),
  };
}

/** churn writes EndpointSlices at the given rate, each with the time of its writing, and returns how many. */
async function churn(): Promise<number> {
  const startMs = performance.now();
  let written = 0;
  for (let tick = 0; tick < churnSeconds * 50; tick += 1) {
    const due = Array.from({ length: changesPerSecond / 50 }, (_, part) => (written + part) % objectsOfAKind);
    written += due.length;
    const objects = due.map((index) => objectOf(endpointSlices, index, { at: String(performance.now()) }));
    // One revision each, as the API server would.
    await Promise.all(
      objects.map((object) => proxied.cluster.etcd.put([entryOf(endpointSlices, 'endpointslices', object)])),
    );
    await sleep(Math.max(0, startMs + (tick + 1) * 20 - performance.now()));
  }
  return written;
}

describe('five caches of 10,000 objects', () => {
  it('row 14: are read and follow 500 changes a second, while the event loop stays free', { retry: 2 }, async () => {
    const connection = await loadKubeConfig({
      kubeconfig: proxied.cluster.adminKubeconfigFile,
      env: {},
      clock: systemClock,
    });
    const store = proxied.store(connection);
    const stop = new AbortController();
    const lagsMs: number[] = [];
    const errors: string[] = [];
    const loop = monitorEventLoopDelay({ resolution: 5 });
    loop.enable();
    const startMs = performance.now();
    const reflectors = folders.map(([kind]) => {
      const cache = new Store();
      const onChange = (_key: string, before: KubernetesObject | undefined, after: KubernetesObject | undefined) => {
        if (before !== undefined) lagsMs.push(performance.now() - Number(after?.metadata.annotations?.['at']));
      };
      const onError = ({ message }: Error) => errors.push(message);
      const common = { source: store, namespace: 'scale', clock: systemClock, random: Math.random };
      return { cache, reflector: new Reflector({ ...common, kind, cache, onChange, onError }) };
    });
    const stopped = reflectors.map(({ reflector }) => reflector.start(stop.signal));
    await Promise.all(reflectors.map(({ reflector }) => reflector.synced));
    const syncedMs = performance.now() - startMs;
    expect(reflectors.map(({ cache }) => cache.size)).toEqual(folders.map(() => objectsOfAKind));
    const written = await churn();
    await eventually(() => lagsMs.length === written, { timeoutMs: 5000, describe: `${written} changes` });
    const connections = connectionsTo(Number(new URL(proxied.cluster.url).port));
    loop.disable();
    const { heapUsed } = process.memoryUsage();
    stop.abort();
    await Promise.all(stopped);
    const figures = {
      syncedMs,
      written,
      connections,
      loopP99Ms: loop.percentile(99) / 1e6,
      heapMiB: heapUsed / 2 ** 20,
      lagMs: Math.max(...lagsMs),
    };
    expect(errors).toEqual([]);
    expect(figures.loopP99Ms).toBeLessThan(50);
    expect(figures.heapMiB).toBeLessThan(256);
    expect(figures.connections).toBeGreaterThanOrEqual(5);
    expect(figures.connections).toBeLessThanOrEqual(8 + 5);
    expect(figures.lagMs).toBeLessThan(1000);
  });
});
