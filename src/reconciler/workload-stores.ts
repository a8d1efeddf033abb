/** The caches of workloads and of what is said about them: by whom they are found, and what is read of them together. */
import type {
  ControllerRevision,
  DaemonSet,
  Deployment,
  HorizontalPodAutoscaler,
  KubernetesObject,
  ObjectKey,
  StatefulSet,
} from '../api/kubernetes.ts';
import type { Rollout } from '../api/rollout.ts';
import { Store } from '../kube/store.ts';
import type { Caches } from './caches.ts';
import {
  keptAutoscaler,
  keptControllerRevision,
  keptDaemonSet,
  keptDeployment,
  keptStatefulSet,
} from './kept-workloads.ts';
import type { WorkloadKind } from './workloads.ts';

/** WorkloadStores hold the last known state of each kind. */
export interface WorkloadStores {
  readonly deployments: Store<Deployment>;
  readonly statefulSets: Store<StatefulSet>;
  readonly daemonSets: Store<DaemonSet>;
  readonly controllerRevisions: Store<ControllerRevision, 'owner'>;
  readonly autoscalers: Store<HorizontalPodAutoscaler, 'scaled'>;
}

/** createWorkloadStores returns empty stores. */
export function createWorkloadStores(): WorkloadStores {
  return {
    deployments: new Store<Deployment>({ transform: keptDeployment }),
    statefulSets: new Store<StatefulSet>({ transform: keptStatefulSet }),
    daemonSets: new Store<DaemonSet>({ transform: keptDaemonSet }),
    controllerRevisions: new Store<ControllerRevision, 'owner'>({
      indexes: { owner: ({ metadata }) => (metadata.ownerReferences ?? []).map(({ uid }) => uid) },
      transform: keptControllerRevision,
    }),
    autoscalers: new Store<HorizontalPodAutoscaler, 'scaled'>({
      indexes: { scaled: scaledBy },
      transform: keptAutoscaler,
    }),
  };
}

/** workloadCaches reads the stores. */
export function workloadCaches(stores: WorkloadStores): Pick<Caches, 'workload' | 'autoscalersOf'> {
  const { deployments, statefulSets, daemonSets, controllerRevisions, autoscalers } = stores;
  const readers: { readonly [K in WorkloadKind]: (key: ObjectKey) => ReturnType<Caches['workload']> } = {
    Deployment: (key) => withKind('Deployment', deployments.get(key)),
    StatefulSet: (key) => withKind('StatefulSet', statefulSets.get(key)),
    DaemonSet: (key) => {
      const object = daemonSets.get(key);
      if (object === undefined) return undefined;
      const own = controllerRevisions.byIndex('owner', object.metadata.uid ?? '');
      return { kind: 'DaemonSet', object, newest: newestOf(own) };
    },
  };
  return {
    workload: (kind, key) => readers[kind](key),
    autoscalersOf: (kind, key) => autoscalers.byIndex('scaled', `${kind} ${key}`),
  };
}

function withKind<K extends string, T extends KubernetesObject>(kind: K, object: T | undefined) {
  return object === undefined ? undefined : { kind, object };
}

/** Whoever goes back to an older template gives its revision the next number: the greatest is the present one. */
function newestOf(revisions: readonly ControllerRevision[]): ControllerRevision | undefined {
  return revisions.reduce<ControllerRevision | undefined>(
    (newest, one) => (newest === undefined || one.revision > newest.revision ? one : newest),
    undefined,
  );
}

function scaledBy({ metadata, spec }: HorizontalPodAutoscaler): readonly string[] {
  const { kind, name } = spec?.scaleTargetRef ?? {};
  return name === undefined ? [] : [`${kind} ${metadata.namespace ?? ''}/${name}`];
}

/** daemonSetsOf returns the keys of the DaemonSets that a ControllerRevision belongs to: one, or none. */
export function daemonSetsOf({ metadata }: ControllerRevision): readonly ObjectKey[] {
  const owners = (metadata.ownerReferences ?? []).filter(({ kind }) => kind === 'DaemonSet');
  return owners.map(({ name }): ObjectKey => `${metadata.namespace ?? ''}/${name}`);
}

/** workloadsOf returns under which keys a Rollout names workloads of `kind`. */
export function workloadsOf(kind: WorkloadKind) {
  return ({ metadata, spec }: Rollout): readonly string[] =>
    [spec.stable.workload, spec.canary.workload].flatMap((ref) =>
      ref?.kind === kind ? [`${metadata.namespace ?? ''}/${ref.name}`] : [],
    );
}
