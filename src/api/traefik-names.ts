/** Names that Traefik's Kubernetes CRD provider gives to routers and services; they are the labels of its metrics. */
import { createHash } from 'node:crypto';

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

/**
 * traefikRouterName returns the name of the router of one route. It is also the `service` label of the only service of
 * a route that lists just one (Traefik 3.6, pkg/provider/kubernetes/crd/kubernetes_http.go).
 */
export function traefikRouterName(namespace: string, ingressRouteName: string, match: string): string {
  const hash = createHash('sha256').update(match).digest('hex').slice(0, 20);
  return normalize(`${namespace}-${ingressRouteName}-${hash}`) + provider;
}

/** Traefik's provider.Normalize: runs of anything but letters and digits become one `-`, none at the ends. */
function normalize(name: string): string {
  return name
    .split(/[^\p{L}\p{N}]+/u)
    .filter((part) => part !== '')
    .join('-');
}
