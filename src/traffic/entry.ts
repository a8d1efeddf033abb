/** One entry of `services[]`: its weight and its identity. */
import type { RouteService } from '../api/traefik.ts';

/**
 * weightIn returns what an entry weighs among `services`, as Traefik counts: missing is 1, and the only entry of a route
 * gets everything whatever its weight, because no balancer is built for it.
 */
export function weightIn(services: readonly RouteService[], entry: RouteService): number {
  const weight = weightOf(entry);
  return services.length === 1 ? Math.max(1, weight) : weight;
}

/** weightOf returns the weight of an entry; missing is 1. */
export function weightOf(entry: RouteService): number {
  return entry.weight ?? 1;
}

/** withWeight returns `entry` with `weight` in the place where it has one (undefined: without); all else stays. */
export function withWeight(entry: RouteService, weight: number | undefined): RouteService {
  if (entry.weight === weight) return entry;
  if (weight !== undefined) return { ...entry, weight };
  return Object.fromEntries(Object.entries(entry).filter(([field]) => field !== 'weight')) as unknown as RouteService;
}

/** isServiceKind tells whether a `kind` means a Service; Traefik takes none for one. */
export function isServiceKind(kind: string | undefined): boolean {
  return (kind ?? '') === '' || kind === 'Service';
}

/** identityOf returns the merge key of an entry (name, kind, namespace, port); defaults count as written. */
export function identityOf(entry: RouteService, namespace: string): string {
  const kind = isServiceKind(entry.kind) ? 'Service' : entry.kind;
  return JSON.stringify([
    entry.name,
    kind,
    entry.namespace === '' ? namespace : (entry.namespace ?? namespace),
    entry.port,
  ]);
}
