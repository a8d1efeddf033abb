/** Follows the Rollouts of the demo as anybody can who has an ObjectStore. */
import { resources } from '../api/kubernetes.ts';
import type { ObjectStore } from '../api/object-store.ts';
import type { Rollout } from '../api/rollout.ts';
import type { Clock } from '../clock.ts';

const againMs = 200;

/** Following is whose Rollouts are followed, and who hears of them. */
export interface Following {
  readonly namespace: string;
  readonly onRollout: (rollout: Rollout) => void;
}

/** followRollouts tells each Rollout, now and after each change, until the signal aborts. */
export async function followRollouts(
  store: Pick<ObjectStore, 'list' | 'watch'>,
  following: Following,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    // A watch that ends, or is refused as too old, is followed by a list.
    await followOnce(store, following, signal).catch(() => undefined);
    await clock.sleep(againMs, signal).catch(() => undefined);
  }
}

async function followOnce(
  store: Pick<ObjectStore, 'list' | 'watch'>,
  { namespace, onRollout }: Following,
  signal: AbortSignal,
): Promise<void> {
  const { items, resourceVersion } = await store.list<Rollout>(resources.rollouts, { namespace, signal });
  for (const rollout of items) onRollout(rollout);
  for await (const event of store.watch<Rollout>(resources.rollouts, { namespace, resourceVersion, signal })) {
    if (event.type === 'Added' || event.type === 'Modified') onRollout(event.object);
  }
}
