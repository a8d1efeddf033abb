import type { Ingress } from '../../api/ingress.ts';
import { keyOf } from '../../api/kubernetes.ts';
import type { ObjectReference } from '../../api/traefik.ts';
import type { Problem } from './compiler.ts';

/** IngressOptions is what annotations say of all routers of an Ingress. */
export interface IngressOptions {
  /** entryPoints is empty for all. */
  readonly entryPoints: readonly string[];
  readonly priority: number | undefined;
  readonly isTls: boolean;
  readonly middlewares: readonly ObjectReference[];
  /** protocol of the servers, as nginx's backend-protocol. */
  readonly scheme: 'http' | 'https' | 'h2c' | undefined;
  /** refusals are why nothing may be served, notes are what is not done as it is written. */
  readonly refusals: readonly Problem[];
  readonly notes: readonly Problem[];
}

const traefikPrefix = 'traefik.ingress.kubernetes.io/';
const nginxPrefix = 'nginx.ingress.kubernetes.io/';
const ownPrefix = 'sluice.dev/';

/** What is left out of these changes times, sizes and logs, or what a browser may do less than before. */
const harmless =
  /^(?:proxy-|client-body-buffer-size$|connection-proxy-header$|cors-|custom-headers$|enable-(?:access-log|cors|opentelemetry|rewrite-log)$|load-balance$|opentelemetry-|preserve-host$|service-upstream$|ssl-(?:prefer-server-ciphers|redirect)$|force-ssl-redirect$|upstream-(?:keepalive|vhost-).*)/;

const canary = /^canary(?:-by-(?:header|header-value|header-pattern|cookie)|-weight|-weight-total)?$/;

const schemes: Readonly<Record<string, 'http' | 'https' | 'h2c'>> = {
  HTTP: 'http',
  AUTO_HTTP: 'http',
  HTTPS: 'https',
  GRPC: 'h2c',
  GRPCS: 'https',
};

/**
 * readIngressOptions reads the annotations of Traefik's Ingress provider for routers, and those of ingress-nginx that have an
 * answer here. Any other of them may be what keeps strangers out: then nothing is served.
 */
export function readIngressOptions(ingress: Ingress): IngressOptions {
  const options: Mutable<IngressOptions> = { ...noOptions, refusals: [], notes: [] };
  for (const [name, value] of Object.entries(ingress.metadata.annotations ?? {})) {
    const at = `Ingress ${keyOf(ingress)}, annotation ${name}`;
    if (name.startsWith(traefikPrefix)) {
      readTraefik(options, name.slice(traefikPrefix.length), { value, at, ingress });
    } else if (name.startsWith(nginxPrefix)) readNginx(options, name.slice(nginxPrefix.length), { value, at });
    else if (name.startsWith(`${ownPrefix}canary`) && !canary.test(name.slice(ownPrefix.length))) {
      options.refusals = [...options.refusals, unknown(`${at}: there is no such annotation; correct its name.`)];
    }
  }
  return options;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const noOptions: IngressOptions = {
  entryPoints: [],
  priority: undefined,
  isTls: false,
  middlewares: [],
  scheme: undefined,
  refusals: [],
  notes: [],
};

interface Found {
  readonly value: string;
  readonly at: string;
}

function readTraefik(
  options: Mutable<IngressOptions>,
  name: string,
  { value, at, ingress }: Found & { readonly ingress: Ingress },
): void {
  switch (name) {
    case 'router.entrypoints':
      options.entryPoints = listOf(value);
      return;
    case 'router.middlewares':
      options.middlewares = listOf(value).map((text) => referenceOf(text, ingress.metadata.namespace ?? ''));
      return;
    case 'router.priority':
      if (/^-?[0-9]{1,15}$/.test(value)) options.priority = value === '0' ? undefined : Number(value);
      else refuse(options, `${at}: found ${JSON.stringify(value)}; write a number.`, 'InvalidRoute');
      return;
    case 'router.tls':
      options.isTls = value === 'true';
      return;
    case 'router.tls.certresolver':
      options.isTls = true;
      note(options, `${at}: there is no ACME; let cert-manager keep a Secret, and name it in spec.tls.`);
      return;
    default:
      if (name.startsWith('router.observability')) note(options, `${at}: it cannot be turned off for one route.`);
      else refuse(options, `${at}: it is not supported, so that nothing is served; remove it, or use an IngressRoute.`);
  }
}

function readNginx(options: Mutable<IngressOptions>, name: string, { value, at }: Found): void {
  if (canary.test(name)) return;
  if (name === 'backend-protocol') {
    const scheme = schemes[value.toUpperCase()];
    if (scheme === undefined) refuse(options, `${at}: found ${value}; write HTTP, HTTPS, GRPC or GRPCS.`);
    else options.scheme = scheme;
  } else if (harmless.test(name)) note(options, `${at}: it is not supported, and nothing is done about it; remove it.`);
  else refuse(options, `${at}: it is not supported, so that nothing is served; remove it, or use an IngressRoute.`);
}

function refuse(options: Mutable<IngressOptions>, message: string, reason: Problem['reason'] = 'NotSupported'): void {
  options.refusals = [...options.refusals, { reason, message }];
}

function note(options: Mutable<IngressOptions>, message: string): void {
  options.notes = [...options.notes, { reason: 'NotSupported', message }];
}

function unknown(message: string): Problem {
  return { reason: 'InvalidRoute', message };
}

function listOf(value: string): readonly string[] {
  return value
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '');
}

/** Traefik's own name of a Middleware is that of its namespace, a `-` and its name; only one of the namespace can be told for sure. */
function referenceOf(text: string, namespace: string): ObjectReference {
  const name = text.replace(/@kubernetescrd$/, '');
  return { name: name.startsWith(`${namespace}-`) ? name.slice(namespace.length + 1) : text };
}
