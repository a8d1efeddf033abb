/** Swap: a promoted canary is the stable one from then on, and the service that was stable is idle until the next release. */
import type { StableRef } from '../api/rollout.ts';
import type { RolloutTarget } from '../api/rollout-status.ts';
import { swapBaseline } from '../traffic/swap.ts';
import type { OwnRoute } from '../traffic/split.ts';
import { isOurs } from './applied.ts';
import { asBaseline, statusOf, wait, type Touched } from './answer.ts';
import type { Decision } from './decision.ts';
import type { Observation, Problem, RevisionObservation, RouteObservation } from './observation.ts';
import { compact } from './status.ts';

/** isSwap tells whether the services take turns. */
export function isSwap({ rollout }: Pick<Observation, 'rollout'>): boolean {
  return rollout.spec.promotion.mode === 'Swap';
}

/** runs is what the workload itself is at, however the spec names it. */
export function runs(revision: RevisionObservation | undefined): string | undefined {
  return revision?.workload ?? revision?.value;
}

/** isIdleKnown tells whether the idle workload is what it was when traffic left it, and nothing but that names the release. */
export function isIdleKnown({ rollout, canaryRevision }: Pick<Observation, 'rollout' | 'canaryRevision'>): boolean {
  const known = rollout.status?.idle?.revision;
  return isSwap({ rollout }) && known !== undefined && canaryRevision?.value === known;
}

/** revisionAtRest is what the status is about when nothing runs: with Swap what is live, else `canary`, the canary's revision. */
export function revisionAtRest(observation: Observation, canary: string): string {
  return isSwap(observation) ? (statusOf(observation).promotedRevision ?? canary) : canary;
}

/** findIdleObstacle keeps a new name from an old version: with spec.revision the idle workload has to have changed too. */
export function findIdleObstacle(observation: Observation): Problem | undefined {
  const { canaryRevision, canary, rollout } = observation;
  const known = statusOf(observation).idle?.revision;
  if (!isSwap(observation) || known === undefined || runs(canaryRevision) !== known) return undefined;
  const message = `spec.revision is ${canaryRevision?.value ?? ''}, but ${workloadOf(rollout.spec.canary)} of the idle service ${canary.service} is still what it was when traffic left it; deploy the release there.`;
  return { reason: 'IdleUnchanged', message };
}

function workloadOf({ workload }: StableRef): string {
  return workload === undefined ? 'the workload' : `${workload.kind} ${workload.name}`;
}

/** wasSwapped: an empty status on such a route is a lost one, and what is idle an old version. */
export function wasSwapped({ isSwapped }: Observation, { writer }: RouteObservation): boolean {
  return isSwapped || (writer !== undefined && isOurs(writer.manager));
}

/** takeAsIs is the first look at a pair of which one service has everything: nothing that runs there already is new. */
export function takeAsIs(observation: Observation, canaryRevision: RevisionObservation): Decision {
  const { rollout, stable, canary, stableRevision } = observation;
  const revision = rollout.spec.revision ?? stableRevision?.value ?? canaryRevision.value;
  const message = `Service ${stable.service} is live, ${canary.service} is idle; both are taken as they are. A new revision of ${workloadOf(rollout.spec.canary)} starts a rollout.`;
  return wait(observation, {
    phase: 'Succeeded',
    reason: 'Unchanged',
    message,
    revision,
    promotedRevision: revision,
    stableRevision: runs(stableRevision) ?? null,
    idle: compact({ revision: runs(canaryRevision) }),
  });
}

/**
 * swapRoles ends a rollout: one write of the status, with which the canary that has everything is stable. The entry gets
 * the place of the other one when the route is put in order at rest (restorePending).
 */
export function swapRoles(observation: Observation, found: Touched): Decision {
  const { rollout, verdict } = observation;
  const { status, target } = found;
  const revision = (status.progress === undefined ? status.promotedRevision : undefined) ?? status.revision ?? '';
  const { target: next, left } = exchange(observation, target);
  const message = `Revision ${revision} was promoted: Service ${target.canary.service} is live, ${target.stable.service} is idle. Deploy the next release to ${workloadOf(rollout.spec.stable)}. ${verdict.message}`;
  const named = status.workloadRevision ?? runs(observation.canaryRevision);
  const live = rollout.spec.revision === undefined ? revision : named;
  return wait(observation, {
    phase: 'Succeeded',
    reason: 'Swapped',
    message,
    weight: 0,
    progress: null,
    revision,
    promotedRevision: revision,
    stableRevision: live ?? null,
    liveService: target.canary.service,
    // What came to stable's workload since is a release that nobody has judged: it starts when the roles are changed.
    idle: compact({ revision: status.stableRevision ?? runs(observation.stableRevision), routes: left }),
    target: next,
  });
}

/** Exchanged is a target with the roles changed, and how the rules listed the service that is idle then. */
export interface Exchanged {
  readonly target: RolloutTarget;
  readonly left: readonly OwnRoute[];
}

/** exchange makes the canary of a touched route its stable service. */
export function exchange({ pair }: Observation, target: RolloutTarget): Exchanged {
  const { stable, canary, raisedAt: _raisedAt, corrections: _corrections, ...place } = target;
  const { baseline, left } = swapBaseline(asBaseline(target), pair);
  return { target: { ...place, stable: canary, canary: stable, baseline }, left };
}
