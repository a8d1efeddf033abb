/** Objects that the catalog and a real Traefik read, and how they are meant to differ. */
import { parse } from 'yaml';
import type { KubernetesObject } from '../../src/api/kubernetes.ts';

/** The backends are Services with the endpoints that they need, in the namespaces `shop` and `other`. */
const backends = `
{kind: Service, name: plain, ports: [{name: http, port: 80}]}
{kind: Slice, service: plain, name: plain-1, ports: [{name: http, port: 8080}], endpoints: [{addresses: [10.1.0.1]}, {addresses: [10.1.0.2]}]}
{kind: Service, name: canary, ports: [{name: http, port: 80}]}
{kind: Slice, service: canary, name: canary-1, ports: [{name: http, port: 8080}], endpoints: [{addresses: [10.1.1.1]}]}
{kind: Service, name: many-ports, ports: [{name: web, port: 80}, {name: https-api, port: 8443}, {name: tls, port: 443}, {name: grpc, port: 9000}]}
{kind: Slice, service: many-ports, name: mp-1, ports: [{name: web, port: 8080}, {name: https-api, port: 18443}, {name: tls, port: 10443}, {name: grpc, port: 19000}], endpoints: [{addresses: [10.1.2.1]}]}
{kind: Service, name: unnamed, ports: [{port: 80}]}
{kind: Slice, service: unnamed, name: unnamed-1, ports: [{port: 8080}], endpoints: [{addresses: [10.1.3.1]}]}
{kind: Service, name: slices, ports: [{name: http, port: 80}]}
{kind: Slice, service: slices, name: slices-1, ports: [{name: http, port: 8080}], endpoints: [{addresses: [10.1.4.1]}, {addresses: [10.1.4.2]}]}
{kind: Slice, service: slices, name: slices-2, ports: [{name: http, port: 8080}], endpoints: [{addresses: [10.1.4.2]}, {addresses: [10.1.4.3]}]}
{kind: Slice, service: slices, name: slices-3, ports: [{name: other, port: 9090}], endpoints: [{addresses: [10.1.4.9]}]}
{kind: Slice, service: slices, name: slices-4, type: IPv6, ports: [{name: http, port: 8080}], endpoints: [{addresses: ['fd00::4']}]}
{kind: Service, name: mixed, ports: [{name: http, port: 80}]}
{kind: Slice, service: mixed, name: mixed-1, ports: [{name: http, port: 8080}], endpoints: [{addresses: [10.1.5.1], conditions: {ready: true, serving: true}}, {addresses: [10.1.5.2], conditions: {ready: false, serving: false}}, {addresses: [10.1.5.3], conditions: {ready: false, serving: true, terminating: true}}, {addresses: [10.1.5.4], conditions: {ready: false, serving: false, terminating: true}}]}
{kind: Service, name: fenced, ports: [{name: http, port: 80}]}
{kind: Slice, service: fenced, name: fenced-1, ports: [{name: http, port: 8080}], endpoints: [{addresses: [10.1.6.1], conditions: {ready: false, serving: true, terminating: true}}]}
{kind: Service, name: empty, ports: [{name: http, port: 80}]}
{kind: Service, name: unready, ports: [{name: http, port: 80}]}
{kind: Slice, service: unready, name: unready-1, ports: [{name: http, port: 8080}], endpoints: [{addresses: [10.1.7.1], conditions: {ready: false, serving: false}}]}
{kind: Service, name: headless, clusterIP: None, ports: [{name: http, port: 80}]}
{kind: Slice, service: headless, name: headless-1, ports: [{name: http, port: 8080}], endpoints: [{addresses: [10.1.8.1]}]}
{kind: Service, name: outside, type: ExternalName, externalName: api.example, ports: [{name: http, port: 80}]}
{kind: Service, name: outside-bare, type: ExternalName, externalName: api.example}
{kind: Service, name: a-b, ports: [{name: http, port: 80}]}
{kind: Slice, service: a-b, name: a-b-1, ports: [{name: http, port: 8080}], endpoints: [{addresses: [10.1.9.1]}]}
{kind: Service, namespace: other, name: far, ports: [{name: http, port: 80}]}
{kind: Slice, namespace: other, service: far, name: far-1, ports: [{name: http, port: 8080}], endpoints: [{addresses: [10.2.0.1]}]}
`;

/** What routes name beside Services. */
const services = `
{kind: TraefikService, name: split, spec: {weighted: {services: [{name: plain, port: 80, weight: 9}, {name: canary, port: 80, weight: 1}]}}}
{kind: TraefikService, name: sticky-split, spec: {weighted: {sticky: {cookie: {name: 'my version', secure: true, httpOnly: true, sameSite: lax, maxAge: 60, path: /app, domain: a.example}}, services: [{name: plain, port: 80}, {name: canary, port: 80}]}}}
{kind: TraefikService, name: sticky-default, spec: {weighted: {sticky: {cookie: {}}, services: [{name: plain, port: 80}]}}}
{kind: TraefikService, name: nested, spec: {weighted: {services: [{name: split, kind: TraefikService, weight: 3}, {name: plain, port: http}]}}}
{kind: TraefikService, name: broken, spec: {weighted: {services: [{name: plain, port: 80}, {name: missing, port: 80}]}}}
{kind: TraefikService, name: circle-1, spec: {weighted: {services: [{name: circle-2, kind: TraefikService}]}}}
{kind: TraefikService, name: circle-2, spec: {weighted: {services: [{name: circle-1, kind: TraefikService}]}}}
{kind: TraefikService, name: mirrored, spec: {mirroring: {name: plain, port: 80, mirrors: [{name: canary, port: 80, percent: 10}]}}}
{kind: TraefikService, name: hashed, spec: {highestRandomWeight: {services: [{name: plain, port: 80}, {name: canary, port: 80}]}}}
{kind: Middleware, name: strip, spec: {stripPrefix: {prefixes: [/app]}}}
{kind: ServersTransport, name: quick, spec: {serverName: api.internal, maxIdleConnsPerHost: 7, forwardingTimeouts: {dialTimeout: 1s, idleConnTimeout: 5}}}
`;

/** Route is an IngressRoute; `differs` says why it is meant to be served otherwise than by Traefik. */
export interface RouteCase {
  readonly name: string;
  readonly spec: string;
  readonly differs?: string;
}

/** routes are the IngressRoutes of the namespace `shop`; the host of each is its name. HOST stands for the rule. */
export const routes: readonly RouteCase[] = [
  { name: 'one', spec: 'routes: [{match: HOST, kind: Rule, services: [{name: plain, port: 80}]}]' },
  { name: 'port-name', spec: 'routes: [{match: HOST, services: [{name: plain, port: http}]}]' },
  {
    name: 'two',
    spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, weight: 3}, {name: canary, port: 80, weight: 1}]}]',
  },
  {
    name: 'no-weight',
    spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, weight: 50}, {name: canary, port: 80}]}]',
  },
  {
    name: 'zero',
    spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, weight: 1}, {name: canary, port: 80, weight: 0}]}]',
  },
  {
    name: 'all-zero',
    spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, weight: 0}, {name: canary, port: 80, weight: 0}]}]',
  },
  {
    name: 'twice',
    spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, weight: 2}, {name: plain, port: 80, weight: 3}, {name: canary, port: 80, weight: 5}]}]',
  },
  {
    name: 'two-ports',
    spec: 'routes: [{match: HOST, services: [{name: many-ports, port: 80}, {name: many-ports, port: grpc, scheme: h2c}]}]',
  },
  { name: 'scheme-443', spec: 'routes: [{match: HOST, services: [{name: many-ports, port: 443}]}]' },
  { name: 'scheme-name', spec: 'routes: [{match: HOST, services: [{name: many-ports, port: https-api}]}]' },
  { name: 'scheme-given', spec: 'routes: [{match: HOST, services: [{name: many-ports, port: 443, scheme: http}]}]' },
  { name: 'scheme-h2c', spec: 'routes: [{match: HOST, services: [{name: many-ports, port: 9000, scheme: h2c}]}]' },
  { name: 'scheme-bad', spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, scheme: ftp}]}]' },
  { name: 'unnamed-port', spec: 'routes: [{match: HOST, services: [{name: unnamed, port: 80}]}]' },
  { name: 'quoted-port', spec: 'routes: [{match: HOST, services: [{name: plain, port: "80"}]}]' },
  { name: 'no-port', spec: 'routes: [{match: HOST, services: [{name: plain}]}]' },
  { name: 'wrong-port', spec: 'routes: [{match: HOST, services: [{name: plain, port: 81}]}]' },
  { name: 'no-service', spec: 'routes: [{match: HOST, services: [{name: missing, port: 80}]}]' },
  {
    name: 'some-missing',
    spec: 'routes: [{match: HOST, services: [{name: plain, port: 80}, {name: missing, port: 80, weight: 0}]}]',
  },
  { name: 'many-slices', spec: 'routes: [{match: HOST, services: [{name: slices, port: 80}]}]' },
  { name: 'mixed-pods', spec: 'routes: [{match: HOST, services: [{name: mixed, port: 80}]}]' },
  { name: 'fenced-pods', spec: 'routes: [{match: HOST, services: [{name: fenced, port: 80}]}]' },
  { name: 'no-pods', spec: 'routes: [{match: HOST, services: [{name: empty, port: 80}]}]' },
  { name: 'no-ready-pods', spec: 'routes: [{match: HOST, services: [{name: unready, port: 80}]}]' },
  { name: 'half-empty', spec: 'routes: [{match: HOST, services: [{name: plain, port: 80}, {name: empty, port: 80}]}]' },
  { name: 'native', spec: 'routes: [{match: HOST, services: [{name: empty, port: 80, nativeLB: true}]}]' },
  { name: 'native-headless', spec: 'routes: [{match: HOST, services: [{name: headless, port: 80, nativeLB: true}]}]' },
  { name: 'headless', spec: 'routes: [{match: HOST, services: [{name: headless, port: 80}]}]' },
  { name: 'external', spec: 'routes: [{match: HOST, services: [{name: outside, port: 80}]}]' },
  { name: 'external-port', spec: 'routes: [{match: HOST, services: [{name: outside-bare, port: 443}]}]' },
  { name: 'other-namespace', spec: 'routes: [{match: HOST, services: [{name: far, namespace: other, port: 80}]}]' },
  { name: 'own-namespace', spec: 'routes: [{match: HOST, services: [{name: plain, namespace: shop, port: 80}]}]' },
  { name: 'host-header', spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, passHostHeader: false}]}]' },
  { name: 'sticky', spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, sticky: {cookie: {}}}]}]' },
  {
    name: 'sticky-full',
    spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, sticky: {cookie: {name: "a b;c", secure: true, httpOnly: true, sameSite: strict, maxAge: -1, path: "", domain: x.example}}}]}]',
  },
  {
    name: 'sticky-two',
    spec: 'routes: [{match: HOST, services: [{name: many-ports, port: web, sticky: {cookie: {name: pod}}}, {name: many-ports, port: tls, sticky: {cookie: {}}}]}]',
  },
  { name: 'p2c', spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, strategy: p2c}]}]' },
  { name: 'round-robin', spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, strategy: RoundRobin}]}]' },
  {
    name: 'passive',
    spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, passiveHealthCheck: {failureWindow: 90s, maxFailedAttempts: 3}}]}]',
  },
  {
    name: 'passive-default',
    spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, passiveHealthCheck: {failureWindow: 5}}]}]',
  },
  { name: 'transport', spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, serversTransport: quick}]}]' },
  {
    name: 'transport-missing',
    spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, serversTransport: missing}]}]',
  },
  {
    name: 'flush',
    spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, responseForwarding: {flushInterval: 1x}}]}]',
  },
  { name: 'health', spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, healthCheck: {path: /}}]}]' },
  { name: 'tservice', spec: 'routes: [{match: HOST, services: [{name: split, kind: TraefikService}]}]' },
  {
    name: 'tservice-provider',
    spec: 'routes: [{match: HOST, services: [{name: split@kubernetescrd, kind: TraefikService}]}]',
  },
  { name: 'tservice-sticky', spec: 'routes: [{match: HOST, services: [{name: sticky-split, kind: TraefikService}]}]' },
  {
    name: 'tservice-default',
    spec: 'routes: [{match: HOST, services: [{name: sticky-default, kind: TraefikService}]}]',
  },
  { name: 'tservice-nested', spec: 'routes: [{match: HOST, services: [{name: nested, kind: TraefikService}]}]' },
  {
    name: 'tservice-mixed',
    spec: 'routes: [{match: HOST, services: [{name: split, kind: TraefikService, weight: 2}, {name: plain, port: 80}]}]',
  },
  { name: 'tservice-missing', spec: 'routes: [{match: HOST, services: [{name: missing, kind: TraefikService}]}]' },
  { name: 'tservice-broken', spec: 'routes: [{match: HOST, services: [{name: broken, kind: TraefikService}]}]' },
  { name: 'tservice-circle', spec: 'routes: [{match: HOST, services: [{name: circle-1, kind: TraefikService}]}]' },
  {
    name: 'tservice-half',
    spec: 'routes: [{match: HOST, services: [{name: plain, port: 80}, {name: missing, kind: TraefikService}]}]',
  },
  { name: 'priority', spec: 'routes: [{match: HOST, priority: 1234, services: [{name: plain, port: 80}]}]' },
  { name: 'priority-negative', spec: 'routes: [{match: HOST, priority: -5, services: [{name: plain, port: 80}]}]' },
  {
    name: 'priority-zero',
    spec: 'routes: [{match: "HOST && PathPrefix(`/ä`)", priority: 0, services: [{name: plain, port: 80}]}]',
  },
  {
    name: 'syntax-v2',
    spec: 'routes: [{match: "Host(`a.v2`, `b.v2`)", syntax: v2, services: [{name: plain, port: 80}]}]',
  },
  { name: 'rule-v2-as-v3', spec: 'routes: [{match: "Host(`a.v2`, `b.v2`)", services: [{name: plain, port: 80}]}]' },
  { name: 'rule-bad', spec: 'routes: [{match: "Host(`bad`", services: [{name: plain, port: 80}]}]' },
  { name: 'rule-empty', spec: 'routes: [{match: "", services: [{name: plain, port: 80}]}]' },
  {
    name: 'rule-regexp',
    spec: 'routes: [{match: "HOST && PathRegexp(`^/(?=a)`)", services: [{name: plain, port: 80}]}]',
  },
  {
    name: 'several',
    spec: 'routes: [{match: HOST, services: [{name: plain, port: 80}]}, {match: HOST && PathPrefix(`/b`), services: [{name: missing, port: 80}]}, {match: HOST && PathPrefix(`/c`), services: [{name: canary, port: 80}]}]',
  },
  {
    name: 'same-match',
    spec: 'routes: [{match: HOST, services: [{name: plain, port: 80}]}, {match: HOST, priority: 9, services: [{name: canary, port: 80}]}]',
  },
  { name: 'point-web', spec: 'entryPoints: [web]\nroutes: [{match: HOST, services: [{name: plain, port: 80}]}]' },
  {
    name: 'point-secure',
    spec: 'entryPoints: [websecure]\nroutes: [{match: HOST, services: [{name: plain, port: 80}]}]',
  },
  {
    name: 'point-both',
    spec: 'entryPoints: [websecure, web]\nroutes: [{match: HOST, services: [{name: plain, port: 80}]}]',
  },
  {
    name: 'point-unknown',
    spec: 'entryPoints: [web, nowhere]\nroutes: [{match: HOST, services: [{name: plain, port: 80}]}]',
  },
  { name: 'point-none', spec: 'entryPoints: [nowhere]\nroutes: [{match: HOST, services: [{name: plain, port: 80}]}]' },
  { name: 'tls-empty', spec: 'tls: {}\nroutes: [{match: HOST, services: [{name: plain, port: 80}]}]' },
  {
    name: 'tls-secure',
    spec: 'entryPoints: [websecure]\ntls: {}\nroutes: [{match: HOST, services: [{name: plain, port: 80}]}]',
  },
  { name: 'no-services', spec: 'routes: [{match: HOST}]' },
  { name: 'dotted.name', spec: 'routes: [{match: HOST, services: [{name: a-b, port: 80}]}]' },
  { name: 'class-traefik', spec: 'class: traefik\nroutes: [{match: HOST, services: [{name: plain, port: 80}]}]' },
  { name: 'class-other', spec: 'class: nginx\nroutes: [{match: HOST, services: [{name: plain, port: 80}]}]' },

  {
    name: 'hrw',
    spec: 'routes: [{match: HOST, services: [{name: plain, port: 80, strategy: hrw}]}]',
    differs: 'pods are asked in turn instead, with a warning (proxy.md 33)',
  },
  {
    name: 'mirror',
    spec: 'routes: [{match: HOST, services: [{name: mirrored, kind: TraefikService}]}]',
    differs: 'mirroring is not supported: disabled (proxy.md 19)',
  },
  {
    name: 'hash',
    spec: 'routes: [{match: HOST, services: [{name: hashed, kind: TraefikService}]}]',
    differs: 'highestRandomWeight is not supported: disabled (proxy.md 19)',
  },
  {
    name: 'external-health',
    spec: 'routes: [{match: HOST, services: [{name: outside, port: 80, healthCheck: {path: /}}]}]',
    differs: 'active health checks are not supported: disabled (proxy.md 19)',
  },
  {
    name: 'middleware',
    spec: 'routes: [{match: HOST, middlewares: [{name: strip}], services: [{name: plain, port: 80}]}]',
    differs: 'middlewares are not supported yet: disabled, never passed by',
  },
  {
    name: 'resolver',
    spec: 'entryPoints: [websecure]\ntls: {certResolver: le}\nroutes: [{match: HOST, services: [{name: plain, port: 80}]}]',
    differs: 'served, with a warning that there is no ACME (proxy.md 19)',
  },
  {
    name: 'secret',
    spec: 'entryPoints: [websecure]\ntls: {secretName: cert}\nroutes: [{match: HOST, services: [{name: plain, port: 80}]}]',
    differs: 'served, with a warning that the Secret does not exist',
  },
  {
    name: 'no-metrics',
    spec: 'routes: [{match: HOST, observability: {metrics: false}, services: [{name: plain, port: 80}]}]',
    differs: 'counted all the same, with a warning: the judge needs it',
  },
  {
    name: 'dashboard',
    spec: 'routes: [{match: HOST, services: [{name: api@internal, kind: TraefikService}]}]',
    differs: 'Traefik has a dashboard; the API of Sluice is on the admin port',
  },
  {
    name: 'parent',
    spec: 'routes: [{match: HOST}]',
    differs: 'parents of other routes are not supported: disabled (proxy.md 19)',
  },
  {
    name: 'child',
    spec: 'parentRefs: [{name: parent}]\nroutes: [{match: PathPrefix(`/child`), services: [{name: plain, port: 80}]}]',
    differs: 'routes below others are not supported: disabled (proxy.md 19)',
  },
];

/** specOf returns the spec of a route, with its host; `class` is the ingress class. */
export function specOf({ name, spec }: RouteCase) {
  return parse(spec.replaceAll('HOST', `Host(\`${name}\`)`)) as {
    readonly class?: string;
    readonly routes: readonly { readonly match: string }[];
  };
}

/** catalogObjects returns all of them as manifests. */
export function catalogObjects(): readonly KubernetesObject[] {
  return [...lines(backends).map(backendOf), ...lines(services).map(serviceOf), ...routes.map(routeOf)];
}

function lines(text: string): readonly Record<string, unknown>[] {
  return text
    .trim()
    .split('\n')
    .map((line) => parse(line) as Record<string, unknown>);
}

function backendOf(written: Record<string, unknown>): KubernetesObject {
  const { kind, name, namespace = 'shop', service, endpoints, ...rest } = written;
  if (kind === 'Service') {
    return { apiVersion: 'v1', kind, metadata: { name, namespace }, spec: rest } as unknown as KubernetesObject;
  }
  const metadata = { name, namespace, labels: { 'kubernetes.io/service-name': service } };
  const { type: addressType = 'IPv4', ports } = rest;
  const head = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice' };
  return { ...head, metadata, addressType, ports, endpoints } as unknown as KubernetesObject;
}

function serviceOf({ kind, name, spec }: Record<string, unknown>): KubernetesObject {
  const metadata = { name, namespace: 'shop' };
  return { apiVersion: 'traefik.io/v1alpha1', kind, metadata, spec } as unknown as KubernetesObject;
}

function routeOf(route: RouteCase): KubernetesObject {
  const { class: ingressClass, ...spec } = specOf(route);
  const annotations =
    ingressClass === undefined ? {} : { annotations: { 'kubernetes.io/ingress.class': ingressClass } };
  const metadata = { name: route.name, namespace: 'shop', ...annotations };
  return { apiVersion: 'traefik.io/v1alpha1', kind: 'IngressRoute', metadata, spec } as KubernetesObject;
}
