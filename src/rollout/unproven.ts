/** A canary that changes after it was promoted: what it runs then serves everybody at once, and nobody has judged it. */
import { touched, statusOf, type Question } from './answer.ts';
import type { Observation } from './observation.ts';
import { rollBack } from './rollback.ts';
import { hasUnprovenRevision } from './promoted.ts';
import type { StatusChange } from './status.ts';

/** unprovenFailed sends all traffic to stable when such a revision is beyond an absolute limit, in a Hold and on the way back. */
export const unprovenFailed: Question = (observation) => {
  const found = touched(observation);
  if (found === undefined || !isFailing(observation) || observation.rollout.spec.onFailure === 'Pause')
    return undefined;
  const { verdict, stable } = observation;
  const { revision = '', weight = 0 } = found.status;
  const message = `${verdict.message} Revision ${revision} came after the promotion and had ${weight}%; all traffic goes back to ${stable.service}.`;
  return rollBack(observation, found, { reason: verdict.reason, message, outcome: 'Failed' });
};

/** isFailing: the verdict is on the revision of the status; what has come since then is yet to be judged. */
function isFailing(observation: Observation): boolean {
  const { verdict, rollout, canaryRevision } = observation;
  const status = statusOf(observation);
  const isOfPresent = (canaryRevision?.value ?? status.revision) === status.revision;
  const isEnforced = verdict.kind === 'Fail' && rollout.spec.analysis.mode === 'Enforce';
  return isEnforced && isOfPresent && hasUnprovenRevision(status);
}

/**
 * unprovenChange is the status of a Hold whose canary has another revision than the one that was promoted; `obstacle` is what
 * keeps traffic from returning where stable is new already.
 */
export function unprovenChange(observation: Observation, obstacle?: string): StatusChange {
  const { canaryRevision, verdict, stable } = observation;
  const revision = canaryRevision?.value ?? '';
  if (isFailing(observation)) {
    const message = `${verdict.message} Revision ${revision} came after the promotion and serves everybody; it stays until promote or abort, as spec.onFailure says.`;
    return { phase: 'Degraded', reason: 'AnalysisFailed', message };
  }
  const how = obstacle ?? `Update ${stable.service} (or promote), so that traffic returns to stable;`;
  const advice = `${how} ${obstacle === undefined ? 'then' : 'When traffic is back on stable'} it is rolled out step by step.`;
  const message = `Revision ${revision} of the canary already serves everybody, and nobody has judged it before. ${advice} ${verdict.message}`;
  return { phase: 'Degraded', reason: 'UnprovenRevision', message };
}
