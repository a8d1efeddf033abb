/** Writes and deletes the IngressRoute of spec.canary.match. */
import { keyOf, resources } from '../api/kubernetes.ts';
import type { JsonPatchOperation, ObjectStore } from '../api/object-store.ts';
import type { Rollout } from '../api/rollout.ts';
import type { IngressRoute } from '../api/traefik.ts';
import { isSluiceError } from '../errors.ts';
import type { Decision, Notice } from '../rollout/decision.ts';
import { isAsWanted } from '../rollout/match-route.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { asRoute } from '../traffic/route-object.ts';
import type { Caches } from './caches.ts';
import { fenced, settled, whileHeld, type Acted } from './fenced-write.ts';
import type { Grant } from './ownership.ts';

/** MatchRouteActor is what writing a match route needs. */
export interface MatchRouteActor {
  readonly store: ObjectStore;
  readonly caches: Caches;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly recordEvent: (rollout: Rollout, notice: Notice) => void;
}

/** MatchRouteOwner is whose match route it is, and the right to write. */
export interface MatchRouteOwner {
  readonly rollout: Rollout;
  readonly grant: Grant;
}

/**
 * expose writes the match route. Where that does not succeed an event says so and it is tried again later: those who ask
 * for the canary are no reason to hold up a rollout, much less a rollback.
 */
export async function expose(
  actor: MatchRouteActor,
  owner: MatchRouteOwner,
  { ingressRoute, present }: Decision & { kind: 'Expose' },
): Promise<Acted> {
  try {
    return await (present === undefined
      ? create(actor, owner, ingressRoute)
      : replace(actor, owner, { present, wanted: ingressRoute }));
  } catch (error) {
    if (isSluiceError(error, 'NotLeading', 'Aborted') || !isSluiceError(error)) throw error;
    notWritten(actor, owner, ingressRoute, error.message);
    return 'Unchanged';
  }
}

/** The watch brings what was created, and wakes the Rollout; so it does where somebody else was faster. */
async function create(
  actor: MatchRouteActor,
  { rollout, grant }: MatchRouteOwner,
  wanted: IngressRoute,
): Promise<Acted> {
  const outcome = await settled(actor.store.create(resources.ingressRoutes, wanted, fenced(actor, grant)));
  actor.metrics.write('MatchRoute', outcome.kind);
  if (outcome.kind === 'Written') {
    const message = `IngressRoute ${wanted.metadata.name} sends the requests of spec.canary.match to Service ${rollout.spec.canary.service}.`;
    actor.recordEvent(rollout, { type: 'Normal', reason: 'MatchRouteAdded', message });
  }
  return 'Unchanged';
}

async function replace(
  actor: MatchRouteActor,
  owner: MatchRouteOwner,
  { present, wanted }: { readonly present: IngressRoute; readonly wanted: IngressRoute },
): Promise<Acted> {
  const key = keyOf(present);
  const { store, caches, metrics } = actor;
  const operations = patchOf(present, wanted);
  const options = fenced(actor, owner.grant);
  const outcome = await settled(store.patch<IngressRoute>(resources.ingressRoutes, key, operations, options));
  metrics.write('MatchRoute', outcome.kind);
  if (outcome.kind === 'Missing') return 'Unchanged';
  if (outcome.kind === 'Written') {
    caches.remember({ route: asRoute(resources.ingressRoutes, outcome.object) });
    if (isAsWanted(outcome.object, wanted)) return 'Written';
    // An admission webhook, say: writing it again at once would change nothing.
    notWritten(actor, owner, wanted, 'something on its way to the API server changes what is written');
    return 'Unchanged';
  }
  const current = await store.get<IngressRoute>(resources.ingressRoutes, key, { signal: owner.grant.signal });
  if (current !== undefined) caches.remember({ route: asRoute(resources.ingressRoutes, current) });
  return 'Lost';
}

/** The object is Sluice's own: it is replaced whole, as it was read. */
function patchOf(present: IngressRoute, wanted: IngressRoute): readonly JsonPatchOperation[] {
  return [
    { op: 'test', path: '/metadata/resourceVersion', value: present.metadata.resourceVersion },
    { op: 'add', path: '/metadata/annotations', value: wanted.metadata.annotations ?? {} },
    { op: 'replace', path: '/spec', value: wanted.spec },
  ];
}

function notWritten(
  { recordEvent, logger }: MatchRouteActor,
  { rollout }: MatchRouteOwner,
  { metadata: { name } }: IngressRoute,
  why: string,
): void {
  const message = `IngressRoute ${name} for the requests of spec.canary.match could not be written: ${why}`;
  recordEvent(rollout, { type: 'Warning', reason: 'MatchRouteNotWritten', message });
  logger.warn('match route not written', { rollout: keyOf(rollout), error: why });
}

/** conceal deletes the match route that was read, and no other one; it throws where that cannot be done. */
export async function conceal(
  actor: MatchRouteActor,
  { rollout, grant }: MatchRouteOwner,
  present: IngressRoute,
): Promise<Acted> {
  const outcome = await settled(actor.store.delete(resources.ingressRoutes, present, whileHeld(actor, grant)));
  actor.metrics.write('MatchRoute', outcome.kind);
  if (outcome.kind === 'Unknown') return 'Lost';
  // Else it would be there until the watch says so. What is there in its place the watch has to bring.
  actor.caches.forget(asRoute(resources.ingressRoutes, present));
  if (outcome.kind === 'Written') {
    const message = `IngressRoute ${present.metadata.name} is removed; the requests of spec.canary.match go where all others do.`;
    actor.recordEvent(rollout, { type: 'Normal', reason: 'MatchRouteRemoved', message });
  }
  return 'Written';
}
