/** One reconcile: observe, decide, act. The reason of a wake-up is never an input. */
import { keyOf, splitKey, type ObjectKey } from '../api/kubernetes.ts';
import type { Rollout } from '../api/rollout.ts';
import type { AnalysisEvidence } from '../api/rollout-evidence.ts';
import { decide } from '../rollout/decide.ts';
import type { FrozenTime } from '../rollout/schedule.ts';
import type { Decision } from '../rollout/decision.ts';
import type { SourceObservation } from '../rollout/observation.ts';
import { isUndecided } from '../rollout/start.ts';
import { isAtRest } from '../rollout/status.ts';
import type { UserQueryMode } from '../source/user-query.ts';
import { act, type Actor } from './act.ts';
import { readCopy } from './copy.ts';
import type { Acted } from './fenced-write.ts';
import { createFirstLook } from './first-look.ts';
import { armNames, observe, readScene, type Scene } from './observe.ts';
import type { Grant, Ownership, Tenure } from './ownership.ts';
import type { Samplers } from './samplers.ts';
import type { Verifier } from './verifier.ts';

/** ReconcilerOptions are the collaborators of a reconcile; `nowMs` is the API server's time. */
export interface ReconcilerOptions extends Actor {
  readonly samplers: Samplers;
  readonly nowMs: () => number;
  readonly userQueries: UserQueryMode;
  /** freezes are the times at which the operator lets nothing be raised. */
  readonly freezes: () => readonly FrozenTime[];
  readonly ownership: Ownership;
  /** verifier asks whether weights are in effect; without one they are assumed to be. */
  readonly verifier?: Verifier | undefined;
}

/** Reconcile brings one Rollout a step further; it asks to be called again after `requeueAfterMs`. */
export type Reconcile = (key: ObjectKey, signal: AbortSignal) => Promise<{ readonly requeueAfterMs?: number }>;

/** After a write the next decision follows at once: what is true now has been read already. */
const againAfterMs = 5;
/** lostLimit lost writes in a row are no busy neighbour any more but something that a person has to see. */
const lostLimit = 20;
const maxLostDelayMs = 1_000;

/** createReconciler returns the reconcile function of the controller. */
export function createReconciler(options: ReconcilerOptions): Reconcile {
  const lost = new Map<ObjectKey, number>();
  const firstLook = createFirstLook(options);
  const work = async (rollout: Rollout, under: { readonly grant: Grant; readonly tenure: Tenure }): Promise<Done> => {
    const key = keyOf(rollout);
    if (!(await firstLook.isDone(rollout, under))) return { kind: 'Lost' };
    const current = options.caches.rollout(key) ?? rollout;
    const done = await reconcileOnce(options, current, { grant: under.grant, isRetry: lost.has(key) });
    if (done.kind === 'Written' && done.decision.kind === 'Raise') firstLook.skip(key, under.tenure);
    return done;
  };
  return async (key, signal) => {
    const rollout = options.caches.rollout(key);
    const { uid = '' } = rollout?.metadata ?? {};
    const { ownership } = options;
    const acted = rollout && (await ownership.guard(uid, signal, (grant, tenure) => work(rollout, { grant, tenure })));
    if (acted === undefined) {
      lost.delete(key);
      firstLook.forget(key);
      forget(options, key);
      return {};
    }
    if (acted.kind === 'Lost') return afterLoss(options, lost, key);
    lost.delete(key);
    return acted.kind === 'Unchanged' ? requeue(acted.decision) : { requeueAfterMs: againAfterMs };
  };
}

type Done = { readonly kind: 'Lost' } | { readonly kind: Exclude<Acted, 'Lost'>; readonly decision: Decision };

async function reconcileOnce(
  options: ReconcilerOptions,
  rollout: Rollout,
  attempt: { readonly grant: Grant; readonly isRetry: boolean },
): Promise<Done> {
  const key = keyOf(rollout);
  const { caches, samplers } = options;
  const scene = readScene(rollout, caches, options.userQueries, options.verifier);
  const source = askSource(options, scene);
  // The sampler wakes the rollout when it knows; until then nothing is decided, and no worker waits.
  if (source === undefined) return { kind: 'Unchanged', decision: { ...undecided, status: rollout.status ?? {} } };
  const { judged, routeObject: route } = scene;
  const evidence =
    judged === undefined
      ? undefined
      : (samplers.evidence(rollout, key, judged.id) ?? storedEvidence(rollout, judged.id));
  const observation = observe(scene, caches, {
    nowMs: options.nowMs(),
    source,
    evidence,
    freezes: options.freezes(),
    copy: await readCopy(options, rollout, attempt.grant),
  });
  const decision = decide(observation);
  const acted = await act(options, { ...attempt, observation, stored: rollout, route }, decision);
  options.logger.debug('decided', { rollout: key, decision: decision.kind, acted });
  afterwards(options, key, acted === 'Unchanged' ? scene : undefined);
  return { kind: acted, decision };
}

const undecided = { kind: 'Wait', notices: [], requeueAfterMs: undefined } as const;

/** afterLoss tries again soon, but ever more slowly: a write that is refused every time must not become a busy loop. */
function afterLoss(
  { logger }: ReconcilerOptions,
  lost: Map<ObjectKey, number>,
  key: ObjectKey,
): { readonly requeueAfterMs: number } {
  const count = (lost.get(key) ?? 0) + 1;
  lost.set(key, count);
  if (count % lostLimit === 0) logger.warn('writes keep losing', { rollout: key, count });
  return { requeueAfterMs: Math.min(againAfterMs * 1.5 ** (count - 1), maxLostDelayMs) };
}

function requeue(decision: Decision): { readonly requeueAfterMs?: number } {
  return 'requeueAfterMs' in decision && decision.requeueAfterMs !== undefined
    ? { requeueAfterMs: decision.requeueAfterMs }
    : {};
}

/** storedEvidence returns what was counted before a restart; that of another release says nothing about this one. */
function storedEvidence({ status }: Rollout, id: string): AnalysisEvidence | undefined {
  return status?.analysis?.id === id ? status.analysis : undefined;
}

/** askSource asks only where the answer decides: at rest, with a revision that would start. */
function askSource(options: ReconcilerOptions, scene: Scene): SourceObservation | undefined {
  const { rollout, problems } = scene;
  const willStart = isUndecided(scene) && isAtRest(rollout.status ?? {}) && problems.length === 0;
  const isNeeded = willStart && rollout.spec.analysis.mode !== 'Disabled';
  if (!isNeeded) return { kind: 'Ready' };
  return options.samplers.knows(rollout, keyOf(rollout), armNames(scene, 'Stable').stable, scene.stable.service);
}

/** afterwards looks at what the world is now and adjusts what is followed and shown. */
function afterwards(options: ReconcilerOptions, key: ObjectKey, unchanged: Scene | undefined): void {
  const stored = options.caches.rollout(key);
  if (stored === undefined) return forget(options, key);
  const scene = unchanged ?? readScene(stored, options.caches, options.userQueries, options.verifier);
  const { rollout } = scene;
  const { judged } = scene;
  if (judged === undefined || rollout.spec.analysis.mode === 'Disabled') {
    options.samplers.unfollow(key);
  } else {
    const isAlone = (rollout.status?.weight ?? 0) >= 100;
    const names = armNames(scene, isAlone ? 'Canary' : 'Both');
    const before = armNames(scene, 'Stable').stable;
    const plan = { ...judged, ...names, before, spec: scene.spec };
    options.samplers.follow(rollout, key, plan, rollout.status?.analysis);
  }
  const { question } = scene.effect;
  if (question === undefined) options.verifier?.unfollow(key);
  else options.verifier?.follow(key, question);
  show(options, scene);
}

function show({ metrics }: ReconcilerOptions, { rollout, judged }: Scene): void {
  const { namespace, name } = splitKey(keyOf(rollout));
  const { phase = 'Pending', weight = 0, observed } = rollout.status ?? {};
  // At rest the status keeps the last share, so that it still says why; as a number of now it would be wrong.
  metrics.rollout({ namespace, name, phase, weight, observed: judged === undefined ? undefined : observed });
}

function forget(options: ReconcilerOptions, key: ObjectKey): void {
  options.samplers.unfollow(key);
  options.verifier?.unfollow(key);
  const { namespace, name } = splitKey(key);
  options.metrics.forget(namespace, name);
}
