import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resources, type KubernetesObject, type ResourceKind } from '../../src/api/kubernetes.ts';
import { systemClock } from '../../src/clock.ts';
import { loadKubeConfig } from '../../src/kube/config.ts';
import type { KubeConnection } from '../../src/kube/connection.ts';
import { createEventRecorder } from '../../src/kube/events.ts';
import { createKubeObjectStore, type KubeObjectStore } from '../../src/kube/kube-object-store.ts';
import type { RequestVerb } from '../../src/kube/call.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { installWidgets, widget, widgets, type Widget } from '../support/widgets.ts';
import { runObjectStoreContract } from './object-store.ts';

const configMaps = {
  group: '',
  version: 'v1',
  plural: 'configmaps',
  kind: 'ConfigMap',
} as const satisfies ResourceKind;

let cluster: Cluster;
let store: KubeObjectStore;
let connection: KubeConnection;
const verbs: RequestVerb[] = [];
let namespaces = 0;

function open(to: KubeConnection): KubeObjectStore {
  return createKubeObjectStore(to, {
    clock: systemClock,
    fieldManager: 'sluice',
    version: 'test',
    random: Math.random,
    observer: { onRequest: (verb) => verbs.push(verb) },
  });
}

async function newNamespace(): Promise<string> {
  namespaces += 1;
  const name = `n${namespaces}`;
  const answer = await cluster.api('POST', '/api/v1/namespaces', { metadata: { name } });
  expect(answer.status).toBe(201);
  return name;
}

beforeAll(async () => {
  cluster = await startCluster({ controllerManager: false });
  await installWidgets(cluster);
  connection = await loadKubeConfig({ kubeconfig: cluster.adminKubeconfigFile, env: {} });
  store = open(connection);
});

afterAll(async () => {
  await store.close();
  await cluster.stop();
});

runObjectStoreContract('The real API server', async () => {
  await eventually(() => store !== undefined);
  return {
    store,
    kind: widgets,
    newNamespace,
    object: widget,
    remove: async (key) => {
      const [namespace, name] = key.split('/');
      await cluster.api('DELETE', `/apis/test.sluice.dev/v1/namespaces/${namespace}/widgets/${name}`);
    },
    stop: () => Promise.resolve(),
  };
});

describe('createKubeObjectStore on the real API server', () => {
  it('records its writes under the field manager sluice', async () => {
    const namespace = await newNamespace();
    await store.create(widgets, widget(namespace, 'a'));
    const outcome = await store.patch(widgets, `${namespace}/a`, [{ op: 'replace', path: '/spec/size', value: 2 }]);
    const managers = outcome.kind === 'Written' ? outcome.object.metadata.managedFields : [];
    expect(managers?.map((entry) => entry.manager)).toEqual(['sluice']);
  });

  it.each([
    ['by its schema', [{ op: 'replace', path: '/spec/size', value: 'three' }]],
    ['by a CEL rule', [{ op: 'replace', path: '/spec/size', value: 11 }]],
    ['for a field that the server does not know', [{ op: 'add', path: '/spec/colour', value: 'red' }]],
    ['for a change of its name', [{ op: 'replace', path: '/metadata/name', value: 'b' }]],
    ['for a path that is no JSON pointer', [{ op: 'add', path: 'spec/size', value: 1 }]],
  ] as const)('is told apart from a conflict when an object is refused %s', async (_name, operations) => {
    const namespace = await newNamespace();
    await store.create(widgets, widget(namespace, 'a'));
    const outcome = await store.patch(widgets, `${namespace}/a`, operations).catch((error: unknown) => error);
    expect(outcome).toMatchObject({ code: 'ApiInvalid' });
  });

  it('does not quote the object that a patch would have made undecodable', async () => {
    const namespace = await newNamespace();
    const data = { password: Buffer.from('hunter2'.repeat(20)).toString('base64') };
    await store.create(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a', namespace },
      data,
    } as KubernetesObject);
    const patch = store.patch(configMaps, `${namespace}/a`, [{ op: 'replace', path: '/metadata/labels', value: 3 }]);
    const error = (await patch.catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ code: 'ApiInvalid' });
    expect(error.message + JSON.stringify(error.cause)).not.toContain(data.password.slice(0, 20));
  });

  it('is told apart from a conflict when an admission policy refuses an object', async () => {
    const namespace = await newNamespace();
    await store.create(widgets, widget(namespace, 'a'));
    await cluster.kubectl(['apply', '-f', '-'], { input: admissionPolicy(namespace) });
    const operations = [{ op: 'replace', path: '/spec/size', value: 7 }] as const;
    const refused = await eventually(async () => {
      const outcome = await store.patch(widgets, `${namespace}/a`, operations).catch((error: unknown) => error);
      return outcome instanceof Error ? outcome : undefined;
    });
    expect(refused).toMatchObject({ code: 'ApiInvalid', status: 422 });
    expect(refused.message).toContain('seven is not allowed');
  });

  it('lists and watches of a kind with a selector only what has the labels, also in an audit', async () => {
    const namespace = await newNamespace();
    const labelled = { ...configMaps, selector: 'colour' };
    const put = (name: string, labels: Readonly<Record<string, string>>) =>
      store.create<KubernetesObject>(configMaps, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace, labels },
      });
    await put('plain', {});
    await put('red', { colour: 'red' });
    const list = await store.list(labelled, { namespace });
    expect(list.items.map(({ metadata }) => metadata.name)).toEqual(['red']);
    await put('plain-later', {});
    await put('blue', { colour: 'blue' });
    const { resourceVersion } = list;
    const stop = new AbortController();
    for await (const event of store.watch(labelled, { namespace, resourceVersion, signal: stop.signal })) {
      if (event.type === 'Bookmark') continue;
      expect(event.object.metadata.name).toBe('blue');
      stop.abort();
    }
    expect(stop.signal.aborted).toBe(true);
    const identities: string[] = [];
    for await (const { items } of store.listMetadata(labelled, { signal: new AbortController().signal }))
      identities.push(...items.map(({ name }) => name));
    expect(identities.toSorted()).toEqual(['blue', 'red']);
  });

  it('reads 1201 objects in pages of 500, in the same shape as one alone', async () => {
    const namespace = await newNamespace();
    const names = Array.from({ length: 1201 }, (_, index) => `c${index}`);
    for (let start = 0; start < names.length; start += 100) {
      await Promise.all(
        names
          .slice(start, start + 100)
          .map((name) =>
            store.create(configMaps, { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name, namespace } }),
          ),
      );
    }
    verbs.length = 0;
    const list = await store.list(configMaps, { namespace });
    expect(verbs).toEqual(['list', 'list', 'list']);
    expect(new Set(list.items.map((item) => item.metadata.name))).toEqual(new Set(names));
    const one = await store.get(configMaps, `${namespace}/c7`);
    expect(list.items.find((item) => item.metadata.name === 'c7')).toEqual(one);
    // From the watch cache, in one piece.
    verbs.length = 0;
    expect((await store.list(configMaps, { namespace, resourceVersion: list.resourceVersion })).items.length).toBe(
      1201,
    );
    expect(verbs).toEqual(['list']);
  });

  it('says ApiGone for a list at a version that the server has not reached, without repeating it', async () => {
    verbs.length = 0;
    const list = store.list(widgets, { resourceVersion: '999999999' });
    await expect(list).rejects.toMatchObject({ code: 'ApiGone' });
    expect(verbs).toEqual(['list']);
  });

  it('says ApiNotFound for a kind that the server does not know', async () => {
    const unknown = { ...widgets, plural: 'gadgets' };
    await expect(store.list(unknown)).rejects.toMatchObject({ code: 'ApiNotFound' });
    const events = store.watch(unknown, { resourceVersion: '1', signal: AbortSignal.timeout(10_000) });
    await expect(events[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'ApiNotFound' });
  });

  it('returns Missing for a new object in a namespace that does not exist', async () => {
    expect(await store.create(widgets, widget('nowhere', 'a'))).toEqual({ kind: 'Missing' });
  });

  it('says ApiUnauthorized for a wrong token and ApiForbidden for a missing right, without the token', async () => {
    const stranger = open({ ...connection, authorization: () => Promise.resolve('Bearer wrong-token') });
    const error = (await stranger.list(widgets).catch((thrown: unknown) => thrown)) as Error;
    await stranger.close();
    expect(error).toMatchObject({ code: 'ApiUnauthorized' });
    expect(error.message).not.toContain('wrong-token');

    const namespace = await newNamespace();
    await cluster.kubectl(['create', 'serviceaccount', 'nobody', '-n', namespace]);
    const file = await cluster.serviceAccountKubeconfig(namespace, 'nobody');
    const nobody = open(await loadKubeConfig({ kubeconfig: file, env: {} }));
    const refused = nobody.list(widgets, { namespace });
    await expect(refused).rejects.toMatchObject({ code: 'ApiForbidden', status: 403 });
    await nobody.close();
  });

  it('connects as a pod does, with its service account, and follows the rotation of its token', async () => {
    const namespace = await newNamespace();
    await cluster.kubectl(['create', 'serviceaccount', 'pod', '-n', namespace]);
    await cluster.kubectl(['create', 'role', 'reader', '-n', namespace, '--verb=list', '--resource=configmaps']);
    const subject = `--serviceaccount=${namespace}:pod`;
    await cluster.kubectl(['create', 'rolebinding', 'reader', '-n', namespace, '--role=reader', subject]);
    const directory = path.join(cluster.dataDir, 'service-account');
    await mkdir(directory);
    await copyFile(cluster.caFile, path.join(directory, 'ca.crt'));
    await writeFile(path.join(directory, 'namespace'), namespace);
    await writeFile(path.join(directory, 'token'), 'expired');
    const { hostname, port } = new URL(cluster.url);
    const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
    const pod = await loadKubeConfig({ env, serviceAccountDir: directory });
    expect(await pod.authorization()).toBe('Bearer expired');
    await writeFile(path.join(directory, 'token'), await cluster.serviceAccountToken(namespace, 'pod'));
    const own = open(pod);
    verbs.length = 0;
    expect((await own.list(configMaps, { namespace: pod.namespace })).items).toEqual([]);
    expect(verbs).toEqual(['list', 'list']);
    await own.close();
  });

  it('refuses a server whose certificate it does not trust', async () => {
    const blind = open({ ...connection, tls: undefined });
    await expect(blind.list(widgets)).rejects.toMatchObject({ code: 'ApiUnreachable' });
    await blind.close();
  });

  it('agrees with a server on the same host about the time', async () => {
    await store.list(widgets);
    expect(store.serverOffsetMs()).toBe(0);
  });

  it('ends its calls and watches when it is closed', async () => {
    const own = open(connection);
    const { resourceVersion } = await own.list(widgets);
    const signal = new AbortController().signal;
    const next = own.watch<Widget>(widgets, { resourceVersion, signal })[Symbol.asyncIterator]().next();
    const settled = next.then(
      () => 'ended',
      () => 'failed',
    );
    await own.close();
    expect(['ended', 'failed']).toContain(await settled);
    await expect(own.list(widgets)).rejects.toMatchObject({ code: 'ApiUnreachable' });
  });
});

describe('createEventRecorder on the real API server', () => {
  it('writes an event and continues its series, as kubectl shows them', async () => {
    const namespace = await newNamespace();
    await store.create(widgets, widget(namespace, 'a'));
    const regarding = (await store.get<Widget>(widgets, `${namespace}/a`)) as KubernetesObject;
    const drops: string[] = [];
    const recorder = createEventRecorder(store, {
      clock: systemClock,
      component: 'sluice',
      instance: 'test-host',
      random: Math.random,
      onDrop: (_event, why) => drops.push(why),
    });
    const note = {
      regarding,
      type: 'Warning',
      reason: 'RolledBack',
      action: 'ShiftTraffic',
      note: 'x'.repeat(2000),
    } as const;
    for (let i = 0; i < 3; i += 1) {
      recorder.record(note);
      await recorder.flush();
    }
    expect(drops).toEqual([]);
    const { items } = await store.list(resources.events, { namespace });
    expect(items).toMatchObject([{ reason: 'RolledBack', series: { count: 3 }, reportingController: 'sluice' }]);
    const shown = await cluster.kubectl(['events', '-n', namespace, '--for', 'widget/a']);
    expect(shown).toContain('RolledBack');
    expect(shown).toContain('x3');
  });
});

function admissionPolicy(namespace: string): string {
  return `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-seven}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [test.sluice.dev], apiVersions: [v1], operations: [UPDATE], resources: [widgets]}]
  validations: [{expression: "object.spec.size != 7", message: seven is not allowed}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-seven}
spec:
  policyName: no-seven
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ${namespace}}}}
`;
}
