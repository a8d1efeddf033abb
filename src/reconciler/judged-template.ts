/** Finds the pod template of a revision: the workload itself may have another one by now. */
import { resources, type KubernetesObject } from '../api/kubernetes.ts';
import type { CallOptions, ObjectStore } from '../api/object-store.ts';
import type { PodTemplate } from '../rollout/observation.ts';
import { revisionAnnotation } from './kept-workloads.ts';
import type { WorkloadKind } from './workloads.ts';

/** RawTemplate is v1.PodTemplateSpec as it is: what is copied must lose no field that Sluice does not know. */
export interface RawTemplate {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: object;
}

/** RawWorkload is a workload of any kind with its whole pod template. */
export interface RawWorkload extends KubernetesObject {
  readonly spec?: {
    readonly paused?: boolean;
    readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly template?: RawTemplate;
  };
  readonly status?: { readonly observedGeneration?: number; readonly conditions?: readonly RawCondition[] };
}

/** RawCondition is appsv1.DeploymentCondition. */
export interface RawCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

interface RawReplicaSet extends KubernetesObject {
  readonly spec?: { readonly template?: RawTemplate };
}

/** What a StatefulSet and a DaemonSet keep of a revision is a patch of themselves (pkg/controller/statefulset, getPatch). */
interface RawControllerRevision extends KubernetesObject {
  readonly data?: { readonly spec?: { readonly template?: RawTemplate } };
}

/** templateOf is the part of a pod template that is copied. */
export function templateOf(template: RawTemplate | undefined): PodTemplate {
  return { annotations: template?.metadata?.annotations ?? {}, spec: template?.spec ?? {} };
}

/** findTemplate returns that of a revision as `revisionOf` names it; undefined where there is none any more. */
export async function findTemplate(
  store: Pick<ObjectStore, 'get' | 'list'>,
  wanted: { readonly kind: WorkloadKind; readonly workload: RawWorkload; readonly revision: string },
  options: CallOptions,
): Promise<PodTemplate | undefined> {
  const { kind, workload, revision } = wanted;
  const { uid = '', namespace = '', name } = workload.metadata;
  const prefix = `${uid.slice(0, 8)}-`;
  if (!revision.startsWith(prefix)) return undefined;
  const value = revision.slice(prefix.length);
  if (kind === 'Deployment') return findReplicaSet(store, { workload, number: value }, options);
  const key = `${namespace}/${name}-${value}` as const;
  const found = await store.get<RawControllerRevision>(resources.controllerRevisions, key, options);
  const isOwn = found?.metadata.ownerReferences?.some((owner) => owner.uid === uid) === true;
  return isOwn ? templateOf(found?.data?.spec?.template) : undefined;
}

async function findReplicaSet(
  store: Pick<ObjectStore, 'list'>,
  { workload, number }: { readonly workload: RawWorkload; readonly number: string },
  options: CallOptions,
): Promise<PodTemplate | undefined> {
  const { uid = '', namespace = '' } = workload.metadata;
  const labels = Object.entries(workload.spec?.selector?.matchLabels ?? {});
  const selector = labels.map(([label, value]) => `${label}=${value}`).join(',');
  const { items } = await store.list<RawReplicaSet>(
    { ...resources.replicaSets, selector },
    { ...options, namespace, keep: (item) => (isOf(item, uid, number) ? item : noReplicaSet) },
  );
  const found = items.find((item) => item !== noReplicaSet);
  return found && templateOf(found.spec?.template);
}

const noReplicaSet: RawReplicaSet = { metadata: { name: '' } };

/** A ReplicaSet that is used again gets a new number and keeps the earlier ones (deployment/util, SetNewReplicaSetAnnotations). */
const historyAnnotation = 'deployment.kubernetes.io/revision-history';

function isOf({ metadata }: RawReplicaSet, uid: string, number: string): boolean {
  const { ownerReferences = [], annotations = {} } = metadata;
  const numbers = [annotations[revisionAnnotation], ...(annotations[historyAnnotation] ?? '').split(',')];
  return ownerReferences.some((owner) => owner.uid === uid) && numbers.includes(number);
}
