/**
 * When the requests of spec.canary.match have a way of their own to the canary: while the canary has a part of the route on
 * the way forward, and has ready endpoints. Nothing else of a decision depends on it.
 */
import type { IngressRoute } from '../api/traefik.ts';
import { running, statusOf } from './answer.ts';
import { findBrake } from './brake.ts';
import { finalizer, type Decision } from './decision.ts';
import { isGivenUp } from './deletion.ts';
import { isAsWanted } from './match-route.ts';
import type { Observation } from './observation.ts';
import { isAtRest, isWorthWriting, statusSchema } from './status.ts';

/** retryMs is how soon a match route that could not be written is tried again. */
const retryMs = 10_000;

/**
 * withExposure adds to a decision what is to become of the match route. Where it has to go that comes first; a lowering
 * takes it along once the weights are written: these are everybody's. One that cannot be taken away holds back nothing but
 * rest: no command, and no traffic that stable cannot serve. Where it has to come or to change, that waits until nothing
 * else is to be stored.
 */
export function withExposure(observation: Observation, decision: Decision): Decision {
  const { present } = observation.matchRoute;
  const wanted = wantedNow(observation);
  if (present !== undefined && decision.kind === 'Lower') {
    const isLeft = wanted === undefined || decision.target.kind === 'Baseline';
    return isLeft ? { ...decision, conceal: present } : decision;
  }
  if (wanted !== undefined) return expose(observation, wanted, decision);
  // The garbage collector takes what a Rollout leaves behind.
  if (present === undefined || (decision.kind === 'Release' && isGivenUp(observation))) return decision;
  const otherwise = comesToRest(observation, decision) ? undefined : decision;
  return { kind: 'Conceal', ingressRoute: present, otherwise };
}

/** comesToRest: where it is said to be over nobody reaches the canary by a way of their own any more. */
function comesToRest(observation: Observation, decision: Decision): boolean {
  if (decision.kind === 'Release') return true;
  return 'status' in decision && isAtRest(decision.status) && !isAtRest(statusOf(observation));
}

function expose(observation: Observation, wanted: IngressRoute, decision: Decision): Decision {
  const { present } = observation.matchRoute;
  if (decision.kind !== 'Wait' || isWorthWriting(statusOf(observation), decision.status)) return decision;
  if (!isOpen(observation) || (present !== undefined && isAsWanted(present, wanted))) return decision;
  // Without the finalizer a deletion would leave it to the garbage collector, which takes its time.
  if (observation.rollout.metadata.finalizers?.includes(finalizer) !== true) return { kind: 'Claim' };
  const requeueAfterMs = Math.min(decision.requeueAfterMs ?? retryMs, retryMs);
  return { kind: 'Expose', ingressRoute: wanted, present, requeueAfterMs };
}

function wantedNow(observation: Observation): IngressRoute | undefined {
  const found = running(observation, 'Forward');
  const { canary, matchRoute, rollout } = observation;
  if (found === undefined || found.route.uid !== found.target.uid) return undefined;
  if (canary.readyEndpoints === 0 || rollout.metadata.deletionTimestamp !== undefined) return undefined;
  return matchRoute.wanted;
}

/** isOpen: a new way to the canary is a raise, and obeys what holds those; one that is there follows the route in any case. */
function isOpen(observation: Observation): boolean {
  const { progress, schema = statusSchema } = statusOf(observation);
  if (schema > statusSchema) return false;
  if (observation.matchRoute.present !== undefined) return true;
  return progress?.hold === undefined && findBrake(observation) === undefined;
}
