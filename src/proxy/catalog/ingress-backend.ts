import { keyOf, type Service as KubernetesService } from '../../api/kubernetes.ts';
import { ingressServiceName } from '../../api/traefik-names.ts';
import type { RouteService } from '../../api/traefik.ts';
import type { Ingress, IngressBackend } from '../../api/ingress.ts';
import type { Fault, Problem, Reader } from './compiler.ts';
import { resolveService, type ResolvedService } from './resolve-service.ts';
import type { CatalogSettings } from './settings.ts';

/** BackendUse is a backend whose service is wanted. */
export interface BackendUse {
  readonly ingress: Ingress;
  readonly backend: IngressBackend;
  /** at is the field of the entry, with its object, for messages. */
  readonly at: string;
  /** scheme is what the Ingress says, which a Service may overrule. */
  readonly scheme: RouteService['scheme'] | undefined;
  readonly reader: Reader;
  readonly settings: CatalogSettings;
  /** leafName is used instead of that of the Service. */
  readonly leafName?: string;
}

/** resolveBackend finds what a backend stands for: a leaf, or why there is none. */
export function resolveBackend(use: BackendUse): ResolvedService {
  const { ingress, backend, reader, settings } = use;
  const { namespace = '' } = ingress.metadata;
  const at = use.at.endsWith('defaultBackend') ? use.at : `${use.at}.backend`;
  const { service, resource } = backend;
  if (service === undefined) {
    const found = resource === undefined ? 'there is no service' : 'resources are not supported';
    return broken(`${at}: ${found}; name a Service.`);
  }
  const port = portOf(service);
  const object = reader.object('Service', `${namespace}/${service.name}`);
  const options = optionsOf(object);
  const unsupported = options.problem;
  if (unsupported !== undefined) return unsupported;
  const entry: RouteService = {
    ...(use.scheme !== undefined && { scheme: use.scheme }),
    ...options.entry,
    name: service.name,
    ...(port !== undefined && { port }),
  };
  const name = use.leafName ?? ingressServiceName(namespace, service.name, port ?? '');
  const identity = `Service ${namespace}/${service.name}, port ${port}`;
  return resolveService({ entry, namespace, at: `${at}.service`, reader, settings, leaf: { name, identity } });
}

function portOf({ port }: NonNullable<IngressBackend['service']>): number | string | undefined {
  return port?.name ?? port?.number;
}

const prefix = 'traefik.ingress.kubernetes.io/service.';

interface ServiceOptions {
  readonly entry: Partial<RouteService>;
  readonly problem: Fault | undefined;
}

/** Traefik reads how servers are used from annotations of the Service (Traefik 3.6, pkg/provider/kubernetes/ingress/annotations.go). */
function optionsOf(service: KubernetesService | undefined): ServiceOptions {
  const given = Object.entries(service?.metadata.annotations ?? {}).filter(([name]) => name.startsWith(prefix));
  if (service === undefined || given.length === 0) return { entry: {}, problem: undefined };
  const values = new Map(given.map(([name, value]) => [name.slice(prefix.length), value]));
  const unknown = [...values.keys()].find((name) => !known.has(name) && !name.startsWith('sticky.cookie'));
  if (unknown === undefined) return { entry: entryOf(values, service.metadata.namespace ?? ''), problem: undefined };
  const message = `Service ${keyOf(service)}, annotation ${prefix}${unknown}: it is not supported; remove it.`;
  return { entry: {}, problem: { kind: 'Unsupported', reason: 'NotSupported', message } };
}

function entryOf(values: ReadonlyMap<string, string>, namespace: string): Partial<RouteService> {
  const entry: Record<string, unknown> = {};
  for (const [name, value] of values) {
    if (name === 'serversscheme') entry['scheme'] = value;
    if (name === 'passhostheader') entry['passHostHeader'] = value === 'true';
    if (name === 'nativelb') entry['nativeLB'] = value === 'true';
    if (name === 'serverstransport') entry['serversTransport'] = ownName(value, namespace);
  }
  const sticky = stickyOf(values);
  return sticky === undefined ? entry : { ...entry, sticky: { cookie: sticky } };
}

/** Traefik's own name of an object is that of its namespace, a `-` and its name. */
function ownName(text: string, namespace: string): string {
  const name = text.replace(/@kubernetescrd$/, '');
  return name.startsWith(`${namespace}-`) ? name.slice(namespace.length + 1) : text;
}

const known = new Set(['serversscheme', 'passhostheader', 'nativelb', 'serverstransport']);

function stickyOf(values: ReadonlyMap<string, string>) {
  const text = (name: string): string | undefined => values.get(`sticky.cookie.${name}`);
  const [name, sameSite, path, domain] = [text('name'), text('samesite'), text('path'), text('domain')];
  if (values.get('sticky.cookie') !== 'true' && ![...values.keys()].some((key) => key.startsWith('sticky.cookie.'))) {
    return undefined;
  }
  return {
    ...(name !== undefined && { name }),
    ...(sameSite !== undefined && { sameSite }),
    ...(path !== undefined && { path }),
    ...(domain !== undefined && { domain }),
    secure: text('secure') === 'true',
    httpOnly: text('httponly') === 'true',
    maxAge: Number(text('maxage') ?? 0),
  };
}

/** notesOf are the problems that leave a leaf served. */
export function notesOf(service: ResolvedService): readonly Problem[] {
  return service.kind === 'Leaf' ? service.notes : [];
}

function broken(message: string): Fault {
  return { kind: 'Broken', reason: 'InvalidRoute', message };
}
