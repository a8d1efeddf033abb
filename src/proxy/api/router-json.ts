import type { Router } from '../configuration.ts';
import { providerOf, unqualified } from './view.ts';

/** RouterJson is a router as Traefik's `/api/rawdata` shows it; empty fields are left out. */
export interface RouterJson {
  readonly entryPoints?: readonly string[];
  readonly middlewares?: readonly string[];
  readonly service: string;
  readonly rule: string;
  readonly ruleSyntax?: 'v2';
  readonly priority: number;
  readonly tls?: { readonly options: 'default' };
  readonly observability: typeof observability;
  readonly error?: readonly string[];
  readonly status: Router['status'];
  /** using are the entry points that it is really on. */
  readonly using?: readonly string[];
}

/** NamedRouterJson is a router as `/api/http/routers` shows it. */
export interface NamedRouterJson extends RouterJson {
  readonly name: string;
  readonly provider: string;
  /** priorityStr is for who reads numbers as doubles. */
  readonly priorityStr: string;
}

const observability = { accessLogs: true, metrics: true, tracing: true, traceVerbosity: 'minimal' } as const;

/** routerJson returns a router without its name. */
export function routerJson(router: Router): RouterJson {
  const { entryPoints, middlewares, errors } = router;
  return {
    ...(entryPoints.length > 0 && { entryPoints }),
    ...(middlewares.length > 0 && { middlewares }),
    service: unqualified(router.service),
    rule: router.rule,
    ...(router.syntax === 'v2' && { ruleSyntax: 'v2' as const }),
    priority: router.priority,
    ...(router.isTls && { tls: { options: 'default' as const } }),
    observability,
    ...(errors.length > 0 && { error: errors }),
    status: router.status,
    ...(entryPoints.length > 0 && { using: [...entryPoints].sort() }),
  };
}

/** namedRouterJson returns a router with its name. */
export function namedRouterJson(router: Router): NamedRouterJson {
  const { name, priority } = router;
  return { ...routerJson(router), name, provider: providerOf(name), priorityStr: String(priority) };
}
