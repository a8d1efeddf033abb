import { beforeEach, describe, expect, it } from 'vitest';
import {
  resources,
  type KubernetesObject,
  type ManagedFieldsEntry,
  type ResourceKind,
} from '../../../src/api/kubernetes.ts';
import type { RolloutStatus } from '../../../src/api/rollout-status.ts';
import { SluiceError } from '../../../src/errors.ts';
import { readCopy, writeTemplate } from '../../../src/reconciler/copy.ts';
import { templateOf, type RawTemplate, type RawWorkload } from '../../../src/reconciler/judged-template.ts';
import type { WorkloadKind } from '../../../src/reconciler/workloads.ts';
import type { CopyRead, PodTemplate } from '../../../src/rollout/observation.ts';
import { hashTemplate } from '../../../src/rollout/template.ts';
import { observation, rollout } from '../../support/rollout-builders.ts';
import { MemoryStore } from './memory-store.ts';

const kinds = {
  Deployment: resources.deployments,
  StatefulSet: resources.statefulSets,
  DaemonSet: resources.daemonSets,
} as const satisfies Record<WorkloadKind, ResourceKind>;
const canaryUid = 'canary-uid-1234';
const caches = { workload: () => undefined };
const target = {
  route: 'shop',
  uid: 'route-uid',
  stable: { service: 'shop-stable' },
  canary: { service: 'shop-canary' },
  baseline: { routes: [] },
};

function pod(image: string): object {
  return { containers: [{ name: 'app', image }] };
}

function template(image: string, annotations?: Readonly<Record<string, string>>) {
  const labels = { app: 'shop', 'pod-template-hash': image };
  return { metadata: { labels, ...(annotations === undefined ? {} : { annotations }) }, spec: pod(image) };
}

function writer(manager: string, operation: string, time: string, part = 'f:spec'): ManagedFieldsEntry {
  return { manager, operation, time, fieldsV1: { 'f:spec': { 'f:template': { [part]: {} } } } };
}

/** holding is a Rollout between workloads of `kind` whose revision was promoted. */
function holding(status: Partial<RolloutStatus> = {}, kind: WorkloadKind = 'Deployment') {
  const arm = (service: string) => ({ service, workload: { kind, name: service } });
  return rollout(
    { promotion: { mode: 'Copy' }, stable: arm('shop-stable'), canary: arm('shop-canary') },
    { status: { weight: 100, target, promotedRevision: 'canary-u-3', ...status } },
  );
}

describe('what is read for a Copy', () => {
  let store: MemoryStore;
  const read = (status: Partial<RolloutStatus> = {}, kind: WorkloadKind = 'Deployment') =>
    readCopy({ store, caches }, holding(status, kind), {});
  const putWorkload = (name: string, change: Partial<RawWorkload> = {}, kind: WorkloadKind = 'Deployment'): void => {
    const uid = name === 'shop-canary' ? canaryUid : 'stable-uid';
    const metadata = { namespace: 'web', name, uid, generation: 4, ...change.metadata };
    store.put(kinds[kind], { spec: { template: template('app:1') }, ...change, metadata });
  };
  const putReplicaSet = (image: string, revision: string, history?: string, uid = canaryUid): void => {
    const annotations = {
      'deployment.kubernetes.io/revision': revision,
      ...(history === undefined ? {} : { 'deployment.kubernetes.io/revision-history': history }),
    };
    const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop-canary', uid }];
    store.put(resources.replicaSets, {
      metadata: { namespace: 'web', name: `rs-${image}-${uid}`, annotations, ownerReferences },
      spec: { template: template(image) },
    } as KubernetesObject);
  };
  const judgedOf = async (status: Partial<RolloutStatus> = {}): Promise<unknown> => {
    const found = await read(status);
    return found?.kind === 'Read' ? found.judged?.spec : found;
  };

  beforeEach(() => {
    store = new MemoryStore();
    putWorkload('shop-stable');
    putWorkload('shop-canary');
    putReplicaSet('app:9', '3', undefined, 'somebody-else');
    putReplicaSet('app:2', '2');
    putReplicaSet('app:3', '3');
  });

  it('is the template of the promoted revision, by the number of its ReplicaSet', async () => {
    expect(await judgedOf()).toEqual(pod('app:3'));
    expect(await judgedOf({ promotedRevision: 'canary-u-2' })).toEqual(pod('app:2'));
  });

  it('is that of a ReplicaSet that has had the number before it was used again', async () => {
    putReplicaSet('app:5', '7', '5,6');
    expect(await judgedOf({ promotedRevision: 'canary-u-5' })).toEqual(pod('app:5'));
    expect(await judgedOf({ promotedRevision: 'canary-u-7' })).toEqual(pod('app:5'));
  });

  it('is that of the workload where spec.revision names the release', async () => {
    expect(await judgedOf({ promotedRevision: '2026.11.3', workloadRevision: 'canary-u-2' })).toEqual(pod('app:2'));
    expect(await judgedOf({ promotedRevision: '2026.11.3' })).toBeUndefined();
  });

  it('is nothing where the ReplicaSet is gone, or the Deployment was created again', async () => {
    expect(await judgedOf({ promotedRevision: 'canary-u-1' })).toBeUndefined();
    expect(await judgedOf({ promotedRevision: 'older-ui-3' })).toBeUndefined();
  });

  it.each(['StatefulSet', 'DaemonSet'] as const)('is in a ControllerRevision for a %s', async (kind) => {
    putWorkload('shop-stable', {}, kind);
    putWorkload('shop-canary', {}, kind);
    const put = (uid: string): void => {
      const ownerReferences = [{ apiVersion: 'apps/v1', kind, name: 'shop-canary', uid }];
      store.put(resources.controllerRevisions, {
        metadata: { namespace: 'web', name: 'shop-canary-5f6b', ownerReferences },
        data: { spec: { template: { $patch: 'replace', ...template('app:5', { note: 'x' }) } } },
      } as KubernetesObject);
    };
    put(canaryUid);
    const found = await read({ promotedRevision: 'canary-u-5f6b' }, kind);
    expect(found).toMatchObject({
      workload: `${kind} shop-stable`,
      judged: { annotations: { note: 'x' }, spec: pod('app:5') },
    });
    put('somebody-else');
    expect(await read({ promotedRevision: 'canary-u-5f6b' }, kind)).toMatchObject({ judged: undefined });
  });

  it('is nothing where no Copy is due, and no template once it was copied', async () => {
    const quiet = rollout({ promotion: { mode: 'Hold' } }, { status: { weight: 100, target } });
    expect(await readCopy({ store, caches }, quiet, {})).toBeUndefined();
    expect(await readCopy({ store, caches }, rollout({ promotion: { mode: 'Copy' } }), {})).toBeUndefined();
    expect(store.reads).toEqual([]);
    await read({ copy: { since: '2026-11-21T09:00:00Z', template: '1' } });
    expect(store.reads).toEqual(['get Deployment']);
    await read({ copy: { since: '2026-11-21T09:00:00Z', before: '1' } });
    expect(store.reads).toEqual(['get Deployment', 'get Deployment', 'get Deployment']);
  });

  it.each([
    ['kustomize-controller', 'Apply', 'kustomize-controller'],
    ['kubectl', 'Apply', 'kubectl'],
    ['argocd-controller', 'Update', 'argocd-controller'],
    ['argocd-application-controller', 'Update', 'argocd-application-controller'],
    ['helm-controller', 'Update', 'helm-controller'],
    ['kubectl-client-side-apply', 'Update', undefined],
    ['helm', 'Update', undefined],
    ['sluice', 'Update', undefined],
  ])('%s, which wrote it by %s, makes %s the one who applies the template', async (manager, operation, applier) => {
    const managedFields = [writer(manager, operation, '2026-11-21T09:00:00Z')];
    putWorkload('shop-stable', { metadata: { name: 'shop-stable', managedFields } });
    expect(await read()).toMatchObject({ applier, writer: manager });
  });

  it('names who wrote the template last, and nobody who applies something else', async () => {
    const managedFields = [
      writer('kubectl-edit', 'Update', '2026-11-21T10:00:00Z'),
      writer('sluice', 'Update', '2026-11-21T09:00:00Z'),
      writer('labeller', 'Apply', '2026-11-21T11:00:00Z', 'f:metadata'),
      { manager: 'scaler', operation: 'Apply', fieldsV1: { 'f:spec': { 'f:replicas': {} } } },
    ];
    putWorkload('shop-stable', { metadata: { name: 'shop-stable', managedFields } });
    expect(await read()).toMatchObject({ applier: undefined, writer: 'kubectl-edit' });
  });

  it('is what a Deployment says against its rollout, but of the present template only', async () => {
    const condition = { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: 'too slow' };
    const troubleWith = async (change: Partial<RawWorkload>): Promise<string | undefined> => {
      putWorkload('shop-stable', change);
      return ((await read()) as CopyRead).trouble;
    };
    const conditions = [{ type: 'Available', status: 'False' }, condition];
    expect(await troubleWith({ status: { observedGeneration: 4, conditions } })).toBe(
      'Deployment shop-stable says ProgressDeadlineExceeded: too slow',
    );
    expect(await troubleWith({ status: { observedGeneration: 3, conditions } })).toBeUndefined();
    const failure = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'exceeded quota' };
    expect(await troubleWith({ status: { observedGeneration: 4, conditions: [failure] } })).toContain('exceeded quota');
    expect(await troubleWith({ spec: { paused: true } })).toContain('is paused (spec.paused)');
    expect(await troubleWith({})).toBeUndefined();
  });

  it('says what to do where the right is missing, the server fails, or the workload is gone', async () => {
    const forbidden = 'deployments.apps "shop-stable" is forbidden: User "s" cannot get resource "deployments"';
    const failing = (error: SluiceError) => ({ list: () => Promise.reject(error), get: () => Promise.reject(error) });
    const refusedBy = (error: SluiceError) => readCopy({ store: failing(error), caches }, holding(), {});
    expect(await refusedBy(new SluiceError('ApiForbidden', forbidden))).toEqual({
      kind: 'Refused',
      message: `the workloads cannot be read. Apply manifests/overlays/copy, which gives the controller the right: ${forbidden}`,
    });
    for (const code of ['ApiFailed', 'ApiTimeout', 'ApiUnreachable', 'ApiThrottled'] as const)
      expect(await refusedBy(new SluiceError(code, 'no etcd'))).toEqual({
        kind: 'Unread',
        message: 'the workloads cannot be read for now. no etcd',
      });
    await expect(refusedBy(new SluiceError('Aborted', 'stopped'))).rejects.toThrow('stopped');
    store.remove(resources.deployments, 'web/shop-stable');
    expect(await read()).toMatchObject({ kind: 'Refused', message: expect.stringContaining('create it again') });
  });
});

describe('what is written by a Copy', () => {
  const judged: PodTemplate = { annotations: { 'checksum/config': '2' }, spec: pod('app:2') };
  const labels = { track: 'stable' };
  const copied = { since: '2026-11-21T09:00:00Z', template: 'of what was sent' };
  let store: MemoryStore;

  const readOf = (resourceVersion: string): CopyRead => ({
    kind: 'Read',
    workload: 'Deployment shop-stable',
    resourceVersion,
    template: templateOf(undefined),
    applier: undefined,
    writer: undefined,
    revision: undefined,
    trouble: undefined,
    judged: undefined,
  });

  /** write replaces a pod template as it was read by `wanted`. */
  function write(present: RawTemplate, wanted = judged, version?: string) {
    store = new MemoryStore();
    const metadata = { namespace: 'web', name: 'shop-stable' };
    const spec = { replicas: 3, template: present };
    const put = store.put(resources.deployments, { metadata, spec } as KubernetesObject);
    const read = readOf(version ?? put.metadata.resourceVersion ?? '');
    const copy = { ...read, template: templateOf(present), judged: wanted };
    const seen = observation({ rollout: holding(), copy });
    const rest = { status: { copy: copied }, notices: [], requeueAfterMs: undefined };
    return writeTemplate(store, { observation: seen, options: {} }, { kind: 'Copy', template: wanted, ...rest });
  }

  const stored = () => (store.read(resources.deployments, 'web/shop-stable') as RawWorkload).spec;

  it('is spec and annotations, whole; labels and everything else stay', async () => {
    const present = { metadata: { labels, annotations: { old: '1' } }, spec: { ...pod('app:1'), volumes: [] } };
    const written = await write(present);
    expect(stored()).toEqual({
      replicas: 3,
      template: { metadata: { labels, annotations: judged.annotations }, spec: pod('app:2') },
    });
    const hash = hashTemplate(judged);
    expect(written).toEqual({ kind: 'Written', status: { copy: { ...copied, template: hash } } });
  });

  it('takes the annotations away where the judged pods have none, and adds none where there were none', async () => {
    const bare = { annotations: {}, spec: pod('app:2') };
    for (const annotations of [{ annotations: { old: '1' } }, {}]) {
      const present = { metadata: { labels, ...annotations }, spec: pod('app:1') };
      await write(present, bare);
      expect(stored()?.template?.metadata).toEqual({ labels });
    }
  });

  it('is what admission makes of it: only who changes that later is somebody else', async () => {
    const injected = { ...pod('app:2'), hostNetwork: false };
    const metadata = { namespace: 'web', name: 'shop-stable' };
    const object = { metadata, spec: { template: { metadata: {}, spec: injected } } };
    const patch = () => Promise.resolve({ kind: 'Written', object } as never);
    const seen = observation({ rollout: holding(), copy: { ...readOf('1'), judged } });
    const rest = { status: { copy: copied }, notices: [], requeueAfterMs: undefined };
    const decision = { kind: 'Copy', template: judged, ...rest } as const;
    expect(await writeTemplate({ patch }, { observation: seen, options: {} }, decision)).toMatchObject({
      status: { copy: { template: hashTemplate({ annotations: {}, spec: injected }) } },
    });
  });

  it('is nothing where somebody has changed the workload since', async () => {
    expect(await write(template('app:1'), judged, '0')).toEqual({ kind: 'Conflict' });
    expect(stored()?.template?.spec).toEqual(pod('app:1'));
  });

  it.each([
    ['ApiForbidden', 'User "s" cannot patch resource "deployments"', 'was not changed. Apply manifests/overlays/copy'],
    ['ApiInvalid', 'admission webhook "w" denied the request', 'was not changed. admission webhook "w" denied'],
  ] as const)('that is refused by %s says so in the status', async (code, said, text) => {
    const refuse = (): Promise<never> => Promise.reject(new SluiceError(code, said));
    const seen = observation({ rollout: holding(), copy: { ...readOf('1'), judged } });
    const rest = { status: {}, notices: [], requeueAfterMs: undefined };
    const decision = { kind: 'Copy', template: judged, ...rest } as const;
    expect(await writeTemplate({ patch: refuse }, { observation: seen, options: {} }, decision)).toMatchObject({
      kind: 'Refused',
      status: { phase: 'Degraded', reason: 'CopyFailed', message: expect.stringContaining(text) },
    });
    const broken = (): Promise<never> => Promise.reject(new SluiceError('ApiFailed', 'no etcd'));
    await expect(writeTemplate({ patch: broken }, { observation: seen, options: {} }, decision)).rejects.toThrow(
      'no etcd',
    );
  });
});
