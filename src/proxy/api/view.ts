import type { Configuration } from '../configuration.ts';
import type { EntryPoint } from '../entry-point.ts';

/** ApiView is what the API shows. */
export interface ApiView {
  readonly configuration: Configuration;
  readonly entryPoints: readonly EntryPoint[];
  readonly version: string;
  /** startedAt is RFC 3339. */
  readonly startedAt: string;
  readonly hasAccessLog: boolean;
  readonly graceMs: number;
  readonly acceptGraceMs: number;
}

/** unqualified leaves the provider out of a name, as Traefik does where one object of a provider names another of it. */
export function unqualified(name: string): string {
  return name.replace(/@kubernetes(?:crd)?$/, '');
}

/** providerOf returns the part behind the `@`. */
export function providerOf(name: string): string {
  return name.slice(name.lastIndexOf('@') + 1);
}
