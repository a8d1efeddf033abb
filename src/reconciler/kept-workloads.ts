/** What the caches keep of workloads: what tells the revision, whether it has rolled out, and the images. */
import {
  controllerRevisionHash,
  type Container,
  type ControllerRevision,
  type DaemonSet,
  type Deployment,
  type HorizontalPodAutoscaler,
  type PodTemplate,
  type StatefulSet,
} from '../api/kubernetes.ts';
import { compact } from '../rollout/status.ts';
import { keptMeta, type Meta } from './kept.ts';

/** revisionAnnotation is where the Deployment controller counts. */
export const revisionAnnotation = 'deployment.kubernetes.io/revision';

/** keptDeployment keeps the number of the revision, and whether somebody has paused it. */
export function keptDeployment({ metadata, spec = {}, status = {} }: Deployment): Deployment {
  const revision = metadata.annotations?.[revisionAnnotation];
  const annotations = revision === undefined ? undefined : { [revisionAnnotation]: revision };
  const { replicas, paused, template } = spec;
  return {
    metadata: { ...workloadMeta(metadata), ...compact({ annotations }) },
    spec: { ...compact({ replicas }), ...(paused === true ? { paused } : {}), template: keptTemplate(template) },
    status: keptCounts(status),
  };
}

/** keptStatefulSet keeps the update's revision, and the strategy that may keep old pods. */
export function keptStatefulSet({ metadata, spec = {}, status = {} }: StatefulSet): StatefulSet {
  const { replicas, updateStrategy = {}, template } = spec;
  const { type, rollingUpdate = {} } = updateStrategy;
  const { partition = 0 } = rollingUpdate;
  return {
    metadata: workloadMeta(metadata),
    spec: {
      ...compact({ replicas }),
      updateStrategy: compact({ type, rollingUpdate: partition === 0 ? undefined : { partition } }),
      template: keptTemplate(template),
    },
    status: { ...keptCounts(status), ...compact({ updateRevision: status.updateRevision }) },
  };
}

function keptCounts({ observedGeneration, replicas, updatedReplicas, readyReplicas }: Deployment['status'] & object) {
  return compact<Deployment['status'] & object>({ observedGeneration, replicas, updatedReplicas, readyReplicas });
}

/** keptDaemonSet keeps the counts of nodes; the revision is that of its newest ControllerRevision. */
export function keptDaemonSet({ metadata, spec = {}, status = {} }: DaemonSet): DaemonSet {
  const { updateStrategy = {}, template } = spec;
  const { observedGeneration, desiredNumberScheduled, updatedNumberScheduled, numberReady } = status;
  return {
    metadata: workloadMeta(metadata),
    spec: { updateStrategy: compact({ type: updateStrategy.type }), template: keptTemplate(template) },
    status: compact({ observedGeneration, desiredNumberScheduled, updatedNumberScheduled, numberReady }),
  };
}

/** keptControllerRevision keeps whose it is, its number and its hash; the template in it is left out. */
export function keptControllerRevision({ metadata, revision }: ControllerRevision): ControllerRevision {
  const hash = metadata.labels?.[controllerRevisionHash];
  const owners = (metadata.ownerReferences ?? []).filter(({ controller }) => controller === true);
  return {
    metadata: {
      ...keptMeta(metadata),
      ...(hash === undefined ? {} : { labels: { [controllerRevisionHash]: hash } }),
      ownerReferences: owners.map(({ apiVersion, kind, name, uid }) => {
        return { apiVersion, kind, name, uid, controller: true };
      }),
    },
    revision,
  };
}

/** keptAutoscaler keeps whose pods it counts, and whether it may give more. */
export function keptAutoscaler({ metadata, spec, status }: HorizontalPodAutoscaler): HorizontalPodAutoscaler {
  const { kind = '', name = '' } = spec?.scaleTargetRef ?? {};
  return {
    metadata: keptMeta(metadata),
    spec: { scaleTargetRef: { kind, name }, ...compact({ maxReplicas: spec?.maxReplicas }) },
    status: compact({ desiredReplicas: status?.desiredReplicas }),
  };
}

function workloadMeta(metadata: Meta): Meta {
  return { ...keptMeta(metadata), ...compact({ generation: metadata.generation }) };
}

function keptTemplate(template: PodTemplate | undefined): PodTemplate {
  const { containers = [], initContainers = [] } = template?.spec ?? {};
  const kept = (list: readonly Container[]) => list.map(({ name, image }) => compact<Container>({ name, image }));
  return {
    spec: {
      containers: kept(containers),
      ...(initContainers.length === 0 ? {} : { initContainers: kept(initContainers) }),
    },
  };
}
