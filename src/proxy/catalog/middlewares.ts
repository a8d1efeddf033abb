import type { ObjectReference } from '../../api/traefik.ts';
import type { Reader } from './compiler.ts';

/** MiddlewareUse is the middlewares of one route: which object names them, and where. */
export interface MiddlewareUse {
  readonly namespace: string;
  readonly references: readonly ObjectReference[];
  /** at is the field, with its object, for messages. */
  readonly at: string;
  readonly reader: Reader;
}

/** ResolvedMiddlewares are names in the order of execution, or why the route must not be served. */
export type ResolvedMiddlewares =
  | { readonly kind: 'Resolved'; readonly names: readonly string[] }
  | { readonly kind: 'Refused'; readonly message: string };

/**
 * resolveMiddlewares finds the middlewares of a route. There are none yet: a route that names some is refused, because
 * one of them may be what keeps strangers out.
 */
export function resolveMiddlewares({ references, at }: MiddlewareUse): ResolvedMiddlewares {
  if (references.length === 0) return { kind: 'Resolved', names: [] };
  const names = references.map(({ name }) => name).join(', ');
  const message = `${at}: middlewares (${names}) are not supported yet, so that the route is not served; remove them, or serve it by Traefik.`;
  return { kind: 'Refused', message };
}
