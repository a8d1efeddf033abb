import { keyOf } from '../../api/kubernetes.ts';
import type { IngressRoute, Route, RouteService } from '../../api/traefik.ts';
import type { DraftService, Problem, Reader, Reference } from './compiler.ts';
import { emptyLoadBalancer, resolveService } from './resolve-service.ts';
import type { CatalogSettings } from './settings.ts';
import { fatalOf, isFault, problemOf, shareOut } from './share.ts';

/** RouteTarget is where a route sends its requests. */
export interface RouteTarget {
  /** service is the name of it, whether it exists or not. */
  readonly service: string;
  readonly services: readonly DraftService[];
  readonly references: readonly Reference[];
  /** problems leave the route served, reasons do not. */
  readonly problems: readonly Problem[];
  readonly reasons: readonly Problem[];
}

/** TargetUse is a route whose services are wanted; `name` is that of its router. */
export interface TargetUse {
  readonly object: IngressRoute;
  readonly route: Route;
  readonly name: string;
  readonly at: string;
  readonly reader: Reader;
  readonly settings: CatalogSettings;
}

/** findTarget finds what the services of a route stand for: the only one, or all of them by weight. */
export function findTarget(use: TargetUse): RouteTarget {
  const { route, name, at } = use;
  const services = route.services ?? [];
  const [only] = services;
  if (only === undefined) {
    const message = `${at}.services: there is none, and parents of other routes are not supported; name a service.`;
    return refuseTarget(name, [{ reason: 'NotSupported', message }]);
  }
  return services.length === 1 ? findOnly(use, only) : findShared(use, services);
}

/** refuseTarget is that of a route which is not served. */
export function refuseTarget(service: string, reasons: readonly Problem[]): RouteTarget {
  return { service, services: [], references: [], problems: [], reasons };
}

/** The only service of a route has the router's name. */
function findOnly(use: TargetUse, entry: RouteService): RouteTarget {
  const { name, at } = use;
  const leaf = { name, identity: identityOf(use) };
  const found = resolveService({ ...placeOf(use), entry, at: `${at}.services[0]`, leaf });
  if (isFault(found)) {
    const problem = problemOf(found);
    if (fatalOf([found], use.settings) !== undefined) return refuseTarget(name, [problem]);
    const service = emptyLoadBalancer(name, [problem.message]);
    return {
      service: name,
      services: [{ service, identity: leaf.identity, owner: name }],
      references: [],
      problems: [problem],
      reasons: [],
    };
  }
  if (found.kind === 'Reference') {
    return { service: found.name, services: [], references: [{ ...found, owner: name }], problems: [], reasons: [] };
  }
  const { service, identity, notes } = found;
  return {
    service: name,
    services: [{ service, identity, owner: name }],
    references: [],
    problems: notes,
    reasons: [],
  };
}

function findShared(use: TargetUse, entries: readonly RouteService[]): RouteTarget {
  const { name, at } = use;
  const list = { entries, sticky: undefined, name, identity: identityOf(use), at: `${at}.services` };
  const share = shareOut({ ...placeOf(use), ...list });
  if (share.kind !== 'Shared') return refuseTarget(name, [problemOf(share)]);
  const { services, references, problems } = share;
  return { service: name, services, references, problems, reasons: [] };
}

function placeOf({
  object,
  reader,
  settings,
}: TargetUse): Pick<TargetUse, 'reader' | 'settings'> & { namespace: string } {
  return { namespace: object.metadata.namespace ?? '', reader, settings };
}

function identityOf({ object, route }: TargetUse): string {
  return `The route ${route.match} of IngressRoute ${keyOf(object)}`;
}
