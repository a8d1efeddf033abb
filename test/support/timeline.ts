/** The order of writes as etcd saw them: every state of a Rollout and its IngressRoute by resourceVersion. */
import { type KubernetesObject, type ResourceKind, resources } from '../../src/api/kubernetes.ts';
import type { Rollout } from '../../src/api/rollout.ts';
import type { RolloutStatus } from '../../src/api/rollout-status.ts';
import type { IngressRoute } from '../../src/api/traefik.ts';
import { systemClock } from '../../src/clock.ts';
import { loadKubeConfig } from '../../src/kube/config.ts';
import { createKubeObjectStore } from '../../src/kube/kube-object-store.ts';
import { readSplit } from '../../src/traffic/split.ts';
import type { Cluster } from './cluster.ts';
import { eventually } from './eventually.ts';

/** Moment is one write: what the route gives the canary in percent, or what status says. */
export type Moment =
  | { readonly kind: 'Route'; readonly version: number; readonly percent: number }
  | { readonly kind: 'Status'; readonly version: number; readonly status: RolloutStatus };

/** Timeline records until stopped. */
export interface Timeline {
  /** moments are in the order in which etcd committed them; all kinds of one etcd share one sequence. */
  moments(): readonly Moment[];
  stop(): Promise<void>;
}

/** recordTimeline watches one Rollout and its IngressRoute of the same name. */
export async function recordTimeline(
  cluster: Cluster,
  shop: { readonly namespace: string; readonly name: string },
): Promise<Timeline> {
  const connection = await loadKubeConfig({ kubeconfig: cluster.adminKubeconfigFile, env: {}, clock: systemClock });
  const store = createKubeObjectStore(connection, {
    clock: systemClock,
    random: Math.random,
    version: 'test',
    fieldManager: 'sluice',
  });
  const { namespace, name } = shop;
  const pair = {
    namespace,
    stable: { service: `${name}-stable`, ports: [] },
    canary: { service: `${name}-canary`, ports: [] },
  };
  const moments: Moment[] = [];
  const stop = new AbortController();
  const follow = async (
    kind: ResourceKind,
    add: (object: KubernetesObject, version: number) => void,
  ): Promise<void> => {
    let { resourceVersion } = await store.list(kind, { namespace });
    while (!stop.signal.aborted) {
      for await (const event of store.watch(kind, { namespace, resourceVersion, signal: stop.signal })) {
        const version =
          event.type === 'Bookmark' ? event.resourceVersion : (event.object.metadata.resourceVersion ?? '');
        if (event.type !== 'Bookmark' && event.type !== 'Deleted' && event.object.metadata.name === name)
          add(event.object, Number(version));
        resourceVersion = version;
      }
    }
  };
  const following = [
    follow(resources.rollouts, (object, version) => {
      moments.push({ kind: 'Status', version, status: (object as Rollout).status ?? {} });
    }),
    follow(resources.ingressRoutes, (object, version) => {
      const percent = readSplit((object as IngressRoute).spec.routes ?? [], pair).canaryPercent;
      moments.push({ kind: 'Route', version, percent });
    }),
  ].map((running) => running.catch((error: unknown) => (stop.signal.aborted ? undefined : Promise.reject(error))));
  return {
    moments: () => moments.toSorted((a, b) => a.version - b.version),
    stop: async () => {
      stop.abort();
      await Promise.all(following);
      await store.close();
    },
  };
}

/** excesses returns every moment at which the route gave the canary more than the last stored status allowed. */
export function excesses(moments: readonly Moment[]): readonly string[] {
  let allowed = 0;
  let percent = 0;
  const found: string[] = [];
  for (const moment of moments) {
    if (moment.kind === 'Status') allowed = moment.status.weight ?? 0;
    else percent = moment.percent;
    // Lowering writes the route first, so a status that allows less follows a route that gives less.
    if (percent > allowed) found.push(`${percent}% with ${allowed}% allowed at resourceVersion ${moment.version}`);
  }
  return found;
}

/** weightsOf returns the weights that the route had, one after the other. */
export function weightsOf(moments: readonly Moment[]): readonly number[] {
  const weights = moments.flatMap((moment) => (moment.kind === 'Route' ? [Math.round(moment.percent)] : []));
  return weights.filter((weight, index) => weight !== weights[index - 1]);
}

/** untilWeights waits until the route has had just these weights, one after the other. */
export async function untilWeights(timeline: Timeline, expected: readonly number[]): Promise<void> {
  await eventually(
    () => {
      const weights = weightsOf(timeline.moments());
      if (weights.join() !== expected.join()) throw new Error(`the route had ${weights.join()}`);
      return true;
    },
    { describe: `the weights ${expected.join()}` },
  );
}
