import { keyOf, type ObjectKey } from '../../api/kubernetes.ts';
import { parseTraefikDuration } from '../../api/traefik-duration.ts';
import type { ServersTransport } from '../../api/traefik.ts';
import type { Transport } from '../configuration.ts';
import { emptyDraft, type Compiler, type Fault, type Problem, type Reader } from './compiler.ts';
import type { CatalogSettings } from './settings.ts';
import { problemOf } from './share.ts';

/** compileServersTransport returns the Compiler of ServersTransports, with what their Secrets and ConfigMaps hold. */
export function compileServersTransport({ isStrict }: CatalogSettings): Compiler<'ServersTransport'> {
  return (object, reader) => {
    const key = keyOf(object);
    const { spec = {} } = object;
    const secrets = readSecrets(object, key, reader);
    const fault = unsupportedOf(spec, key) ?? secrets.fault;
    if (fault !== undefined) return { ...emptyDraft, problems: [problemOf(fault)], fault };
    const times = spec.forwardingTimeouts ?? {};
    const timeouts = {
      dialTimeoutMs: timeoutOf(times.dialTimeout, 30_000),
      responseHeaderTimeoutMs: timeoutOf(times.responseHeaderTimeout, 0),
      idleTimeoutMs: timeoutOf(times.idleConnTimeout, 90_000),
    };
    const problems = [...secrets.problems, ...durationProblems(object, key)];
    const transport: Transport = {
      name: `${key}@kubernetescrd`,
      serverName: spec.serverName === '' ? undefined : spec.serverName,
      isInsecure: spec.insecureSkipVerify ?? false,
      rootCas: secrets.rootCas,
      certificates: secrets.certificates,
      maxIdlePerHost: maxIdleOf(spec.maxIdleConnsPerHost ?? 0, isStrict),
      isHttp2Disabled: spec.disableHTTP2 ?? false,
      ...timeouts,
    };
    return { ...emptyDraft, transports: [transport], problems };
  };
}

type Spec = NonNullable<ServersTransport['spec']>;

/** These narrow down which servers are trusted: without them too many would be. */
function unsupportedOf(spec: Spec, key: ObjectKey): Fault | undefined {
  const field = spec.spiffe === undefined ? (spec.peerCertURI ? 'peerCertURI' : undefined) : 'spiffe';
  if (field === undefined) return undefined;
  const message = `ServersTransport ${key}, spec.${field}: not supported; routes that use it are not served. Use rootCAs and serverName.`;
  return { kind: 'Unsupported', reason: 'NotSupported', message };
}

/** Zero is what is not set: Go then keeps 2 connections for each server, which is slow; Traefik's default transport keeps 200. */
function maxIdleOf(given: number, isStrict: boolean): number {
  if (given === 0) return isStrict ? 2 : 200;
  return Math.max(0, given);
}

const durations = ['dialTimeout', 'responseHeaderTimeout', 'idleConnTimeout'] as const;

function timeoutOf(value: number | string | undefined, defaultMs: number): number {
  return (value === undefined ? undefined : parseTraefikDuration(value)) ?? defaultMs;
}

function durationProblems({ spec }: ServersTransport, key: ObjectKey): readonly Problem[] {
  return durations.flatMap((field) => {
    const value = spec?.forwardingTimeouts?.[field];
    if (value === undefined || parseTraefikDuration(value) !== undefined) return [];
    const at = `ServersTransport ${key}, spec.forwardingTimeouts.${field}`;
    return [
      { reason: 'Unreadable', message: `${at}: found ${value}; the default holds. Write a duration such as 10s.` },
    ];
  });
}

interface Secrets {
  readonly rootCas: readonly string[];
  readonly certificates: Transport['certificates'];
  readonly problems: readonly Problem[];
  readonly fault: Fault | undefined;
}

/**
 * What cannot be read is left out, as in Traefik. But when no authority is left of those that are named, the system's
 * would be trusted instead: nothing is sent there then.
 */
function readSecrets({ spec = {} }: ServersTransport, key: ObjectKey, reader: Reader): Secrets {
  const namespace = key.slice(0, key.indexOf('/'));
  const authorities = [
    ...(spec.rootCAsSecrets ?? []).map((name) => readAuthority(reader, 'Secret', `${namespace}/${name}`)),
    ...(spec.rootCAs ?? []).map(({ secret, configMap }) =>
      secret === undefined
        ? readAuthority(reader, 'ConfigMap', `${namespace}/${configMap ?? ''}`)
        : readAuthority(reader, 'Secret', `${namespace}/${secret}`),
    ),
  ];
  const pairs = (spec.certificatesSecrets ?? []).map((name) => readPair(reader, `${namespace}/${name}`));
  const problems = [...authorities, ...pairs].flatMap((read) =>
    read.kind === 'Missing' ? [missing(key, read.found)] : [],
  );
  const rootCas = authorities.flatMap((read) => (read.kind === 'Read' ? [read.value] : []));
  const isUntrusted = authorities.length > 0 && rootCas.length === 0 && spec.insecureSkipVerify !== true;
  const [first] = problems;
  return {
    rootCas,
    certificates: pairs.flatMap((read) => (read.kind === 'Read' ? [read.value] : [])),
    problems,
    fault: isUntrusted && first !== undefined ? { kind: 'Broken', ...first } : undefined,
  };
}

type Read<T> = { readonly kind: 'Read'; readonly value: T } | { readonly kind: 'Missing'; readonly found: string };

function readAuthority(reader: Reader, kind: 'Secret' | 'ConfigMap', key: ObjectKey): Read<string> {
  const data = textsOf(reader, kind, key);
  if (data === undefined) return { kind: 'Missing', found: `${kind} ${key} does not exist` };
  const values = Object.values(data);
  // Traefik takes the only value of a Secret, whatever it is called.
  const value = data['ca.crt'] ?? data['tls.ca'] ?? (kind === 'Secret' && values.length === 1 ? values[0] : undefined);
  if (value === undefined || value === '') return { kind: 'Missing', found: `${kind} ${key} has no ca.crt or tls.ca` };
  return { kind: 'Read', value };
}

function readPair(reader: Reader, key: ObjectKey): Read<{ readonly certificate: string; readonly key: string }> {
  const data = textsOf(reader, 'Secret', key);
  if (data === undefined) return { kind: 'Missing', found: `Secret ${key} does not exist` };
  const { 'tls.crt': certificate = '', 'tls.key': privateKey = '' } = data;
  if (certificate === '' || privateKey === '')
    return { kind: 'Missing', found: `Secret ${key} has no tls.crt or tls.key` };
  return { kind: 'Read', value: { certificate, key: privateKey } };
}

function textsOf(
  reader: Reader,
  kind: 'Secret' | 'ConfigMap',
  key: ObjectKey,
): Readonly<Record<string, string>> | undefined {
  const object = reader.object(kind, key);
  if (object === undefined) return undefined;
  const { data = {} } = object;
  if (kind === 'ConfigMap') return data;
  return Object.fromEntries(Object.entries(data).map(([name, text]) => [name, Buffer.from(text, 'base64').toString()]));
}

function missing(key: ObjectKey, found: string): Problem {
  return { reason: 'BrokenReference', message: `ServersTransport ${key}: ${found}; create it or correct the name.` };
}
