import { keyOf, type ObjectKey } from '../../api/kubernetes.ts';
import { traefikObjectName } from '../../api/traefik-names.ts';
import type { TraefikService } from '../../api/traefik.ts';
import type { Service } from '../configuration.ts';
import { emptyDraft, type Compiler, type Draft, type Fault, type Reader } from './compiler.ts';
import type { CatalogSettings } from './settings.ts';
import { problemOf, shareOut } from './share.ts';

/** compileTraefikService returns the Compiler of TraefikServices: weighted ones, and a reason for all others. */
export function compileTraefikService(settings: CatalogSettings): Compiler<'TraefikService'> {
  return (object, reader) => {
    const key = keyOf(object);
    const { namespace = '', name } = object.metadata;
    const label = { name: traefikObjectName(namespace, name), identity: `TraefikService ${key}` };
    const fault = faultOf(object, key, reader);
    if (fault !== undefined) return disabled(label, fault);
    const { weighted = {} } = object.spec ?? {};
    const entries = weighted.services ?? [];
    const at = `TraefikService ${key}, spec.weighted.services`;
    const share = shareOut({ ...label, entries, sticky: weighted.sticky, namespace, at, reader, settings });
    if (share.kind !== 'Shared') return disabled(label, share);
    const [own, ...leaves] = share.services;
    const errors = share.problems.map(({ message }) => message);
    const service = own === undefined ? [] : [{ ...own, service: withErrors(own.service, errors) }];
    const { references, problems } = share;
    return { ...emptyDraft, services: [...service, ...leaves], references, problems };
  };
}

function faultOf({ spec }: TraefikService, key: ObjectKey, reader: Reader): Fault | undefined {
  const ways = Object.keys(spec ?? {});
  const [other] = ways.filter((way) => way !== 'weighted');
  const at = `TraefikService ${key}, spec`;
  if (other !== undefined) {
    const message = `${at}.${other}: only weighted is supported; routes to it are not served. Use weighted, or serve it by Traefik.`;
    return { kind: 'Unsupported', reason: 'NotSupported', message };
  }
  if (spec?.weighted === undefined) {
    return {
      kind: 'Broken',
      reason: 'InvalidRoute',
      message: `${at}: there is nothing in it; write weighted.services.`,
    };
  }
  if (!reachesItself(key, reader)) return undefined;
  const message = `${at}.weighted.services: the TraefikService comes back to itself; remove one of the references.`;
  return { kind: 'Broken', reason: 'BrokenReference', message };
}

/** Who is in a circle is judged by what is written alone, so that it is the same wherever one begins. */
function reachesItself(key: ObjectKey, reader: Reader): boolean {
  const seen = new Set<ObjectKey>();
  const queue = childrenOf(key, reader);
  for (const child of queue) {
    if (child === key) return true;
    if (seen.has(child)) continue;
    seen.add(child);
    queue.push(...childrenOf(child, reader));
  }
  return false;
}

function childrenOf(key: ObjectKey, reader: Reader): ObjectKey[] {
  const services = reader.object('TraefikService', key)?.spec?.weighted?.services ?? [];
  const own = key.slice(0, key.indexOf('/'));
  return services
    .filter(({ kind }) => kind === 'TraefikService')
    .map(
      ({ name, namespace = '' }) =>
        `${namespace === '' ? own : namespace}/${name.replace(/@kubernetescrd$/, '')}` as const,
    );
}

/** It is listed as disabled; nothing refers to it. */
function disabled(label: { readonly name: string; readonly identity: string }, fault: Fault): Draft {
  const { name, identity } = label;
  const service: Service = {
    kind: 'Weighted',
    name,
    services: [],
    sticky: undefined,
    status: 'disabled',
    errors: [fault.message],
  };
  return { ...emptyDraft, services: [{ service, identity, owner: name }], problems: [problemOf(fault)], fault };
}

function withErrors<T extends Service>(service: T, errors: readonly string[]): T {
  return errors.length === 0 ? service : { ...service, status: 'warning', errors };
}
