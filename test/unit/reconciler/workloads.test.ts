import { describe, expect, it } from 'vitest';
import type { ControllerRevision, DaemonSet, Deployment, StatefulSet } from '../../../src/api/kubernetes.ts';
import { imagesDiffer, revisionOf, type Workload } from '../../../src/reconciler/workloads.ts';
import { daemonSet, deployment, statefulSet } from './cluster.ts';

const whole = deployment('shop', 'shop:1', '7');
const wholeSet = statefulSet('shop', 'shop:1', 'shop-7d9f8c');
const wholeDaemon = daemonSet('shop', 'shop:1');

function ofDeployment(object: Deployment): Workload {
  return { kind: 'Deployment', object };
}

function ofStatefulSet(object: StatefulSet): Workload {
  return { kind: 'StatefulSet', object };
}

function ofDaemonSet(object: DaemonSet, hash: string | undefined = '5c6d'): Workload {
  if (hash === undefined) return { kind: 'DaemonSet', object, newest: undefined };
  const labels = { 'controller-revision-hash': hash };
  const newest: ControllerRevision = { metadata: { name: `shop-${hash}`, labels, resourceVersion: '20' }, revision: 3 };
  return { kind: 'DaemonSet', object, newest };
}

function withStatus(status: NonNullable<Deployment['status']>, replicas?: number): Deployment {
  const spec = { ...whole.spec, ...(replicas === undefined ? {} : { replicas }) };
  return { ...whole, spec, status: { ...whole.status, ...status } };
}

function setWith(status: NonNullable<StatefulSet['status']>, spec: StatefulSet['spec'] = {}): StatefulSet {
  return { ...wholeSet, spec: { ...wholeSet.spec, ...spec }, status: { ...wholeSet.status, ...status } };
}

function daemonWith(status: NonNullable<DaemonSet['status']>, spec: DaemonSet['spec'] = {}): DaemonSet {
  return { ...wholeDaemon, spec: { ...wholeDaemon.spec, ...spec }, status: { ...wholeDaemon.status, ...status } };
}

describe('revisionOf', () => {
  it.each<[string, Workload, string]>([
    ['the number that the Deployment controller gives', ofDeployment(whole), 'shop-uid-7'],
    ['the hash of the update revision of a StatefulSet', ofStatefulSet(wholeSet), 'shop-uid-7d9f8c'],
    ['the hash of the newest ControllerRevision of a DaemonSet', ofDaemonSet(wholeDaemon), 'shop-uid-5c6d'],
  ])('is the beginning of the UID and %s', (_name, workload, value) => {
    expect(revisionOf(workload)).toEqual({ value, settled: true, message: '' });
  });

  it.each<[string, Workload | undefined]>([
    ['without a workload', undefined],
    ['without a number', ofDeployment({ ...whole, metadata: { ...whole.metadata, annotations: {} } })],
    ['without a status', ofStatefulSet({ ...wholeSet, status: {} })],
    ['without a ControllerRevision', { kind: 'DaemonSet', object: wholeDaemon, newest: undefined }],
  ])('is not known %s', (_name, workload) => {
    expect(revisionOf(workload)).toBeUndefined();
  });
});

describe('a Deployment', () => {
  it.each<[string, Deployment, boolean]>([
    ['whose new template was not looked at yet', withStatus({ observedGeneration: 3 }), false],
    ['with no pod of the new template', withStatus({ replicas: 3, updatedReplicas: 0 }), false],
    ['with a surge pod beside the old ones', withStatus({ replicas: 4, updatedReplicas: 1 }), false],
    ['with the last old pod still there', withStatus({ replicas: 4, updatedReplicas: 3 }), false],
    ['with a new pod that is not ready', withStatus({ readyReplicas: 2 }), false],
    ['with all pods new and ready', withStatus({ availableReplicas: 0 }), true],
    ['that is scaled up', withStatus({}, 5), false],
    ['that is scaled down', withStatus({}, 2), false],
    ['without any status', { ...whole, status: {} }, false],
    [
      'that was scaled to 0',
      withStatus({ replicas: 0, updatedReplicas: 0, readyReplicas: 0, availableReplicas: 0 }, 0),
      true,
    ],
    // The deployment controller goes on observing a paused Deployment but finds no pods of its template.
    ['that is paused with another template', withStatus({ updatedReplicas: 0 }), false],
    ['that is paused with the template of its pods', withStatus({}), true],
  ])('%s is settled or not', (_name, found, settled) => {
    expect(revisionOf(ofDeployment(found))?.settled).toBe(settled);
  });

  it('has the counts left out that the API server leaves out, and one replica for the default', () => {
    const { replicas: _replicas, ...spec } = whole.spec ?? {};
    const counts = { observedGeneration: 4, replicas: 1, updatedReplicas: 1, readyReplicas: 1 };
    expect(revisionOf(ofDeployment({ ...whole, spec, status: counts }))?.settled).toBe(true);
    const empty = ofDeployment({ ...whole, status: { observedGeneration: 4, replicas: 3 } });
    expect(revisionOf(empty)?.message).toBe('Deployment shop is rolling out: 0 of 3 pods are new, 0 ready.');
  });

  it('that is paused with another template says who has to do what', () => {
    const paused = { ...withStatus({ updatedReplicas: 0 }), spec: { ...whole.spec, paused: true } };
    expect(revisionOf(ofDeployment(paused))?.message).toBe(
      'Deployment shop is rolling out: 0 of 3 pods are new, 3 ready. It is paused: set spec.paused to false.',
    );
  });
});

describe('a StatefulSet', () => {
  const partition = { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } };
  const onDelete = { updateStrategy: { type: 'OnDelete' } };
  const told = 'StatefulSet shop is rolling out:';

  it.each<[string, StatefulSet, string | undefined]>([
    [
      'whose new template was not looked at yet',
      setWith({ observedGeneration: 3 }),
      `${told} 3 of 3 pods are new, 3 ready. Its controller has not looked at the newest template yet.`,
    ],
    ['with one new pod', setWith({ updatedReplicas: 1 }), `${told} 1 of 3 pods are new, 3 ready.`],
    [
      'with a new pod that is not ready',
      setWith({ updatedReplicas: 2, readyReplicas: 2 }),
      `${told} 2 of 3 pods are new, 2 ready.`,
    ],
    ['with all pods new and one not ready', setWith({ readyReplicas: 2 }), `${told} 3 of 3 pods are new, 2 ready.`],
    ['that is scaled down', setWith({}, { replicas: 2 }), `${told} 3 of 2 pods are new, 3 ready.`],
    ['with all pods new and ready', setWith({}), undefined],
    [
      'that was scaled to 0',
      setWith({ replicas: 0, updatedReplicas: 0, readyReplicas: 0 }, { replicas: 0 }),
      undefined,
    ],
    [
      'with a partition',
      setWith({ updatedReplicas: 1 }, partition),
      `${told} 1 of 3 pods are new, 3 ready. Its spec.updateStrategy.rollingUpdate.partition of 2 keeps the pods below that number old: set it to 0.`,
    ],
    ['with a partition that nothing is behind', setWith({}, partition), undefined],
    [
      'that replaces deleted pods only',
      setWith({ updatedReplicas: 0 }, onDelete),
      `${told} 0 of 3 pods are new, 3 ready. Its spec.updateStrategy is OnDelete: delete the old pods.`,
    ],
    ['whose pods were all deleted by hand', setWith({}, onDelete), undefined],
  ])('%s says what it waits for', (_name, found, message) => {
    expect(revisionOf(ofStatefulSet(found))).toEqual({
      value: 'shop-uid-7d9f8c',
      settled: message === undefined,
      message: message ?? '',
    });
  });
});

describe('a DaemonSet', () => {
  const told = 'DaemonSet shop is rolling out:';

  it.each<[string, DaemonSet, string | undefined]>([
    [
      'whose new template was not looked at yet',
      daemonWith({ observedGeneration: 3 }),
      `${told} 3 of 3 pods are new, 3 ready. Its controller has not looked at the newest template yet.`,
    ],
    // Two watches: the revision came first.
    [
      'whose status is older than its newest revision',
      { ...wholeDaemon, metadata: { ...wholeDaemon.metadata, resourceVersion: '19' } },
      `${told} 3 of 3 pods are new, 3 ready. Its controller has not looked at the newest template yet.`,
    ],
    ['with an old pod on a node', daemonWith({ updatedNumberScheduled: 2 }), `${told} 2 of 3 pods are new, 3 ready.`],
    ['with a pod that is not ready', daemonWith({ numberReady: 2 }), `${told} 3 of 3 pods are new, 2 ready.`],
    ['with a node more', daemonWith({ desiredNumberScheduled: 4 }), `${told} 3 of 4 pods are new, 3 ready.`],
    ['with all pods new and ready', wholeDaemon, undefined],
    ['without a node', daemonWith({ desiredNumberScheduled: 0, updatedNumberScheduled: 0, numberReady: 0 }), undefined],
    [
      'that replaces deleted pods only',
      daemonWith({ updatedNumberScheduled: 0 }, { updateStrategy: { type: 'OnDelete' } }),
      `${told} 0 of 3 pods are new, 3 ready. Its spec.updateStrategy is OnDelete: delete the old pods.`,
    ],
  ])('%s says what it waits for', (_name, found, message) => {
    expect(revisionOf(ofDaemonSet(found))).toEqual({
      value: 'shop-uid-5c6d',
      settled: message === undefined,
      message: message ?? '',
    });
  });
});

describe('imagesDiffer', () => {
  type Containers = readonly { readonly name: string; readonly image?: string }[];
  const running = (...containers: Containers): Workload =>
    ofDeployment({ ...whole, spec: { template: { spec: { containers } } } });
  const app = { name: 'app', image: 'shop:1' };
  const proxy = { name: 'proxy', image: 'envoy:1' };
  const prepared = (image: string): Workload =>
    ofDeployment({
      ...whole,
      spec: { template: { spec: { containers: [app], initContainers: [{ name: 'init', image }] } } },
    });

  it.each<[string, Workload | undefined, Workload | undefined, boolean | undefined]>([
    ['the same image', running(app), running(app), false],
    ['another image', running(app), running({ ...app, image: 'shop:2' }), true],
    ['the same containers in another order', running(app, proxy), running(proxy, app), false],
    ['swapped images', running(app, proxy), running({ ...app, image: 'envoy:1' }, { ...proxy, image: 'shop:1' }), true],
    ['one container more', running(app), running(app, proxy), true],
    ['a container with another name', running(app), running({ ...app, name: 'shop' }), true],
    ['the same init container', prepared('migrate:1'), prepared('migrate:1'), false],
    ['another init container', prepared('migrate:1'), prepared('migrate:2'), true],
    ['the same image in workloads of two kinds', ofStatefulSet(wholeSet), ofDaemonSet(wholeDaemon), false],
    [
      'another image in a workload of another kind',
      ofDeployment(deployment('a', 'b:1')),
      ofStatefulSet(wholeSet),
      true,
    ],
    ['an unknown workload', running(app), undefined, undefined],
    ['another unknown workload', undefined, running(app), undefined],
  ])('compares %s', (_name, left, right, differ) => {
    expect(imagesDiffer(left, right)).toBe(differ);
  });
});
