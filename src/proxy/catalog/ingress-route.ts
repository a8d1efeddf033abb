import { keyOf } from '../../api/kubernetes.ts';
import { traefikRouterName } from '../../api/traefik-names.ts';
import type { IngressRoute, Route } from '../../api/traefik.ts';
import type { Router } from '../configuration.ts';
import type { CertificateReader } from './certificates.ts';
import { emptyDraft, type Compiler, type Draft, type Problem, type Reader } from './compiler.ts';
import { resolveEntryPoints, type Points } from './entry-points.ts';
import { resolveMiddlewares } from './middlewares.ts';
import { findTarget, refuseTarget } from './route-target.ts';
import { readTls, type RouteTls } from './route-tls.ts';
import { createRuleCheck, type RuleCheck } from './rule-check.ts';
import type { CatalogSettings } from './settings.ts';
import { spreadRouter } from './spread.ts';

/** compileIngressRoute returns the Compiler of IngressRoutes. */
export function compileIngressRoute(
  settings: CatalogSettings,
  readCertificate: CertificateReader,
): Compiler<'IngressRoute'> {
  const checkRule = createRuleCheck();
  return (object, reader) => {
    if (!isOurs(object, settings.ingressClass)) return emptyDraft;
    const label = `IngressRoute ${keyOf(object)}, spec`;
    const points = resolveEntryPoints(object.spec.entryPoints ?? [], settings, label);
    const tls = readTls({ object, at: label, reader, readCertificate });
    const routes = object.spec.routes ?? [];
    // An object may hold thousands of routes.
    const last = routes.length > 1 ? new Map(routes.map(({ match }, index) => [match, index])) : undefined;
    const parts = routes.map((route, index): Part => {
      const at = `${label}.routes[${index}]`;
      if ((route.match ?? '') === '')
        return refused('InvalidRoute', `${at}.match: there is no rule; write one such as Host(\`a.example\`).`);
      const winner = last?.get(route.match) ?? index;
      if (winner !== index) {
        const found = `${at}.match: spec.routes[${winner}] has the same rule`;
        return refused(
          'DuplicateMatch',
          `${found}, and only that one is served, as by Traefik; make one route of them.`,
        );
      }
      return compileRoute({ object, route, at, points, tls, reader, settings, checkRule });
    });
    const shared = [...points.problems, ...tls.problems];
    return { ...joinParts(parts, shared), certificates: tls.certificates };
  };
}

/** Traefik 3.6 knows the annotation only, 3.7 the field too. */
function isOurs({ metadata, spec }: IngressRoute, ingressClass: string): boolean {
  const found = metadata.annotations?.['kubernetes.io/ingress.class'] ?? spec.ingressClassName ?? '';
  return found === ingressClass || (ingressClass === '' && found === 'traefik');
}

interface RouteUse {
  readonly object: IngressRoute;
  readonly route: Route;
  readonly at: string;
  readonly points: Points;
  readonly tls: RouteTls;
  readonly reader: Reader;
  readonly settings: CatalogSettings;
  readonly checkRule: RuleCheck;
}

type Part = Pick<Draft, 'routers' | 'services' | 'references' | 'problems'>;

function refused(reason: Problem['reason'], message: string): Part {
  return { ...emptyDraft, problems: [{ reason, message }] };
}

function joinParts(parts: readonly Part[], shared: readonly Problem[]): Draft {
  return {
    ...emptyDraft,
    routers: parts.flatMap(({ routers }) => routers),
    services: parts.flatMap(({ services }) => services),
    references: parts.flatMap(({ references }) => references),
    problems: [...shared, ...parts.flatMap(({ problems }) => problems)],
  };
}

function compileRoute(use: RouteUse): Part {
  const { object, route, points, tls, settings } = use;
  const { namespace = '', name: objectName, creationTimestamp = '' } = object.metadata;
  const name = traefikRouterName(namespace, objectName, route.match);
  const syntax = route.syntax === 'v2' ? 'v2' : 'v3';
  const reasons = refusalsOf(use, syntax);
  const target = reasons.length > 0 ? refuseTarget(name, reasons) : findTarget({ ...use, name });
  const own = [...target.reasons, ...target.problems, ...notesOf(use)];
  const errors = [...points.problems, ...tls.problems, ...own].map(({ message }) => message);
  const router: Router = {
    name,
    entryPoints: points.names,
    rule: route.match,
    syntax,
    priority: route.priority === undefined || route.priority === 0 ? Buffer.byteLength(route.match) : route.priority,
    createdAt: creationTimestamp,
    isTls: tls.isTls,
    service: target.service,
    middlewares: [],
    status: target.reasons.length > 0 ? 'disabled' : errors.length > 0 ? 'warning' : 'enabled',
    errors,
  };
  const routers = spreadRouter(router, settings.entryPoints).map((each) => ({ router: each, route: name }));
  return { routers, services: target.services, references: target.references, problems: own };
}

/** refusalsOf returns why a route must not be served, whatever its services are. */
function refusalsOf(use: RouteUse, syntax: Router['syntax']): readonly Problem[] {
  const { object, route, at, points, tls, reader } = use;
  const middlewares = resolveMiddlewares({
    namespace: object.metadata.namespace ?? '',
    references: route.middlewares ?? [],
    at: `${at}.middlewares`,
    reader,
  });
  const found: readonly (Problem | undefined)[] = [
    ruleProblem(use, syntax),
    points.isNone
      ? { reason: 'UnknownEntryPoint', message: `${at}: it has no entry point; name one that exists.` }
      : undefined,
    parentProblem(object),
    tls.refusal,
    middlewares.kind === 'Refused' ? { reason: 'NotSupported', message: middlewares.message } : undefined,
  ];
  return found.filter((problem) => problem !== undefined);
}

function ruleProblem({ route, at, checkRule }: RouteUse, syntax: Router['syntax']): Problem | undefined {
  const { kind = '' } = route;
  if (kind !== '' && kind !== 'Rule')
    return { reason: 'InvalidRoute', message: `${at}.kind: found ${kind}; write Rule.` };
  const problem = checkRule(route.match, syntax);
  return problem === undefined ? undefined : { reason: 'InvalidRoute', message: `${at}.match: ${problem}` };
}

function parentProblem(object: IngressRoute): Problem | undefined {
  if ((object.spec.parentRefs ?? []).length === 0) return undefined;
  const found = `IngressRoute ${keyOf(object)}, spec.parentRefs: routes below others are not supported`;
  return { reason: 'NotSupported', message: `${found}; write the whole rule into one route.` };
}

function notesOf({ route, at }: RouteUse): readonly Problem[] {
  const { metrics, accessLogs } = route.observability ?? {};
  const field = metrics === false ? 'metrics' : accessLogs === false ? 'accessLogs' : undefined;
  if (field === undefined) return [];
  return [
    {
      reason: 'NotSupported',
      message: `${at}.observability.${field}: it cannot be turned off for one route; remove it.`,
    },
  ];
}
