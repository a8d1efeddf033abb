/** Every state of every Rollout and IngressRoute of a namespace, in the order in which etcd committed them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Rollout } from '../../src/api/rollout.ts';
import type { IngressRoute } from '../../src/api/traefik.ts';
import type { Cluster } from './cluster.ts';
import type { EtcdChange } from './etcd.ts';

/** Entry is one write; `object` is undefined where it was a deletion. */
export type Entry =
  | {
      readonly kind: 'Rollout';
      readonly name: string;
      readonly revision: number;
      readonly object: Rollout | undefined;
    }
  | {
      readonly kind: 'Route';
      readonly name: string;
      readonly revision: number;
      readonly object: IngressRoute | undefined;
    };

/** Chronicle follows until stopped. It reads etcd itself, so that nothing that happens to the API server hides a write. */
export interface Chronicle {
  /** revision is up to which everything was taken in. */
  readonly revision: number;
  stop(): Promise<void>;
}

const prefixes = {
  Rollout: '/registry/sluice.dev/rollouts/',
  Route: '/registry/traefik.io/ingressroutes/',
} as const;

/** keepChronicle calls `take` with each write to the namespace from now on. */
export async function keepChronicle(
  { etcd }: Pick<Cluster, 'etcd'>,
  namespace: string,
  take: (entry: Entry) => void,
): Promise<Chronicle> {
  const stop = new AbortController();
  let revision = await etcd.revision();
  const follow = async (): Promise<void> => {
    // From the first of the two prefixes to the end of the second; what lies between them is little.
    const range = { from: prefixes.Rollout, to: '/registry/traefik.io/ingressroutes0', revision: revision + 1 };
    for await (const change of etcd.follow(range, stop.signal)) {
      const entry = readEntry(change, namespace);
      if (entry !== undefined) take(entry);
      revision = change.revision;
    }
  };
  const following = (async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await follow().catch(() => undefined);
      // etcd is being restarted.
      await sleep(100, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  })();
  return {
    get revision() {
      return revision;
    },
    stop: () => {
      stop.abort();
      return following;
    },
  };
}

function readEntry({ key, revision, value }: EtcdChange, namespace: string): Entry | undefined {
  for (const kind of ['Rollout', 'Route'] as const) {
    const prefix = `${prefixes[kind]}${namespace}/`;
    if (!key.startsWith(prefix)) continue;
    const object: unknown = value === undefined ? undefined : JSON.parse(value);
    return { kind, name: key.slice(prefix.length), revision, object } as Entry;
  }
  return undefined;
}
