/**
 * Carries a decision out: at most one route write and one status write, in the order that keeps the traffic at or below
 * what status allows (raising: status, then the route; lowering: the route, then status).
 */
import { keyOf, resources } from '../api/kubernetes.ts';
import { isSame, mergePatch } from '../api/merge-patch.ts';
import type { CallOptions, JsonPatchOperation, ObjectStore } from '../api/object-store.ts';
import type { Rollout } from '../api/rollout.ts';
import type { HistoryEntry, RolloutStatus } from '../api/rollout-status.ts';
import { isSluiceError } from '../errors.ts';
import type { Decision, Notice } from '../rollout/decision.ts';
import type { Observation } from '../rollout/observation.ts';
import { mergeObserved } from '../rollout/answer.ts';
import { isTrouble } from '../rollout/conditions.ts';
import { isLosing, lostText, refusedRaise } from '../rollout/deadline.ts';
import { isTransition, isWorthWriting } from '../rollout/status.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Target } from '../traffic/merge.ts';
import { buildPatch, type Insistence } from '../traffic/patch.ts';
import { asRoute, type RouteObject, type RouteSource } from '../traffic/route-object.ts';
import type { Caches } from './caches.ts';
import { writeTemplate } from './copy.ts';
import { fenced, settled, whileHeld, type Acted, type Settled } from './fenced-write.ts';
import { conceal, expose, type MatchRouteOwner } from './match-route.ts';
import { metadataPatch } from './metadata-patch.ts';
import type { Grant } from './ownership.ts';
import { insistOnWeights } from './written-weights.ts';

/** RecordEvent reports something to the people who look at the object. */
export type RecordEvent = (rollout: Rollout, notice: Notice) => void;

/** Actor is what acting needs. */
export interface Actor {
  readonly store: ObjectStore;
  readonly caches: Caches;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly recordEvent: RecordEvent;
  /** onTransition is told of each stored change of phase, reason or weight; it must not throw. */
  readonly onTransition: (rollout: Rollout, entry: HistoryEntry) => void;
}

/** Subject is what is acted on: the observation, and the route it was made from. */
export interface Subject {
  readonly observation: Observation;
  /** stored is the Rollout as the API server has it. */
  readonly stored: Rollout;
  readonly route: RouteObject | undefined;
  /** grant is the right to write. */
  readonly grant: Grant;
  /** isRetry tells that the last attempt was lost to somebody else. */
  readonly isRetry?: boolean | undefined;
}

/** act carries out one decision. */
export async function act(actor: Actor, subject: Subject, decision: Decision): Promise<Acted> {
  switch (decision.kind) {
    case 'Claim':
    case 'Release':
    case 'Acknowledge':
      return patchMetadata(actor, subject, metadataPatch(subject.observation.rollout, decision.kind));
    case 'Wait':
      return writeStatus(actor, subject, decision);
    case 'Raise':
      return raise(actor, subject, decision);
    case 'Lower':
      return lower(actor, subject, decision);
    case 'Copy':
      return copy(actor, subject, decision);
    case 'Expose':
      return expose(actor, ownerOf(subject), decision);
    case 'Conceal':
      return concealOr(actor, subject, decision);
    default:
      return decision satisfies never;
  }
}

function ownerOf({ observation, grant }: Subject): MatchRouteOwner {
  return { rollout: observation.rollout, grant };
}

/** Where it cannot be deleted it is tried again, and what does not have to wait for that is done now. */
async function concealOr(actor: Actor, subject: Subject, decision: Decision & { kind: 'Conceal' }): Promise<Acted> {
  try {
    return await conceal(actor, ownerOf(subject), decision.ingressRoute);
  } catch (error) {
    if (decision.otherwise !== undefined && !isSluiceError(error, 'NotLeading', 'Aborted'))
      await act(actor, subject, decision.otherwise);
    throw error;
  }
}

async function raise(actor: Actor, subject: Subject, decision: Decision & { kind: 'Raise' }): Promise<Acted> {
  const { observation, isRetry } = subject;
  const stored = await writeStatus(actor, subject, decision);
  if (stored === 'Lost') return 'Lost';
  try {
    const routed = await writeRoute(actor, subject, {
      target: decision.target,
      status: decision.status,
      insistence: 'Version',
      options: fenced(actor, subject.grant),
    });
    if (routed === 'Lost' && isRetry === true && isLosing(observation)) await sayRefused(actor, subject, lostText);
    return both(stored, routed);
  } catch (error) {
    const isOver = isSluiceError(error, 'NotLeading', 'Aborted');
    if (!isOver && isSluiceError(error)) await sayRefused(actor, subject, error.message);
    throw error;
  }
}

/** A weight that the route does not take has to show, and the deadline counts from here. */
async function sayRefused(actor: Actor, subject: Subject, message: string): Promise<void> {
  const rollout = actor.caches.rollout(keyOf(subject.observation.rollout));
  if (rollout === undefined) return;
  const observation = { ...subject.observation, rollout };
  const status = refusedRaise(observation, message);
  if (status !== undefined)
    await writeStatus(actor, { ...subject, observation, stored: rollout }, { status, notices: [] });
}

async function lower(actor: Actor, subject: Subject, decision: Decision & { kind: 'Lower' }): Promise<Acted> {
  const status = subject.observation.rollout.status ?? {};
  let acted: Acted | undefined;
  try {
    acted = await writeRoute(actor, subject, {
      target: decision.target,
      status,
      insistence: insistenceOf(subject, decision),
      options: whileHeld(actor, subject.grant),
    });
    // The weights are everybody's; who asks for the canary comes after them, and before anybody hears that it is out.
    if (acted !== 'Lost' && decision.conceal !== undefined)
      acted = both(acted, await conceal(actor, ownerOf(subject), decision.conceal));
  } catch (error) {
    // Whoever asks for the canary is sent back also where the weights cannot be written.
    const isUntried = acted === undefined && decision.conceal !== undefined;
    if (isUntried) await conceal(actor, ownerOf(subject), decision.conceal).catch(() => undefined);
    // The intention must survive a restart, also when the route cannot be written now.
    await writeStatus(actor, subject, decision.refused);
    await acknowledge(actor, subject);
    throw error;
  }
  return acted === 'Lost' ? 'Lost' : both(acted, await writeStatus(actor, subject, decision));
}

/** A command that was handled while the route refuses is removed, too: as long as that lasts nothing else decides. */
async function acknowledge(actor: Actor, subject: Subject): Promise<void> {
  const rollout = actor.caches.rollout(keyOf(subject.observation.rollout));
  if (subject.observation.command?.state !== 'Handled' || rollout === undefined) return;
  await patchMetadata(actor, subject, metadataPatch(rollout, 'Acknowledge'));
}

/**
 * A lowering insists on the object that was read, so that it does not hit the next revision when it arrives late. Where
 * somebody was faster it may not be held up: a rollback then insists on the names only, a step of the way back, which is
 * no emergency, on the entries.
 */
function insistenceOf({ isRetry }: Subject, { target, status }: Decision & { kind: 'Lower' }): Insistence {
  if (isRetry !== true) return 'Version';
  return target.kind === 'Baseline' && status.reason !== 'Returned' ? 'Names' : 'Entries';
}

/** both: one write alone makes the world another one too; nobody else would wake the rollout for a write of its own. */
function both(first: Acted, second: Acted): Acted {
  return second === 'Unchanged' ? first : second;
}

async function writeRoute(
  actor: Actor,
  { observation, route, grant }: Subject,
  to: {
    readonly target: Target;
    readonly status: RolloutStatus;
    readonly insistence: Insistence;
    readonly options: CallOptions;
  },
): Promise<Acted> {
  const { target } = to.status;
  if (target === undefined || route === undefined) return 'Lost';
  const merged = mergeObserved(observation, { routes: route.routes, target }, to.target);
  const operations = buildPatch(route, merged.routes, to.insistence);
  if (operations.length === 0) return 'Unchanged';
  const { resource, key } = route;
  const outcome = await settled(actor.store.patch<RouteSource>(resource, key, operations, to.options));
  actor.metrics.write('Route', outcome.kind);
  if (outcome.kind === 'Written') {
    const written = asRoute(resource, outcome.object);
    actor.caches.remember({ route: written });
    if (to.insistence === 'Version') insistOnWeights(written, merged.routes, observation);
    return 'Written';
  }
  actor.logger.debug('route write lost', {
    route: key,
    why: outcome.kind === 'Missing' ? 'it is gone' : outcome.message,
  });
  // The cache may be behind a busy writer: what is read now is what the next decision rests on.
  const current = await actor.store.get<RouteSource>(resource, key, { signal: grant.signal });
  if (current !== undefined) actor.caches.remember({ route: asRoute(resource, current) });
  return 'Lost';
}

async function copy(actor: Actor, subject: Subject, decision: Decision & { kind: 'Copy' }): Promise<Acted> {
  const { observation, grant } = subject;
  const outcome = await writeTemplate(actor.store, { observation, options: fenced(actor, grant) }, decision);
  if (outcome.kind !== 'Refused') actor.metrics.write('Template', outcome.kind);
  if (outcome.kind !== 'Written' && outcome.kind !== 'Refused') return 'Lost';
  const acted = await writeStatus(actor, subject, { ...decision, status: outcome.status });
  return outcome.kind === 'Written' ? both('Written', acted) : acted;
}

async function writeStatus(
  actor: Actor,
  subject: Subject,
  next: { readonly status: RolloutStatus; readonly notices: readonly Notice[] },
): Promise<Acted> {
  const { rollout } = subject.observation;
  const before = rollout.status ?? {};
  if (!isWorthWriting(before, next.status)) return 'Unchanged';
  const patch = mergePatch(subject.stored.status ?? {}, next.status);
  const change = {
    resourceVersion: rollout.metadata.resourceVersion ?? '',
    status: patch,
    whole: next.status,
  };
  const options = fenced(actor, subject.grant);
  const outcome = await settled(actor.store.patchStatus<Rollout>(resources.rollouts, keyOf(rollout), change, options));
  actor.metrics.write('Status', outcome.kind);
  const written = outcome.kind === 'Written' ? outcome.object : await findWritten(actor, subject, { outcome, next });
  if (written === undefined) return outcome.kind === 'Missing' ? 'Unchanged' : 'Lost';
  actor.caches.remember({ rollout: written });
  report(actor, rollout, { before, ...next });
  return 'Written';
}

/** findWritten reads again what was lost; a write of unknown outcome was made if that is what is there now. */
async function findWritten(
  actor: Actor,
  subject: Subject,
  { outcome, next }: { readonly outcome: Settled<Rollout>; readonly next: { readonly status: RolloutStatus } },
): Promise<Rollout | undefined> {
  if (outcome.kind === 'Missing') return undefined;
  const current = await readAgain(actor, subject);
  const isThere = current?.status !== undefined && isSame(current.status, next.status);
  return outcome.kind === 'Unknown' && isThere ? current : undefined;
}

/** report follows the successful write: a transition that was not stored has not happened. */
function report(
  actor: Actor,
  rollout: Rollout,
  change: { readonly before: RolloutStatus; readonly status: RolloutStatus; readonly notices: readonly Notice[] },
): void {
  for (const notice of change.notices) actor.recordEvent(rollout, notice);
  const entry = change.status.history?.at(-1);
  if (entry === undefined || !isTransition(change.before, change.status)) return;
  const { from, to, weight, reason } = entry;
  const { message = '' } = change.status;
  actor.metrics.transition(reason);
  actor.onTransition(rollout, entry);
  actor.recordEvent(rollout, { type: isTrouble(to, reason) ? 'Warning' : 'Normal', reason, message });
  actor.logger.info('transition', { rollout: keyOf(rollout), from, to, weight, reason, message });
}

async function patchMetadata(
  actor: Actor,
  subject: Subject,
  operations: readonly JsonPatchOperation[],
): Promise<Acted> {
  const { rollout } = subject.observation;
  const options = fenced(actor, subject.grant);
  const outcome = await settled(actor.store.patch<Rollout>(resources.rollouts, keyOf(rollout), operations, options));
  actor.metrics.write('Metadata', outcome.kind);
  if (outcome.kind !== 'Written') return refresh(actor, subject, outcome);
  actor.caches.remember({ rollout: outcome.object });
  return 'Written';
}

async function refresh(actor: Actor, subject: Subject, outcome: Settled<Rollout>): Promise<Acted> {
  if (outcome.kind === 'Missing') return 'Unchanged';
  await readAgain(actor, subject);
  return 'Lost';
}

async function readAgain(actor: Actor, { observation, grant }: Subject): Promise<Rollout | undefined> {
  const key = keyOf(observation.rollout);
  const current = await actor.store.get<Rollout>(resources.rollouts, key, { signal: grant.signal });
  if (current !== undefined) actor.caches.remember({ rollout: current });
  return current;
}
