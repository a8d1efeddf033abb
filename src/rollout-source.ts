/** Where the commands for people read Rollouts: the API server, or the state of standalone mode with --dir. */
import path from 'node:path';
import type { KubernetesObject, ObjectKey, ResourceKind } from './api/kubernetes.ts';
import { systemClock, type Clock } from './clock.ts';
import { isSluiceError, SluiceError } from './errors.ts';
import { loadKubeConfig } from './kube/config.ts';
import { createKubeObjectStore, type KubeObjectStore } from './kube/kube-object-store.ts';
import { readStateOf, type StateReader } from './standalone/state-reader.ts';
import { version } from './version.ts';

/** SourceCall is the part of a command line that says where the objects are. */
export interface SourceCall {
  readonly namespace?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  /** as is the user to impersonate. */
  readonly as?: string | undefined;
  /** dir is the folder of standalone mode, state its state directory. */
  readonly dir?: string | undefined;
  readonly state?: string | undefined;
}

/** CommandHost is what only the process knows. */
export interface CommandHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** RolloutSource reads objects. It throws what the API server answers, and ConfigInvalid for a state that cannot be read. */
export interface RolloutSource {
  /** namespace is the one that is meant where a name has none. */
  readonly namespace: string;
  get<T extends KubernetesObject>(kind: ResourceKind, key: ObjectKey): Promise<T | undefined>;
  /** list returns those of a namespace, or all, that have the labels of `selector`, in the order of their names. */
  list<T extends KubernetesObject>(kind: ResourceKind, where?: ListWhere): Promise<readonly T[]>;
  /** nowMs is the time of whoever stores the objects. */
  nowMs(): number;
  /** backing is where writes go. */
  readonly backing:
    | { readonly kind: 'Cluster'; readonly store: KubeObjectStore }
    | { readonly kind: 'Folder'; readonly directory: string; readonly state: StateReader };
  close(): Promise<void>;
}

/** ListWhere limits a list. */
export interface ListWhere {
  readonly namespace?: string | undefined;
  /** selector is one of labels, as kubectl's -l takes it. */
  readonly selector?: string | undefined;
}

/** openSource opens no connection yet; it throws ConfigInvalid where no API server is configured. */
export async function openSource(call: SourceCall, host: CommandHost): Promise<RolloutSource> {
  return call.dir === undefined ? openCluster(call, host) : openFolder(call.dir, call, host);
}

async function openCluster(
  call: SourceCall,
  { env, signal, clock = systemClock }: CommandHost,
): Promise<RolloutSource> {
  if (call.state !== undefined) throw new SluiceError('ConfigInvalid', '--state goes with --dir only.');
  const { kubeconfig, context, as } = call;
  const loaded = await loadKubeConfig({ kubeconfig, context, env });
  const connection = as === undefined ? loaded : { ...loaded, impersonateUser: as };
  const options = { clock, random: Math.random, version, fieldManager: 'kubectl-sluice' } as const;
  const store = createKubeObjectStore(connection, options);
  return {
    namespace: call.namespace ?? loaded.namespace ?? 'default',
    get: (kind, key) => store.get(kind, key, { signal }),
    list: async (kind, { namespace, selector } = {}) => {
      const selected = selector === undefined ? kind : { ...kind, selector };
      const { items } = await store.list(selected, { namespace, signal }).catch((error: unknown) => {
        throw isSluiceError(error, 'ApiNotFound') ? unknownKind(kind, error) : error;
      });
      return items as never;
    },
    nowMs: () => clock.nowMs() + store.serverOffsetMs(),
    backing: { kind: 'Cluster', store },
    close: () => store.close(),
  };
}

function unknownKind({ plural, group }: ResourceKind, cause: SluiceError): SluiceError {
  const what = `The API server does not know ${plural}.${group}`;
  return new SluiceError(
    'ApiNotFound',
    `${what}; is Sluice installed there? sluice check --pre says what is missing.`,
    {
      cause,
    },
  );
}

function openFolder(directory: string, call: SourceCall, { clock = systemClock }: CommandHost): RolloutSource {
  for (const [flag, value] of Object.entries({ as: call.as, context: call.context })) {
    if (value !== undefined)
      throw new SluiceError('ConfigInvalid', `--${flag} is for clusters; leave it out with --dir.`);
  }
  const state = readStateOf(path.resolve(call.state ?? path.join(directory, '.sluice')));
  return {
    namespace: call.namespace ?? 'default',
    get: (kind, key) => state.get(kind, key),
    list: async (kind, { namespace, selector = '' } = {}) => {
      const isMeant = matcherOf(selector);
      const all = await state.list(kind);
      return all
        .filter(({ metadata }) => (namespace === undefined || metadata.namespace === namespace) && isMeant(metadata))
        .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)) as never;
    },
    nowMs: () => clock.nowMs(),
    backing: { kind: 'Folder', directory, state },
    close: () => Promise.resolve(),
  };
}

function nameOf({ metadata }: KubernetesObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

/** Without an API server only the plain forms: `a=b`, `a!=b`, `a`, `!a`, with commas between them. */
function matcherOf(selector: string): (metadata: KubernetesObject['metadata']) => boolean {
  const terms = selector
    .split(',')
    .map((term) => term.trim())
    .filter((term) => term !== '');
  const tests = terms.map((term) => {
    const [, not, label = '', operator, value] = /^(!?)([\w./-]+)(?:(==?|!=)([\w.-]*))?$/.exec(term) ?? [];
    if (label === '' || (not === '!' && operator !== undefined))
      throw new SluiceError(
        'ConfigInvalid',
        `-l is "${selector}"; with --dir write label=value, label!=value, label or !label.`,
      );
    return ({ labels = {} }: KubernetesObject['metadata']): boolean => {
      if (operator === undefined) return (labels[label] !== undefined) === (not !== '!');
      return (labels[label] === value) === (operator !== '!=');
    };
  });
  return (metadata) => tests.every((isMet) => isMet(metadata));
}
