/** What happens when the route goes away under a rollout, or comes back as another object. */
import type { HoldState, RolloutProgress, RolloutTarget } from '../api/rollout-status.ts';
import { formatTime } from '../clock.ts';
import { adoptBaseline, takeBaseline, type Baseline } from '../traffic/baseline.ts';
import {
  extendTarget,
  isAsked,
  percentOf,
  statusOf,
  touched,
  unchanged,
  wait,
  type Question,
  type Touched,
} from './answer.ts';
import type { Observation, RouteObservation } from './observation.ts';
import { otherRules, withOtherRules } from './other-rules.ts';
import { readySeen } from './readiness.ts';
import { workloadsNow } from './renewal.ts';
import { routeNameOf } from './route-name.ts';
import { isAtRest, type StatusChange } from './status.ts';
import { describePlan, indexForWeight } from './steps.ts';

/** routeGone waits for a route that was touched and does not exist any more, or lists neither service. */
export const routeGone: Question = (observation) => {
  const status = statusOf(observation);
  const { route, stable, canary } = observation;
  if (status.target === undefined || isAtRest(status) || (route?.split.routes.length ?? 0) > 0) return undefined;
  const name = routeNameOf(status.target);
  const message =
    route === undefined
      ? `${name} does not exist any more; create it again, or abort.`
      : `${name} lists neither ${stable.service} nor ${canary.service} any more${inRule(status.target)}; list ${stable.service} again, or abort.`;
  if (isAsked(observation, 'abort')) return wait(observation, abandoned(status.revision ?? '', message));
  const change = {
    phase: 'Degraded',
    reason: route === undefined ? 'RouteMissing' : 'ServiceNotInRoute',
    message,
  } as const;
  if (observation.command?.state !== 'New') return wait(observation, change);
  // Kept until the route is back it would promote what nobody has looked at.
  const text = `The command ${observation.command.verb} is not executed: ${message}`;
  return wait(
    observation,
    { ...change, command: true },
    { notices: [{ type: 'Warning', reason: 'CommandIgnored', message: text }] },
  );
};

function inRule({ match }: RolloutTarget): string {
  return match === undefined ? '' : ` in the rule ${match}`;
}

function abandoned(revision: string, message: string): StatusChange {
  return {
    phase: 'Failed',
    reason: 'Aborted',
    message,
    weight: 0,
    progress: null,
    target: null,
    command: true,
    failedRevision: revision,
  };
}

/** routeRecreated takes a new object for what it is: the canary stays out until somebody promotes. */
export const routeRecreated: Question = (observation) => {
  const found = touched(observation);
  if (found === undefined || found.route.uid === found.target.uid) return undefined;
  if (isAtRest(found.status)) return wait(observation, { ...unchanged(observation), target: null });
  const { others: _others, ...known } = found.target;
  const { uid, routes } = found.route;
  const target = {
    ...known,
    ...otherRules(routes, observation.pair),
    uid,
    baseline: baselineOf(observation, found.route),
  };
  if (found.status.progress?.direction === 'Back') return wait(observation, { ...unchanged(observation), target });
  const weight = percentOf(found.route);
  const message = `${routeNameOf(found.target)} was deleted and created again; the canary is at ${weight}%. Promote to go on from there, or abort.`;
  return wait(observation, { ...held(observation, found, { reason: 'RouteRecreated', message, weight }), target });
};

/** ruleAdded stores how a rule was that came to list the pair in mid-rollout, before anything is written into it, or that it is none of ours. */
export const ruleAdded: Question = (observation) => {
  const found = touched(observation);
  const target =
    found &&
    (extendTarget(observation, found.target) ?? withOtherRules(found.route.routes, observation.pair, found.target));
  return target === undefined ? undefined : wait(observation, { ...unchanged(observation), target });
};

/** baselineOf is how a route has to look at rest: as it is, or without the canary where that has traffic already. */
export function baselineOf({ pair }: Observation, route: RouteObservation): Baseline {
  return route.split.canaryPercent > 0 ? adoptBaseline(route.routes, pair) : takeBaseline(route.routes, pair);
}

/** held stops a rollout at the weight that the route has, until somebody promotes or aborts. */
export function held(
  observation: Observation,
  found: Touched | undefined,
  why: { readonly reason: HoldState['reason']; readonly message: string; readonly weight: number },
): StatusChange {
  const now = formatTime(observation.nowMs);
  const { reason, message, weight } = why;
  const isForward = found?.status.progress?.direction === 'Forward';
  const progress: RolloutProgress = {
    direction: 'Forward',
    index: indexForWeight(observation.steps, weight),
    weight,
    from: weight,
    startedAt: found?.status.progress?.startedAt ?? now,
    enteredAt: now,
    appliedAt: now,
    plan: describePlan(observation.steps),
    hold: { reason, message, since: now },
    // On the way back the endpoints that were counted are the canary's.
    ...(isForward ? readySeen(found?.status.progress) : {}),
  };
  return { phase: 'Paused', reason, message, weight, progress, ...(isForward ? {} : onTheWayAgain(observation)) };
}

/** onTheWayAgain: from a Hold or the way back what the canary has now is judged, and copied when that is promoted. */
function onTheWayAgain(observation: Observation): Partial<StatusChange> {
  const { stableRevision, stableImages, workloadRevision } = workloadsNow(observation);
  const isPromoted = observation.canaryRevision?.value === statusOf(observation).promotedRevision;
  // Another revision than the promoted one waits for a stable that is newer than now.
  return { copy: null, workloadRevision, ...(isPromoted ? {} : { stableRevision, stableImages }) };
}
