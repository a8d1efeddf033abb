/** What a Copy carries from one workload to the other, and whether it is there already. */
import { fnv1a } from '../api/hash.ts';
import { isSame } from '../api/merge-patch.ts';
import type { Observation, PodTemplate } from './observation.ts';

/**
 * hashTemplate tells a template that was changed since. It is taken from what the API server answers, because admission
 * may have changed what was sent, and only compared in the minutes that a copy takes.
 */
export function hashTemplate({ annotations, spec }: PodTemplate): string {
  return fnv1a(JSON.stringify([annotations, spec])).toString(16);
}

/**
 * isCopied tells whether the stable workload has got the judged template. The write of the status may be missing after a
 * crash: then the template itself says so.
 */
export function isCopied({ rollout, copy }: Pick<Observation, 'rollout' | 'copy'>): boolean {
  if (rollout.status?.copy?.template !== undefined) return true;
  return copy?.kind === 'Read' && copy.judged !== undefined && isSame(copy.template, copy.judged);
}

/**
 * mayBeCopied tells whether it may have got it, so that nothing older is left to go back to: the write was about to be made,
 * and the template is another one since, as admission may have made it, or cannot be read.
 */
export function mayBeCopied(observation: Pick<Observation, 'rollout' | 'copy'>): boolean {
  const { copy, rollout } = observation;
  const stored = rollout.status?.copy;
  if (stored === undefined || isCopied(observation)) return isCopied(observation);
  return copy?.kind !== 'Read' || hashTemplate(copy.template) !== stored.before;
}
