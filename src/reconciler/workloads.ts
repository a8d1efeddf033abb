/** What the workloads say: their revision, whether it is fully rolled out, and their images. */
import type { Deployment } from '../api/kubernetes.ts';
import { revisionAnnotation } from './kept.ts';
import type { RevisionObservation } from '../rollout/observation.ts';

/**
 * revisionOf returns the revision of a Deployment: its UID and the number that the deployment controller gives it,
 * because the number alone starts again at 1 when the Deployment is recreated. Never a hash of ours over the template:
 * an upgrade of Sluice must start nothing.
 */
export function revisionOf(deployment: Deployment | undefined): RevisionObservation | undefined {
  const number = deployment?.metadata.annotations?.[revisionAnnotation];
  if (deployment === undefined || number === undefined) return undefined;
  const { uid = '' } = deployment.metadata;
  return { value: `${uid.slice(0, 8)}-${number}`, ...settlement(deployment) };
}

function settlement({ metadata, spec, status }: Deployment): Pick<RevisionObservation, 'settled' | 'message'> {
  const { observedGeneration = 0, replicas = 0, updatedReplicas = 0, readyReplicas = 0 } = status ?? {};
  const wanted = spec?.replicas ?? 1;
  const isObserved = observedGeneration >= (metadata.generation ?? 0);
  const settled = isObserved && [replicas, updatedReplicas, readyReplicas].every((count) => count === wanted);
  const message = `Deployment ${metadata.name} is rolling out: ${updatedReplicas} of ${wanted} pods are new, ${readyReplicas} ready.`;
  return { settled, message };
}

/** imagesDiffer compares what two Deployments run; undefined where one of them is not known. */
export function imagesDiffer(left: Deployment | undefined, right: Deployment | undefined): boolean | undefined {
  if (left === undefined || right === undefined) return undefined;
  return imagesOf(left) !== imagesOf(right);
}

function imagesOf(deployment: Deployment): string {
  const containers = deployment.spec?.template?.spec?.containers ?? [];
  return containers
    .map(({ name, image }) => `${name}=${image ?? ''}`)
    .sort()
    .join(' ');
}
