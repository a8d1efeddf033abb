/** The objects that all data planes read: Services at the addresses of the tests' network, and routes to them. */
import type { KubernetesObject } from '../../../src/api/kubernetes.ts';
import type { Ports } from './upstream.ts';

/** namespace is where all of them are. */
export const namespace = 'shop';

/** ServiceOptions is a Service with one slice. */
export interface ServiceOptions {
  readonly name: string;
  /** endpoints are the last numbers of addresses in 10.77.0.0/24, with their conditions; none: a slice without any. */
  readonly endpoints?: readonly (number | { readonly at: number; readonly conditions: object })[];
  /** to is the port of the servers, `http` if absent. */
  readonly to?: keyof Ports | number;
  /** port and portName are the Service's own. */
  readonly port?: number;
  readonly portName?: string;
}

/** serviceObjects returns a Service and its EndpointSlice. */
export function serviceObjects(ports: Ports, options: ServiceOptions): readonly KubernetesObject[] {
  const { name, endpoints = [], to = 'http', port = 80, portName = 'main' } = options;
  const service = { metadata: { namespace, name }, spec: { ports: [{ name: portName, port }] } };
  const slice = {
    metadata: { namespace, name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: portName, port: typeof to === 'number' ? to : ports[to], protocol: 'TCP' }],
    endpoints: endpoints.map((each) =>
      typeof each === 'number'
        ? { addresses: [`10.77.0.${each}`] }
        : { addresses: [`10.77.0.${each.at}`], conditions: each.conditions },
    ),
  };
  return [
    { apiVersion: 'v1', kind: 'Service', ...service },
    { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', ...slice },
  ];
}

/** RouteOptions: a route for `<name>.test` on all entry points, with TLS on `websecure`. */
export interface RouteOptions {
  readonly name: string;
  readonly services: readonly object[];
  readonly match?: string;
  readonly more?: object;
  /** entryPoints are all without TLS, and `websecure`, unless given. */
  readonly entryPoints?: readonly string[];
}

/** routeObjects returns an IngressRoute for entry points without TLS and one for that with. */
export function routeObjects(options: RouteOptions): readonly KubernetesObject[] {
  const { name, services, match = `Host(\`${name}.test\`)`, more = {}, entryPoints = plain } = options;
  const routes = [{ kind: 'Rule', match, services, ...more }];
  const route = (suffix: string, spec: object): object => ({
    apiVersion: 'traefik.io/v1alpha1',
    kind: 'IngressRoute',
    metadata: { namespace, name: `${name}${suffix}` },
    spec: { ...spec, routes },
  });
  const objects = [route('', { entryPoints })];
  if (entryPoints === plain) objects.push(route('-tls', { entryPoints: ['websecure'], tls: {} }));
  return objects as unknown as readonly KubernetesObject[];
}

const plain = ['web', 'trusting', 'hasty'];

/** traefikObject returns an object of another kind of Traefik's. */
export function traefikObject(kind: string, name: string, spec: object): KubernetesObject {
  return {
    apiVersion: 'traefik.io/v1alpha1',
    kind,
    metadata: { namespace, name },
    spec,
  } as unknown as KubernetesObject;
}
