/** What happens to a pair that takes turns while nothing runs: people change the live workload, the route, or the mode. */
import { takeBaseline } from '../traffic/baseline.ts';
import { isAsked, statusOf, unchanged, wait, whoAsked, type Question } from './answer.ts';
import type { Decision } from './decision.ts';
import type { Observation } from './observation.ts';
import { isUndecided, newTarget } from './start.ts';
import { compact, isAtRest } from './status.ts';
import { exchange, isSwap, runs } from './swap.ts';

/** liveChanged says that a new revision of the live workload already serves everybody. */
export const liveChanged: Question = (observation) => {
  const live = runs(observation.stableRevision);
  if (!isResting(observation) || live === undefined || isUndecided(observation)) return undefined;
  const { stableRevision, reason, phase } = statusOf(observation);
  if (stableRevision === undefined) return wait(observation, { ...unchanged(observation), stableRevision: live });
  const isSaid = reason === 'UnprovenRevision';
  if (live === stableRevision) return isSaid ? liveAsBefore(observation, live) : undefined;
  // After a failure that is what people look at, and release something to mend.
  return isSaid || phase === 'Succeeded' ? liveUnproven(observation, live) : undefined;
};

function isResting(observation: Observation): boolean {
  return isSwap(observation) && isAtRest(statusOf(observation));
}

function liveAsBefore(observation: Observation, live: string): Decision {
  const message = `Service ${observation.stable.service} runs revision ${live} again, which was live before.`;
  const revision = statusOf(observation).promotedRevision ?? live;
  return wait(observation, { phase: 'Succeeded', reason: 'Reverted', message, revision });
}

function liveUnproven(observation: Observation, live: string): Decision {
  const { stable, canary } = observation;
  const message = `Revision ${live} came to the live service ${stable.service}: it already serves everybody and nobody has judged it. Deploy to ${canary.service} instead, which is idle; or promote, to accept what is live.`;
  return wait(observation, { phase: 'Degraded', reason: 'UnprovenRevision', message, revision: live });
}

/** acceptLive takes an unproven revision of the live workload as promoted, on the word of a person. */
export const acceptLive: Question = (observation) => {
  const live = runs(observation.stableRevision);
  const isPromote = isAsked(observation, 'promote') || isAsked(observation, 'promote-full');
  const isUnproven = isResting(observation) && statusOf(observation).reason === 'UnprovenRevision';
  if (!isPromote || !isUnproven || live === undefined) return undefined;
  const revision = observation.rollout.spec.revision ?? live;
  const message = `${whoAsked(observation)} accepts revision ${live} of the live service ${observation.stable.service}.`;
  const proven = { revision, promotedRevision: revision, stableRevision: live };
  return wait(observation, { phase: 'Succeeded', reason: 'Promoted', message, ...proven, command: true });
};

/** rolesFollowed: at rest the route is the user's, and the service that it gives everything to is the live one. */
export const rolesFollowed: Question = (observation) => {
  const { liveService, target } = statusOf(observation);
  if (!isResting(observation) || target !== undefined || liveService === undefined) return undefined;
  const { stable, canary } = observation;
  if (liveService === stable.service) return undefined;
  return liveService === canary.service ? follow(observation) : wait(observation, begunAnew(observation, liveService));
};

function follow(observation: Observation): Decision {
  const { route, stable, canary, canaryRevision } = observation;
  const { idle, stableRevision } = statusOf(observation);
  const who = route?.writer?.manager ?? 'somebody';
  const message = `${who} gave everything to Service ${stable.service}; it is the live one now, and ${canary.service} is idle.`;
  const change = {
    liveService: stable.service,
    stableRevision: idle?.revision ?? null,
    idle: compact({ revision: stableRevision ?? runs(canaryRevision) }),
  };
  const notices = [{ type: 'Warning', reason: 'LiveServiceChanged', message }] as const;
  return wait(observation, { ...unchanged(observation), ...change }, { notices });
}

/** modeEdited makes what is known fit a spec.promotion.mode that was edited at rest; no traffic moves. */
export const modeEdited: Question = (observation) => {
  const status = statusOf(observation);
  if (!isAtRest(status) || status.revision === undefined) return undefined;
  if (isSwap(observation)) return status.liveService === undefined ? takeTurns(observation) : undefined;
  return status.liveService === undefined ? undefined : takeNoTurns(observation, status.liveService);
};

function takeTurns(observation: Observation): Decision {
  const { stable, stableRevision, canaryRevision } = observation;
  const known = isUndecided(observation) ? undefined : runs(canaryRevision);
  return wait(observation, {
    ...unchanged(observation),
    liveService: stable.service,
    stableRevision: runs(stableRevision) ?? null,
    idle: compact({ revision: known }),
  });
}

function takeNoTurns(observation: Observation, live: string): Decision {
  const { route, canaryRevision, rollout } = observation;
  if ((route?.split.canaryPercent ?? 0) > 0) return wait(observation, begunAnew(observation, live, null));
  // What is idle is an old version, and was no release a moment ago.
  const isOld = rollout.spec.revision === undefined && canaryRevision?.value === statusOf(observation).idle?.revision;
  const old = isOld && canaryRevision !== undefined ? { promotedRevision: canaryRevision.value } : {};
  return wait(observation, { ...unchanged(observation), ...old, liveService: null, idle: null });
}

/** begunAnew forgets all but the last failures, so that the next look is a first one. */
function begunAnew({ stable }: Observation, live: string, liveService: string | null = stable.service) {
  return {
    phase: 'Pending',
    reason: 'Retargeted',
    message: `The spec was edited; what was known of the live service ${live} is forgotten.`,
    revision: null,
    promotedRevision: null,
    stableRevision: null,
    waitingSince: null,
    liveService,
    idle: null,
    analysis: 'Forget',
  } as const;
}

/** isOwedBack tells whether deleting the Rollout has to give the traffic back to the service that the spec calls stable. */
export function isOwedBack({ rollout, isSwapped }: Observation): boolean {
  return isSwapped && rollout.spec.onDelete === 'Restore' && isAtRest(rollout.status ?? {});
}

/**
 * giveBack begins to give the traffic back where a deletion has to: the roles are those of the spec again, so that the
 * live service is a canary that is taken out. Not to what nobody has judged: the idle service has to run what it ran.
 */
export function giveBack(observation: Observation): Decision | undefined {
  const { route, rollout, canaryRevision } = observation;
  const known = rollout.status?.idle?.revision;
  if (!isOwedBack(observation) || route === undefined || known === undefined || runs(canaryRevision) !== known)
    return undefined;
  const own = rollout.status?.target ?? newTarget(observation, route);
  const baseline = rollout.status?.target?.baseline ?? takeBaseline(route.routes, observation.pair);
  const { target } = exchange(observation, { ...own, baseline });
  const message = `The Rollout is being deleted; Service ${observation.canary.service} gets the traffic back.`;
  return wait(observation, {
    phase: 'RollingBack',
    reason: 'Deleted',
    message,
    weight: 100,
    liveService: observation.canary.service,
    target,
  });
}
