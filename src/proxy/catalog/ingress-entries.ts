import type { Ingress, IngressBackend } from '../../api/ingress.ts';
import { keyOf } from '../../api/kubernetes.ts';

/** IngressEntry is one place of an Ingress that sends requests to a backend. */
export interface IngressEntry {
  /** host is empty for all hosts, `*.x` for those with one label more than x. */
  readonly host: string;
  /** kind: a Prefix is compared element by element; Default takes what no path of the host does. */
  readonly kind: 'Exact' | 'Prefix' | 'Default';
  /** path of a Prefix ends without `/`; the one of everything is empty. */
  readonly path: string;
  /** pathType is as written. */
  readonly pathType: string;
  /** written is the path as written. */
  readonly written: string;
  readonly backend: IngressBackend;
  /** at is the field, with its object, for messages. */
  readonly at: string;
}

/**
 * entriesOf returns the places of an Ingress. Its default backend is that of its hosts, and of all requests where it has no rules
 * (https://kubernetes.io/docs/concepts/services-networking/ingress/#default-backend).
 */
export function entriesOf(ingress: Ingress): readonly IngressEntry[] {
  const label = `Ingress ${keyOf(ingress)}, spec`;
  const { rules = [], defaultBackend } = ingress.spec ?? {};
  const entries = rules.flatMap(({ host = '', http }, rule) =>
    (http?.paths ?? []).map(({ path = '', pathType = 'ImplementationSpecific', backend }, index): IngressEntry => {
      const at = `${label}.rules[${rule}].http.paths[${index}]`;
      const kind = pathType === 'Exact' ? 'Exact' : 'Prefix';
      return { host, kind, path: kind === 'Exact' ? path : trimmed(path), pathType, written: path, backend, at };
    }),
  );
  if (defaultBackend === undefined) return entries;
  const hosts = rules.length === 0 ? [''] : [...new Set(rules.map(({ host = '' }) => host))];
  const defaults = hosts.map((host): IngressEntry => {
    const place = { host, kind: 'Default', path: '', pathType: '', written: '' } as const;
    return { ...place, backend: defaultBackend, at: `${label}.defaultBackend` };
  });
  return [...entries, ...defaults];
}

/** hostsOf returns the hosts of an Ingress, each once; what has none is of the host ''. */
export function hostsOf({ spec }: Ingress): readonly string[] {
  const { rules = [] } = spec ?? {};
  return rules.length === 0 ? [''] : [...new Set(rules.map(({ host = '' }) => host))];
}

/** placeOf is the same for entries that take the same requests. */
export function placeOf({ host, kind, path }: IngressEntry): string {
  return `${host} ${kind} ${path}`;
}

/** A path with and without the slash at its end has the same elements. */
function trimmed(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path;
}
