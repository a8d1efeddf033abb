/** Lets faults happen at random times, several at once, never two in one place. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type FaultKind, faultKinds, type Place } from './faults.ts';
import type { SoakOptions } from './options.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** Storm is going on until its signal aborts. */
export interface Storm {
  /** counts are the faults so far, by their name. */
  readonly counts: ReadonlyMap<string, number>;
  /** isCalm tells whether a place has no fault at the moment. */
  isCalm(place: Place): boolean;
  /** recent are the names of the faults that are under way. */
  underWay(): readonly string[];
  /** failures are faults that could not be healed; nothing is worth looking at after one. */
  readonly failures: readonly string[];
  /** ended resolves when all faults are healed after the signal has aborted. */
  readonly ended: Promise<void>;
}

/** startStorm begins with a pause. */
export function startStorm(
  world: World,
  { pauseS, random }: Pick<SoakOptions, 'pauseS'> & { readonly random: Random },
  signal: AbortSignal,
): Storm {
  const counts = new Map<string, number>();
  const failures: string[] = [];
  const busy = new Map<Place, { readonly kind: FaultKind; readonly done: Promise<void> }>();
  const strike = (): void => {
    const free = faultKinds.filter(({ place }) => !busy.has(place));
    if (free.length === 0) return;
    const kind = random.pick(free);
    counts.set(kind.name, (counts.get(kind.name) ?? 0) + 1);
    const done = kind
      .strike(world, { ms: random.between(1_000, 10_000), random, signal })
      .catch(
        (error: unknown) =>
          void failures.push(`${kind.name}: ${error instanceof Error ? error.message : String(error)}`),
      )
      .finally(() => busy.delete(kind.place));
    busy.set(kind.place, { kind, done });
  };
  const blow = async (): Promise<void> => {
    while (!signal.aborted) {
      await sleep(random.between(...pauseS) * 1000, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      const burst = Math.floor(random.between(1, 4));
      for (let count = 0; count < burst; count += 1) strike();
    }
    await Promise.all([...busy.values()].map(({ done }) => done));
  };
  return {
    counts,
    failures,
    isCalm: (place) => !busy.has(place),
    underWay: () => [...busy.values()].map(({ kind }) => `${kind.name} (${kind.place})`),
    ended: blow(),
  };
}
