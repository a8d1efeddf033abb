import type { EntryPoint } from '../entry-point.ts';

/** CatalogSettings say how objects are read, mostly as Traefik's options of the same names. */
export interface CatalogSettings {
  readonly entryPoints: readonly Pick<EntryPoint, 'name' | 'tls'>[];
  /** ingressClass: empty takes IngressRoutes without a class or of `traefik`, and Ingresses of our classes; else only what has exactly this one. */
  readonly ingressClass: string;
  readonly allowsCrossNamespace: boolean;
  readonly allowsExternalName: boolean;
  /** isStrict does as Traefik where Sluice would do better: one broken service takes its whole route down. */
  readonly isStrict: boolean;
  /** allowsEmptyServices counts with `isStrict` only: a Service without endpoints is broken otherwise. Without it, it never is. */
  readonly allowsEmptyServices?: boolean;
  /** isNativeLbByDefault sends to the ClusterIP where a route does not say otherwise. */
  readonly isNativeLbByDefault?: boolean;
}
