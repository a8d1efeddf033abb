/** Comparing a cache with the real API server, in a test whose reflector has a clock of its own. */
import { expect } from 'vitest';
import type { KubeObjectStore } from '../../src/kube/kube-object-store.ts';
import { eventually } from './eventually.ts';
import type { ManualClock } from './manual-clock.ts';
import type { Reflected } from './proxied.ts';
import { widgets, type Widget } from './widgets.ts';

/** Observed is a reflector of the Widgets of a namespace, which lives by `clock`. */
export interface Observed {
  readonly namespace: string;
  readonly clock: ManualClock;
  readonly observed: Reflected;
}

/** until waits for a condition while the reflector's time runs ten times as fast as ours. */
export function until({ clock }: Pick<Observed, 'clock'>, check: () => unknown, timeoutMs = 20_000): Promise<unknown> {
  return eventually(
    async () => {
      await clock.advance(500);
      return check();
    },
    { timeoutMs },
  );
}

/** equalsServer waits until the cache holds exactly what the API server has now: same objects, same states. */
export async function equalsServer(scene: Observed, direct: KubeObjectStore): Promise<void> {
  const { items } = await direct.list<Widget>(widgets, { namespace: scene.namespace });
  await until(scene, () => {
    expect(states(scene.observed.cache.list())).toEqual(states(items));
    return true;
  });
}

function states(items: readonly Widget[]): readonly string[] {
  return items
    .map(({ metadata: { name, uid, resourceVersion } }) => `${name} ${uid ?? ''} ${resourceVersion ?? ''}`)
    .sort();
}
