/**
 * Plays a rollout forward without writing anything: `decide` is asked again and again about a world in which everything
 * goes well, and what it wants written is written into that world. So it is the controller that says what it would do.
 */
import jsonPatch, { deepClone } from 'fast-json-patch';
import { startEvidence } from './analysis/evidence.ts';
import type { Verdict } from './analysis/verdict.ts';
import { keyOf, resources, type KubernetesObject } from './api/kubernetes.ts';
import type { JsonPatchOperation } from './api/object-store.ts';
import type { Rollout } from './api/rollout.ts';
import type { RolloutStatus } from './api/rollout-status.ts';
import type { IngressRoute } from './api/traefik.ts';
import type { Moment, Rehearsal } from './cli/plan-report.ts';
import { formatTime } from './clock.ts';
import { observe, readScene, type Scene } from './reconciler/observe.ts';
import { cachesOf, type KnownObject } from './reconciler/stores.ts';
import { fieldManager } from './rollout/applied.ts';
import { mergeObserved, statusOf } from './rollout/answer.ts';
import { decide } from './rollout/decide.ts';
import { finalizer, type Decision } from './rollout/decision.ts';
import type { Observation } from './rollout/observation.ts';
import type { FrozenTime } from './rollout/schedule.ts';
import { isAtRest, isWorthWriting } from './rollout/status.ts';
import { commandAnnotation } from './rollout/verbs.ts';
import type { Target } from './traffic/merge.ts';
import { buildPatch } from './traffic/patch.ts';
import { servicesField, type RouteObject, type RouteSource } from './traffic/route-object.ts';

/** RehearsalOptions: `objects` are what is known around the Rollout; problems of the reasons in `elsewhere` are none. */
export interface RehearsalOptions {
  readonly rollout: Rollout;
  readonly objects: readonly KnownObject[];
  readonly nowMs: number;
  readonly freezes: readonly FrozenTime[];
  readonly elsewhere?: readonly string[];
}

/** A ramp has a hundred steps of some looks each; what takes more does not come to an end. */
const maxLooks = 5_000;

const passed: Verdict = { kind: 'Pass', reason: 'ProvenSafe', message: 'The canary is proven safe.' };

/** World is what is written into. */
interface World {
  nowMs: number;
  rollout: Rollout;
  objects: readonly KnownObject[];
  hasBegun: boolean;
  readonly moments: Moment[];
  readonly from: Rehearsal['from'];
  readonly freezes: readonly FrozenTime[];
  readonly elsewhere: readonly string[];
}

interface Look {
  readonly scene: Scene;
  readonly observation: Observation;
}

/** rehearse returns what the controller would do from now on, if the canary is proven safe as soon as it may be. */
export function rehearse({ rollout, objects, nowMs, freezes, elsewhere = [] }: RehearsalOptions): Rehearsal {
  const versioned = objects.map(({ kind, object }) => ({ kind, object: stamped(object) }));
  const from = rollout.status?.progress;
  const hasBegun = from !== undefined;
  const known = { from, objects: versioned, freezes, elsewhere };
  const world: World = { ...known, nowMs, rollout: stamped(rollout), hasBegun, moments: [] };
  for (let looks = 0; looks < maxLooks; looks += 1) {
    const look = observeWorld(world);
    const decision = decide(look.observation);
    noteBack(world, look, decision);
    const isDone = !act(world, look, decision);
    if (world.hasBegun && isEnd(world.rollout.status)) return ended(world, undefined);
    if (isDone && !goOn(world, decision))
      return ended(world, statusOf(look.observation).message ?? 'it does not start');
  }
  return ended(world, 'it does not come to an end');
}

function stamped<T extends KubernetesObject>(object: T): T {
  const { uid = 'unknown', resourceVersion = '0' } = object.metadata;
  return { ...object, metadata: { ...object.metadata, uid, resourceVersion } };
}

function isEnd(status: RolloutStatus = {}): boolean {
  return isAtRest(status) || status.phase === 'Succeeded' || status.phase === 'Promoting';
}

/** observeWorld sees a world in which all is ready; only the schedule may still be against it. */
function observeWorld(world: World): Look {
  const { rollout, nowMs, freezes } = world;
  const caches = cachesOf([{ kind: resources.rollouts, object: rollout }, ...world.objects]);
  const scene = readScene(rollout, caches, 'On');
  const { judged } = scene;
  const begun = judged && startEvidence(judged.id, judged.stage.sinceMs ?? nowMs, scene.spec, { blocks: [] });
  const evidence = begun && { ...begun, watermark: formatTime(nowMs) };
  const seen = observe(scene, caches, { nowMs, source: { kind: 'Ready' }, evidence, freezes });
  const most = Math.max(1, rollout.spec.readiness.minReady, seen.stable.readyEndpoints, seen.canary.readyEndpoints);
  const { stable, canary } = seen;
  return {
    scene,
    observation: {
      ...seen,
      problems: seen.problems.filter(({ reason }) => !world.elsewhere.includes(reason)),
      stable: { ...stable, readyEndpoints: stable.readyEndpoints === 0 ? most : stable.readyEndpoints },
      canary: { service: canary.service, readyEndpoints: Math.max(most, canary.readyEndpoints) },
      canaryRevision: revisionIn(world, seen),
      imagesDiffer: true,
      verdict: passed,
    },
  };
}

/** What has been promoted, or has failed, already starts nothing: the next revision does. */
function revisionIn({ rollout, hasBegun }: World, { canaryRevision }: Observation): Observation['canaryRevision'] {
  const { promotedRevision, failedRevisions = [], revision } = rollout.status ?? {};
  if (hasBegun) return { value: revision ?? '', settled: true, message: '' };
  const value = canaryRevision?.value ?? 'next';
  const isOver = value === promotedRevision || failedRevisions.includes(value);
  return { value: isOver ? 'next' : value, settled: true, message: '' };
}

/** act writes into the world and tells whether anything was written. */
function act(world: World, look: Look, decision: Decision): boolean {
  switch (decision.kind) {
    case 'Claim':
      return changeMetadata(world, { finalizers: [finalizer] });
    case 'Release':
      return changeMetadata(world, { finalizers: [] });
    case 'Acknowledge':
      return changeMetadata(world, { annotations: {} });
    case 'Expose':
      return expose(world, decision.ingressRoute);
    case 'Conceal':
      world.objects = world.objects.filter(({ object }) => keyOf(object) !== keyOf(decision.ingressRoute));
      return true;
    case 'Copy':
      return false;
    case 'Raise':
      storeStatus(world, decision.status);
      return writeRoute(world, look, { target: decision.target, status: decision.status });
    case 'Lower':
      writeRoute(world, look, { target: decision.target, status: statusOf(look.observation) });
      return storeStatus(world, decision.status);
    case 'Wait':
      return isWorthWriting(statusOf(look.observation), decision.status) && storeStatus(world, decision.status);
    default:
      return decision satisfies never;
  }
}

function changeMetadata(world: World, change: Partial<KubernetesObject['metadata']>): true {
  world.rollout = { ...world.rollout, metadata: { ...world.rollout.metadata, ...change } };
  return true;
}

function storeStatus(world: World, status: RolloutStatus): true {
  const { progress, phase, weight = 0 } = status;
  const before = world.rollout.status?.progress?.index;
  world.rollout = { ...world.rollout, status };
  if (progress !== undefined) world.hasBegun = true;
  const isPause = phase === 'Paused' && status.reason === 'PauseStep' && progress !== undefined;
  if (isPause && before !== progress.index)
    world.moments.push({ kind: 'Paused', atMs: world.nowMs, index: progress.index, weight });
  return true;
}

function expose(world: World, ingressRoute: IngressRoute): true {
  const object = stamped({ ...ingressRoute, metadata: { ...ingressRoute.metadata, uid: 'match' } });
  const others = world.objects.filter((one) => keyOf(one.object) !== keyOf(object));
  if (others.length === world.objects.length) world.moments.push({ kind: 'Matched', atMs: world.nowMs, ingressRoute });
  world.objects = [...others, { kind: resources.ingressRoutes, object }];
  return true;
}

function writeRoute(
  world: World,
  { scene, observation }: Look,
  to: { readonly target: Target; readonly status: RolloutStatus },
): boolean {
  const patch = patchFor(scene.routeObject, observation, to);
  const { routeObject } = scene;
  if (routeObject === undefined || patch.length === 0) return false;
  const { progress, weight = 0 } = world.rollout.status ?? {};
  const index = progress?.index ?? 0;
  world.moments.push({
    kind: 'Written',
    atMs: world.nowMs,
    index,
    weight,
    patch: withoutVersion(patch),
    back: undefined,
  });
  const written = jsonPatch.applyPatch(deepClone(routeObject.object) as RouteSource, deepClone(patch)).newDocument;
  const { resource, key } = routeObject;
  const object: KubernetesObject = { ...written, metadata: { ...written.metadata, ...writtenBy(world, routeObject) } };
  world.objects = world.objects.map((one) =>
    one.kind === resource && keyOf(one.object) === key ? { kind: resource, object } : one,
  );
  return true;
}

function patchFor(
  route: RouteObject | undefined,
  observation: Observation,
  { target, status }: { readonly target: Target; readonly status: RolloutStatus },
): readonly JsonPatchOperation[] {
  if (route === undefined || status.target === undefined) return [];
  const merged = mergeObserved(observation, { routes: route.routes, target: status.target }, target);
  return buildPatch(route, merged.routes, 'Version');
}

/** The version is the one that the route will have then. */
function withoutVersion(patch: readonly JsonPatchOperation[]): readonly JsonPatchOperation[] {
  return patch.filter(({ path }) => path !== '/metadata/resourceVersion');
}

function writtenBy({ nowMs, moments }: World, { resource }: RouteObject): Partial<KubernetesObject['metadata']> {
  const fieldsV1 = servicesField(resource);
  return {
    resourceVersion: `${moments.length}`,
    managedFields: [{ manager: fieldManager, time: formatTime(nowMs), fieldsV1 }],
  };
}

/** noteBack asks, when a weight is left, what a rollback would have written there: that of an abort is that of a failure. */
function noteBack(world: World, { observation }: Look, decision: Decision): void {
  const isLeft = decision.kind === 'Raise' || ('status' in decision && isEnd(decision.status));
  const last = world.moments.findLast((moment) => moment.kind === 'Written');
  if (!isLeft || last?.kind !== 'Written' || observation.rollout.status?.progress === undefined) return;
  const { scene, observation: seen } = observeWorld(world);
  const abort = { state: 'New', verb: 'abort', nonce: 'back', who: undefined, problem: undefined } as const;
  const back = decide({ ...seen, command: abort });
  if (back.kind !== 'Lower') return;
  last.back ??= withoutVersion(patchFor(scene.routeObject, seen, { target: back.target, status: statusOf(seen) }));
}

/** goOn lets time pass until it is looked at again, and ends a pause as a person would. */
function goOn(world: World, decision: Decision): boolean {
  const { status = {} } = world.rollout;
  const againMs = 'requeueAfterMs' in decision ? decision.requeueAfterMs : undefined;
  if (againMs !== undefined) {
    if (['Frozen', 'OutsideWindow', 'WindowOpened'].includes(status.reason ?? ''))
      world.moments.push({ kind: 'Braked', atMs: world.nowMs, message: status.message ?? '' });
    world.nowMs += Math.max(1, againMs);
    return true;
  }
  const isPause = status.reason === 'PauseStep';
  if (!isPause || status.progress === undefined) return false;
  world.moments.push({ kind: 'Promoted', atMs: world.nowMs });
  const { uid = '' } = world.rollout.metadata;
  const command = `promote p${world.moments.length} ${uid} ${status.revision ?? ''}`;
  return changeMetadata(world, { annotations: { [commandAnnotation]: command } });
}

function ended(world: World, stopped: string | undefined): Rehearsal {
  const { status = {} } = world.rollout;
  const { observation } = observeWorld(world);
  const endpoints = { stable: observation.stable.readyEndpoints, canary: observation.canary.readyEndpoints };
  const onDelete = stopped === undefined ? deletionOf(world) : [];
  return { moments: world.moments, from: world.from, endedAtMs: world.nowMs, status, stopped, onDelete, endpoints };
}

function deletionOf(world: World): readonly JsonPatchOperation[] {
  const deletionTimestamp = formatTime(world.nowMs);
  changeMetadata(world, { deletionTimestamp, finalizers: [finalizer] });
  const { scene, observation } = observeWorld(world);
  const decision = decide(observation);
  if (decision.kind !== 'Lower') return [];
  const to = { target: decision.target, status: statusOf(observation) };
  return withoutVersion(patchFor(scene.routeObject, observation, to));
}
