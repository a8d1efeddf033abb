/** Whether stable's workload runs something else than when the rollout began. */
import type { RolloutProgress } from '../api/rollout-status.ts';
import type { Observation } from './observation.ts';
import type { StatusChange } from './status.ts';

type Known = Pick<Observation, 'rollout' | 'stableRevision' | 'stableImages'>;

/** stableNow is what a change of stable's workload is told by later: its revision, and its images where the canary has others. */
export function stableNow({
  stableRevision,
  stableImages,
  imagesDiffer,
}: Observation): Required<Pick<StatusChange, 'stableRevision' | 'stableImages'>> {
  const images = imagesDiffer === true ? stableImages : undefined;
  return { stableRevision: stableRevision?.value ?? null, stableImages: images ?? null };
}

/** workloadsNow are the revisions by which a later change of either workload is told, and the judged pod template found again. */
export function workloadsNow(
  observation: Observation,
): Required<Pick<StatusChange, 'stableRevision' | 'stableImages' | 'workloadRevision'>> {
  return { ...stableNow(observation), workloadRevision: observation.canaryRevision?.workload ?? null };
}

/** isStableRenewed tells whether stable's workload has a revision that it had not when the rollout began, and not the old images under it. */
export function isStableRenewed(observation: Known): boolean {
  const { stableRevision, rollout } = observation;
  const { stableRevision: known } = rollout.status ?? {};
  const isOther = stableRevision !== undefined && known !== undefined && stableRevision.value !== known;
  return isOther && !hasOldImages(observation);
}

/**
 * A Deployment counts on when it goes back, and a restart is a new revision of every kind: only the images tell then. They
 * tell nothing, and are not remembered, where what was promoted has the same ones; what the canary has since does not count.
 */
function hasOldImages({ rollout, stableImages }: Known): boolean {
  const { stableImages: old } = rollout.status ?? {};
  return old !== undefined && stableImages === old;
}

/** renewal is what a return to stable remembers: that it goes to a new revision, and not to the old one by the word of a person. */
export function renewal(observation: Known): Pick<RolloutProgress, 'renewed'> {
  return isStableRenewed(observation) ? { renewed: true } : {};
}

/** goalOf is what the next step of a return remembers: as before, or anew where somebody promotes it to whatever stable is. */
export function goalOf(
  observation: Known,
  progress: RolloutProgress | undefined,
  isPromoted: boolean,
): Pick<RolloutProgress, 'renewed'> {
  if (progress === undefined || isPromoted) return renewal(observation);
  return progress.renewed === true ? { renewed: true } : {};
}
