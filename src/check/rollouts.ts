/** Tries Rollouts: what the controller would have against them, and their ready endpoints. */
import { keyOf, resources, type ObjectKey } from '../api/kubernetes.ts';
import type { Rollout } from '../api/rollout.ts';
import type { Tried } from '../cli/check-report.ts';
import type { KubeObjectStore } from '../kube/kube-object-store.ts';
import { armNames, readScene, type Scene } from '../reconciler/observe.ts';
import { cachesOf } from '../reconciler/stores.ts';
import type { UserQueryMode } from '../source/user-query.ts';
import { readSurroundings } from '../surroundings.ts';
import { trySeries, type SourceQuestion } from './source.ts';

/** RolloutQuestion is what the Rollouts are tried with; without `source` no samples are asked for. */
export interface RolloutQuestion {
  readonly store: KubeObjectStore;
  readonly userQueries: UserQueryMode;
  readonly source: SourceQuestion | undefined;
  readonly signal: AbortSignal;
}

/** readRollouts returns the one of the name, or all of the namespace; undefined where that one does not exist. */
export async function readRollouts(
  { store, signal }: RolloutQuestion,
  namespace: string,
  name: string | undefined,
): Promise<readonly Rollout[] | undefined> {
  if (name === undefined) return (await store.list<Rollout>(resources.rollouts, { namespace, signal })).items;
  const key: ObjectKey = `${namespace}/${name}`;
  const rollout = await store.get<Rollout>(resources.rollouts, key, { signal });
  return rollout === undefined ? undefined : [rollout];
}

/** tryRollout sees it as the controller does. */
export async function tryRollout(question: RolloutQuestion, rollout: Rollout): Promise<readonly Tried[]> {
  const { store, userQueries, source, signal } = question;
  const objects = await readSurroundings(store, rollout, signal);
  const scene = readScene(rollout, cachesOf([{ kind: resources.rollouts, object: rollout }, ...objects]), userQueries);
  const what = `Rollout ${keyOf(rollout)}`;
  const problems = scene.problems.map(({ reason, message }): Tried => {
    return { state: 'Wrong', what, message, docs: `troubleshooting.md#${reason.toLowerCase()}` };
  });
  if (problems.length > 0) return problems;
  const { kind, name } = rollout.spec.route;
  const right: Tried = { state: 'Right', what, message: `${kind} ${name}, services, ports and workloads are there` };
  const isJudged = rollout.spec.analysis.mode !== 'Disabled' && rollout.spec.analysis.source === undefined;
  const names = armNames(scene, 'Stable').stable;
  const series =
    source === undefined || !isJudged
      ? []
      : await trySeries(source, { rollout: keyOf(rollout), service: scene.stable.service, names });
  return [right, ...endpointsOf(what, scene), ...series];
}

function endpointsOf(what: string, { stable, canary, rollout }: Scene): readonly Tried[] {
  const { minReady } = rollout.spec.readiness;
  const counts = `${stable.service} ${stable.addresses.length}, ${canary.service} ${canary.addresses.length}`;
  if (stable.addresses.length === 0) {
    const advice = `Look at its pods and at the selector of Service ${stable.service}.`;
    const message = `Service ${stable.service} has no ready endpoint`;
    return [{ state: 'Wrong', what, message, advice, docs: 'troubleshooting.md#stableunavailable' }];
  }
  if (canary.addresses.length >= minReady) return [{ state: 'Right', what, message: `ready endpoints: ${counts}` }];
  return [
    {
      state: 'Unsure',
      what,
      message: `ready endpoints: ${counts}; a rollout starts with ${minReady} of the canary`,
      docs: 'troubleshooting.md#canarynotready',
    },
  ];
}
