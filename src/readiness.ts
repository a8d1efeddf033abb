/** When a controller knows enough to be of use: its caches are filled, and follow the API server. */
import type { Clock } from './clock.ts';
import type { Watches } from './reconciler/watches.ts';

const staleAfterMs = 180_000;

/** untilSynced resolves when the caches are filled, or the signal has aborted. */
export async function untilSynced(watches: Watches, signal: AbortSignal): Promise<void> {
  await watches.synced.catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/** readiness returns what says why this replica is not ready; undefined while it is. */
export function readiness(watches: Watches, clock: Clock): () => string | undefined {
  let isSynced = false;
  void watches.synced.then(
    () => (isSynced = true),
    () => undefined,
  );
  return () => {
    if (!isSynced) return 'the caches are not filled yet';
    const silentMs = clock.monotonicMs() - Math.min(...watches.contacts().map(({ atMs }) => atMs));
    return silentMs > staleAfterMs ? `the API server has been silent for ${Math.round(silentMs / 1000)} s` : undefined;
  };
}
