/** Which service is live, as the status says it. */
import type { Observation } from './observation.ts';

/** liveServiceOf is what the status says; with Swap a first look takes it from the route, and from then on it changes by decision only. */
export function liveServiceOf({ rollout, stable }: Observation): string | undefined {
  const { spec, status } = rollout;
  const isFirst = status?.revision === undefined && spec.promotion.mode === 'Swap';
  return status?.liveService ?? (isFirst ? stable.service : undefined);
}
