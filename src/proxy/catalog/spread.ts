import type { EntryPoint } from '../entry-point.ts';
import type { Router } from '../configuration.ts';

/**
 * spreadRouter returns the routers of one route: an entry point with TLS takes only what came over TLS, so that a route
 * on several entry points has a router of its own on each with TLS, named `websecure-…`, as Traefik makes them for an
 * entry point with `http.tls` (Traefik 3.6, pkg/server/aggregator.go).
 */
export function spreadRouter(
  router: Router,
  entryPoints: readonly Pick<EntryPoint, 'name' | 'tls'>[],
): readonly Router[] {
  const { entryPoints: names, name } = router;
  const withTls = names.filter((point) => entryPoints.some((known) => known.name === point && known.tls !== undefined));
  if (withTls.length === 0) return [router];
  if (names.length === 1) return [{ ...router, isTls: true }];
  const others = names.filter((point) => !withTls.includes(point));
  const own = others.length === 0 ? [] : [{ ...router, entryPoints: others }];
  return [
    ...own,
    ...withTls.map((point) => ({ ...router, name: `${point}-${name}`, entryPoints: [point], isTls: true })),
  ];
}
