/** Names that Traefik's Kubernetes CRD provider gives to routers and services; they are the labels of its metrics. */
import { hash } from 'node:crypto';

const provider = '@kubernetescrd';

/** traefikServiceNames returns the `service` label of a Kubernetes Service, one for each way its port is written in IngressRoutes (a number or a name). */
export function traefikServiceNames(target: {
  readonly namespace: string;
  readonly service: string;
  readonly ports: readonly (number | string)[];
}): string[] {
  const names = target.ports.map((port) => normalize(`${target.namespace}-${target.service}-${port}`) + provider);
  return [...new Set(names)];
}

/** traefikObjectName returns the name of a TraefikService, Middleware or ServersTransport. */
export function traefikObjectName(namespace: string, name: string): string {
  return normalize(`${namespace}-${name}`) + provider;
}

/**
 * traefikRouterName returns the name of the router of one route. It is also the `service` label of the only service of
 * a route that lists just one (Traefik 3.6, pkg/provider/kubernetes/crd/kubernetes_http.go).
 */
export function traefikRouterName(namespace: string, ingressRouteName: string, match: string): string {
  const key = hash('sha256', match).slice(0, 20);
  return normalize(`${namespace}-${ingressRouteName}-${key}`) + provider;
}

/**
 * cookieNameOf returns the name of a sticky cookie: what the object says, with `_` for what a cookie's name may not hold,
 * or one made from the name of the service (Traefik 3.6, pkg/server/cookie).
 */
export function cookieNameOf(given: string | undefined, service: string): string {
  // Traefik replaces by code point, so that a character outside the BMP is one `_`.
  if (given !== undefined && given !== '') return given.replaceAll(/[^!#$%&'*+\-.^`|~0-9A-Za-z]/gu, '_');
  return defaultCookieName(service);
}

/** defaultCookieName returns the name that Traefik gives to a sticky cookie that has none. */
export function defaultCookieName(service: string): string {
  return `_${hash('sha1', `_TRAEFIK_BACKEND_${service}`).slice(0, 5)}`;
}

const ingressProvider = '@kubernetes';

/** ingressRouterNames are the names of the routers of an Ingress, one for each of its paths; `rule` tells paths apart whose names are the same. */
export function ingressRouterNames(
  namespace: string,
  ingressName: string,
  paths: readonly { readonly host: string; readonly path: string; readonly rule: string }[],
): readonly string[] {
  const keys = paths.map(({ host, path }) => normalize(`${namespace}-${ingressName}-${host}${path}`));
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return keys.map((key, index) => {
    if (counts.get(key) === 1) return key + ingressProvider;
    return `${key}-${hash('sha256', paths[index]?.rule ?? '').slice(0, 20)}${ingressProvider}`;
  });
}

/** ingressServiceName returns the name of a Service that an Ingress sends to (Traefik 3.6, pkg/provider/kubernetes/ingress). */
export function ingressServiceName(namespace: string, service: string, port: number | string): string {
  return normalize(`${namespace}-${service}-${port}`) + ingressProvider;
}

/** defaultBackendNames are those of the one backend that takes what no route does. */
export const defaultBackendNames = {
  router: `default-router${ingressProvider}`,
  service: `default-backend${ingressProvider}`,
} as const;

/** Traefik's provider.Normalize: runs of anything but letters and digits become one `-`, none at the ends. */
function normalize(name: string): string {
  // Nearly all names are normal already; splitting costs ten times as much as looking.
  if (/^[0-9A-Za-z]+(?:-[0-9A-Za-z]+)*$/.test(name)) return name;
  return name
    .split(/[^\p{L}\p{N}]+/u)
    .filter((part) => part !== '')
    .join('-');
}
