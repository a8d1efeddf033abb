import type { ResourceKind } from '../../api/kubernetes.ts';
import type { ObjectList, ListOptions } from '../../api/object-store.ts';
import type { KubernetesObject } from '../../api/kubernetes.ts';
import type { Clock } from '../../clock.ts';
import { isSluiceError, SluiceError } from '../../errors.ts';
import type { ReflectorSource } from '../../kube/reflector-options.ts';

/** So long an answer that would take every route away is not believed. */
export const doubtMs = 60_000;

/** GuardOptions: `size` is how many objects of a kind are known. */
export interface GuardOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly size: (kind: ResourceKind) => number;
}

/**
 * guardSource wraps a source for who serves traffic by what it says: a list that is empty, or of a kind that is unknown,
 * where there were objects before, fails for a minute before it is passed on. It may be true; but a restored etcd, a CRD
 * deleted by mistake, or lost rights look the same, and a minute of routes too many hurts less than none at all.
 */
export function guardSource(source: ReflectorSource, { clock, size }: GuardOptions): ReflectorSource {
  const doubtedSince = new Map<string, number>();
  const doubt = (kind: ResourceKind, found: string): void => {
    const known = size(kind);
    if (known === 0) return;
    const since = doubtedSince.get(kind.plural) ?? clock.monotonicMs();
    doubtedSince.set(kind.plural, since);
    if (clock.monotonicMs() - since >= doubtMs) return;
    const kept = `${known} ${kind.plural} stay as they were for ${doubtMs / 1000} s`;
    throw new SluiceError('ApiFailed', `The API server ${found} where there were some; ${kept}.`);
  };
  return {
    watch: (kind, options) => source.watch(kind, options),
    list: async <T extends KubernetesObject>(kind: ResourceKind, options?: ListOptions<T>): Promise<ObjectList<T>> => {
      // Of a list with a limit only the version is looked at.
      if (options?.limit !== undefined) return source.list<T>(kind, options);
      try {
        const list = await source.list<T>(kind, options);
        if (list.items.length === 0) doubt(kind, `lists no ${kind.plural}`);
        doubtedSince.delete(kind.plural);
        return list;
      } catch (error) {
        if (isSluiceError(error, 'ApiNotFound')) doubt(kind, `knows no ${kind.plural}`);
        throw error;
      }
    },
  };
}
