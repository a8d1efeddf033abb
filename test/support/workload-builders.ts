/** Workloads of each kind as their controllers leave them, in the namespace web. */
import type { ControllerRevision, DaemonSet, Deployment, StatefulSet } from '../../src/api/kubernetes.ts';
import type { Workload, WorkloadKind } from '../../src/reconciler/workloads.ts';

/** WorkloadWritten is a workload with two pods, of which one is still an older one where it is not settled. */
export interface WorkloadWritten {
  readonly name: string;
  /** revision is the number of the template: the same one is the same template, also when it comes back. */
  readonly revision: number;
  readonly image: string;
  readonly settled: boolean;
}

/** workload returns one whose UID is the end of its name, as `canary` of shop-canary. */
export function workload(kind: WorkloadKind, written: WorkloadWritten): Workload {
  switch (kind) {
    case 'Deployment':
      return { kind, object: deployment(written) };
    case 'StatefulSet':
      return { kind, object: statefulSet(written) };
    case 'DaemonSet':
      return { kind, object: daemonSet(written), newest: controllerRevision(written) };
    default:
      return kind satisfies never;
  }
}

function metadata({ name, revision }: WorkloadWritten) {
  const uid = name.slice(name.indexOf('-') + 1);
  return { name, namespace: 'web', uid, generation: revision };
}

function template({ image }: WorkloadWritten) {
  return { spec: { containers: [{ name: 'app', image }] } };
}

function counts({ revision, settled }: WorkloadWritten) {
  return { observedGeneration: revision, replicas: 2, updatedReplicas: settled ? 2 : 1, readyReplicas: 2 };
}

function deployment(written: WorkloadWritten): Deployment {
  const annotations = { 'deployment.kubernetes.io/revision': `${written.revision}` };
  return {
    metadata: { ...metadata(written), annotations },
    spec: { replicas: 2, template: template(written) },
    status: counts(written),
  };
}

function statefulSet(written: WorkloadWritten): StatefulSet {
  return {
    metadata: metadata(written),
    spec: { replicas: 2, updateStrategy: { type: 'RollingUpdate' }, template: template(written) },
    status: { ...counts(written), updateRevision: `${written.name}-${written.revision}` },
  };
}

function daemonSet(written: WorkloadWritten): DaemonSet {
  const { revision, settled } = written;
  const status = { desiredNumberScheduled: 2, updatedNumberScheduled: settled ? 2 : 1, numberReady: 2 };
  return {
    metadata: metadata(written),
    spec: { updateStrategy: { type: 'RollingUpdate' }, template: template(written) },
    status: { observedGeneration: revision, ...status },
  };
}

function controllerRevision({ name, revision }: WorkloadWritten): ControllerRevision {
  const labels = { 'controller-revision-hash': `${revision}` };
  return { metadata: { name: `${name}-${revision}`, namespace: 'web', labels }, revision };
}
