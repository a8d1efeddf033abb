/** What the workloads say: their revision, whether it is fully rolled out, and their images. */
import {
  controllerRevisionHash,
  type Container,
  type ControllerRevision,
  type DaemonSet,
  type Deployment,
  type PodTemplate,
  type StatefulSet,
} from '../api/kubernetes.ts';
import type { WorkloadRef } from '../api/rollout.ts';
import { isOlder } from '../kube/resource-version.ts';
import type { RevisionObservation } from '../rollout/observation.ts';
import { revisionAnnotation } from './kept-workloads.ts';

/** WorkloadKind is what may run a version. */
export type WorkloadKind = WorkloadRef['kind'];

/** Workload is what runs a version, with what tells its revision; `newest` is the ControllerRevision with the greatest number. */
export type Workload =
  | { readonly kind: 'Deployment'; readonly object: Deployment }
  | { readonly kind: 'StatefulSet'; readonly object: StatefulSet }
  | { readonly kind: 'DaemonSet'; readonly object: DaemonSet; readonly newest: ControllerRevision | undefined };

/**
 * revisionOf returns the revision of a workload: its UID, because a number alone starts again at 1 when a Deployment is
 * recreated, and what its controller calls the present template. Never a hash of ours over the template: an upgrade of
 * Sluice must start nothing. Undefined before the controller has named it.
 *
 * It is settled when the status counts every pod that is wanted as new and ready, and no other. That is enough to know that
 * no ready endpoint is an older pod: what is being deleted is not ready any more in an EndpointSlice.
 */
export function revisionOf(workload: Workload | undefined): RevisionObservation | undefined {
  const name = workload && revisionName(workload);
  if (workload === undefined || name === undefined) return undefined;
  const { uid = '' } = workload.object.metadata;
  const waiting = describeWait(workload);
  return { value: `${uid.slice(0, 8)}-${name}`, settled: waiting === undefined, message: waiting ?? '' };
}

/** A number for a Deployment; for the others a hash, which is the same again when an older template comes back. */
function revisionName(workload: Workload): string | undefined {
  switch (workload.kind) {
    case 'Deployment':
      return workload.object.metadata.annotations?.[revisionAnnotation];
    case 'StatefulSet': {
      const { metadata, status } = workload.object;
      // Named as the StatefulSet, which the reader knows, and the hash (k8s.io/kubernetes pkg/controller/history).
      return status?.updateRevision?.replace(`${metadata.name}-`, '');
    }
    case 'DaemonSet':
      return workload.newest?.metadata.labels?.[controllerRevisionHash];
    default:
      return workload satisfies never;
  }
}

/** describeWait says in numbers what a workload still has to do; undefined where that is nothing. */
function describeWait(workload: Workload): string | undefined {
  const count = countOf(workload);
  const { wanted, fresh, ready, isSeen } = count;
  if (isSeen && count.all === wanted && fresh === wanted && ready === wanted) return undefined;
  const unseen = isSeen ? '' : ' Its controller has not looked at the newest template yet.';
  const obstacle = fresh < wanted ? obstacleOf(workload) : '';
  return `${workload.kind} ${workload.object.metadata.name} is rolling out: ${fresh} of ${wanted} pods are new, ${ready} ready.${unseen}${obstacle}`;
}

/** PodCount is what the status of a workload counts; `isSeen` is false where it is about an older spec. */
interface PodCount {
  readonly wanted: number;
  readonly all: number;
  readonly fresh: number;
  readonly ready: number;
  readonly isSeen: boolean;
}

function countOf(workload: Workload): PodCount {
  if (workload.kind === 'DaemonSet') return countNodes(workload);
  const { replicas = 0, updatedReplicas = 0, readyReplicas = 0 } = workload.object.status ?? {};
  const wanted = workload.object.spec?.replicas ?? 1;
  return { wanted, all: replicas, fresh: updatedReplicas, ready: readyReplicas, isSeen: isObserved(workload) };
}

function isObserved({ object: { metadata, status } }: Workload): boolean {
  return (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
}

type DaemonSetWorkload = Workload & { readonly kind: 'DaemonSet' };

/** Of each node its oldest pod is counted, so that no older one is left beside a new one (maxSurge). */
function countNodes(workload: DaemonSetWorkload): PodCount {
  const {
    desiredNumberScheduled: wanted = 0,
    updatedNumberScheduled = 0,
    numberReady = 0,
  } = workload.object.status ?? {};
  const isSeen = isObserved(workload) && !isBehind(workload);
  return { wanted, all: wanted, fresh: updatedNumberScheduled, ready: numberReady, isSeen };
}

/**
 * isBehind: the two objects come by two watches, and the counts may still be those of the template before. The controller
 * writes the status after each revision that it makes or takes out again, so the DaemonSet is the newer of the two by then.
 * They are counted together, as both are in one etcd (--etcd-servers-overrides aside).
 */
function isBehind({ object, newest }: DaemonSetWorkload): boolean {
  return isOlder(object.metadata.resourceVersion, newest?.metadata.resourceVersion);
}

/** obstacleOf names what keeps old pods for ever, until a person does something. */
function obstacleOf(workload: Workload): string {
  if (workload.kind === 'Deployment')
    return workload.object.spec?.paused === true ? ' It is paused: set spec.paused to false.' : '';
  if (workload.object.spec?.updateStrategy?.type === 'OnDelete')
    return ' Its spec.updateStrategy is OnDelete: delete the old pods.';
  return workload.kind === 'StatefulSet' ? describePartition(workload.object) : '';
}

function describePartition({ spec }: StatefulSet): string {
  const { partition = 0 } = spec?.updateStrategy?.rollingUpdate ?? {};
  return partition === 0
    ? ''
    : ` Its spec.updateStrategy.rollingUpdate.partition of ${partition} keeps the pods below that number old: set it to 0.`;
}

/** imagesOf is what a workload runs, as a text to compare: all containers with their images, in no order. */
export function imagesOf(workload: Workload): string {
  const template: PodTemplate = workload.object.spec?.template ?? {};
  const { containers = [], initContainers = [] } = template.spec ?? {};
  return [...containers, ...initContainers].map(describeContainer).sort().join(' ');
}

function describeContainer({ name, image = '' }: Container): string {
  return `${name}=${image}`;
}

/** imagesDiffer compares what two workloads run; undefined where one of them is not known. */
export function imagesDiffer(left: Workload | undefined, right: Workload | undefined): boolean | undefined {
  if (left === undefined || right === undefined) return undefined;
  return imagesOf(left) !== imagesOf(right);
}
