/** Looks now and then whether the caches are what the API server has. They must be: what is repaired here is a defect. */
import type { KubernetesObject, ObjectKey, ResourceKind } from '../api/kubernetes.ts';
import type { Clock } from '../clock.ts';
import { isSluiceError } from '../errors.ts';
import type { MetadataOptions, MetadataPage, ObjectIdentity } from '../kube/metadata-list.ts';
import { isOlder } from '../kube/resource-version.ts';
import { startCron } from '../telemetry/cron.ts';
import type { Logger } from '../telemetry/logger.ts';

/** AuditedKind is a kind and the cache that a watch keeps of it. */
export interface AuditedKind {
  readonly kind: ResourceKind;
  /** namespace is the one that is watched; undefined: all. */
  readonly namespace: string | undefined;
  /** cache: `list` gives what is of that namespace; `apply` and `delete` have to tell those who follow its changes, as the watch does. */
  readonly cache: {
    list(): readonly KubernetesObject[];
    get(key: ObjectKey): KubernetesObject | undefined;
    apply(object: KubernetesObject): void;
    delete(last: KubernetesObject): void;
  };
  /** version is up to which resourceVersion the watch has delivered all changes; undefined before the first list. */
  version(): string | undefined;
  /** isServed is false for a kind that the server may be without, and is. */
  isServed(): boolean;
}

/** AuditSource is the API server as the audit needs it. */
export interface AuditSource {
  /** listMetadata yields a consistent list of a kind, of one namespace if given. */
  listMetadata(kind: ResourceKind, options: MetadataOptions): AsyncIterable<MetadataPage>;
  /** get returns an object, or undefined where there is none. */
  get(
    kind: ResourceKind,
    key: ObjectKey,
    options: { readonly signal: AbortSignal },
  ): Promise<KubernetesObject | undefined>;
}

/** Repair is what was wrong: an object the cache did not have, had an old state of, or had although it is gone. */
export type Repair = 'Missing' | 'Outdated' | 'Deleted';

/** AuditOptions: `random` returns a number in [0, 1). */
export interface AuditOptions {
  /** schedule is a cron expression, in UTC. */
  readonly schedule: string;
  readonly kinds: readonly AuditedKind[];
  readonly source: AuditSource;
  /** resync reconciles everything again, for what no watch tells: `add` is called for each of `keys`, spread over the period. */
  readonly resync: {
    keys(): readonly ObjectKey[];
    add(key: ObjectKey): void;
  };
  readonly observer: {
    audited(kind: string, result: 'Completed' | 'Failed'): void;
    auditRepaired(kind: string, repair: Repair): void;
  };
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** cron is startCron where left out. */
  readonly cron?: typeof startCron | undefined;
}

/** Audit compares caches with the API server. */
export interface Audit {
  /** start audits on schedule until `signal` aborts; it resolves when the last audit has ended, and never rejects. */
  start(signal: AbortSignal): Promise<void>;
  /** run audits all kinds once, now, and returns how much it repaired; it never rejects. */
  run(signal: AbortSignal): Promise<number>;
}

/** resyncPriority is that of controller-runtime for what nothing has changed about. */
export const resyncPriority = -100;

/** So that the replicas, which have the same schedule, do not list in the same second. */
const maxJitterMs = 30_000;

/** A watch is behind a list by milliseconds. */
const graceMs = 10_000;

/** A watch that went silent is opened anew after 90 s, and a reflector waits for up to 60 s after a failure. */
const patienceMs = 180_000;

/** What is wrong beyond that is left to the next audit: thousands of requests would make a bad moment worse. */
const maxFetches = 1000;

const maxNames = 10;

/** createAudit returns an Audit that has not begun. */
export function createAudit(options: AuditOptions): Audit {
  let running: Promise<number> | undefined;
  const run = (signal: AbortSignal): Promise<number> => {
    running ??= auditAll(options, signal).finally(() => {
      running = undefined;
    });
    return running;
  };
  return { run, start: (signal) => start(options, run, signal) };
}

async function start(options: AuditOptions, run: Audit['run'], signal: AbortSignal): Promise<void> {
  const { clock, cron = startCron, random, schedule } = options;
  const resync = oneAtATime((spanMs: number) => resyncSlowly(options, spanMs, signal));
  const audit = oneAtATime(async () => {
    await clock.sleep(random() * maxJitterMs, signal);
    await run(signal);
  });
  const onTime = (untilNextMs: number): void => {
    resync.start(untilNextMs);
    audit.start(untilNextMs);
  };
  cron(schedule, onTime, signal);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.all([resync.settled(), audit.settled()]);
}

/** oneAtATime starts `work` unless it is under way. It rejects only with the signal, which whoever aborted it knows. */
function oneAtATime(work: (spanMs: number) => Promise<void>) {
  let current: Promise<void> | undefined;
  return {
    start: (spanMs: number): void => {
      current ??= work(spanMs)
        .catch(() => {})
        .finally(() => {
          current = undefined;
        });
    },
    settled: async (): Promise<void> => current,
  };
}

/** A few keys each second: all 10,000 at once would keep the event loop busy for half a second. */
async function resyncSlowly({ clock, resync }: AuditOptions, spanMs: number, signal: AbortSignal): Promise<void> {
  const keys = resync.keys();
  const perSecond = Math.ceil(keys.length / Math.max(1, Math.floor(spanMs / 1000)));
  for (let from = 0; from < keys.length; from += perSecond) {
    for (const key of keys.slice(from, from + perSecond)) resync.add(key);
    await clock.sleep(1000, signal);
  }
}

async function auditAll(options: AuditOptions, signal: AbortSignal): Promise<number> {
  let count = 0;
  for (const audited of options.kinds) {
    if (signal.aborted) return count;
    if (audited.isServed()) count += await auditKind(options, audited, signal);
  }
  return count;
}

async function auditKind(options: AuditOptions, audited: AuditedKind, signal: AbortSignal): Promise<number> {
  const { logger, observer } = options;
  const { kind } = audited.kind;
  const repaired: string[] = [];
  const onRepair = (repair: Repair, key: ObjectKey): void => {
    observer.auditRepaired(kind, repair);
    repaired.push(`${repair} ${key}`);
  };
  let failure: unknown;
  try {
    const suspects = await compare(options.source, audited, signal);
    await settle(options, { audited, suspects, onRepair }, signal);
  } catch (error) {
    failure = error;
  }
  if (repaired.length > 0) {
    logger.warn('audit repaired a cache', { kind, count: repaired.length, objects: repaired.slice(0, maxNames) });
  }
  if (signal.aborted) return repaired.length;
  observer.audited(kind, failure === undefined ? 'Completed' : 'Failed');
  if (failure !== undefined) logger.warn('audit failed', { kind, ...describe(failure) });
  return repaired.length;
}

function describe(error: unknown): { readonly code: string; readonly error: string } {
  if (isSluiceError(error)) return { code: error.code, error: error.message };
  return { code: 'Internal', error: error instanceof Error ? error.message : String(error) };
}

/** Suspect is what the list says of an object that the cache has otherwise; `listed` is undefined where it has none. */
interface Suspect {
  readonly listed: ObjectIdentity | undefined;
  readonly listVersion: string;
}

async function compare(
  source: AuditSource,
  { kind, namespace, cache }: AuditedKind,
  signal: AbortSignal,
): Promise<Map<ObjectKey, Suspect>> {
  const suspects = new Map<ObjectKey, Suspect>();
  const seen = new Set<ObjectKey>();
  let listVersion = '';
  for await (const page of source.listMetadata(kind, { namespace, signal })) {
    listVersion = page.resourceVersion;
    for (const listed of page.items) {
      const key: ObjectKey = `${listed.namespace}/${listed.name}`;
      seen.add(key);
      const suspect = { listed, listVersion };
      if (isBehind(cache.get(key), suspect)) suspects.set(key, suspect);
    }
  }
  for (const { metadata } of cache.list()) {
    const key: ObjectKey = `${metadata.namespace ?? ''}/${metadata.name}`;
    const suspect = { listed: undefined, listVersion };
    if (!seen.has(key) && isBehind(cache.get(key), suspect)) suspects.set(key, suspect);
  }
  return suspects;
}

/**
 * isBehind tells whether the cache says something older than the list. What it has from after the list is no fault; that
 * the server itself went back is for the reflector to find.
 */
function isBehind(cached: KubernetesObject | undefined, { listed, listVersion }: Suspect): boolean {
  if (cached === undefined) return listed !== undefined;
  const { uid, resourceVersion } = cached.metadata;
  if (listed !== undefined && listed.uid === uid) return isOlder(resourceVersion, listed.resourceVersion);
  return !isOlder(listVersion, resourceVersion);
}

interface Settling {
  readonly audited: AuditedKind;
  readonly suspects: Map<ObjectKey, Suspect>;
  readonly onRepair: (repair: Repair, key: ObjectKey) => void;
}

/**
 * A difference is a fault only where the watch claims to be past it, or has not been there for longer than all its own
 * remedies take. A watch that is merely late is left to those: an audit that repaired it would hide which of the two it was.
 */
async function settle(options: AuditOptions, settling: Settling, signal: AbortSignal): Promise<void> {
  const { audited, suspects } = settling;
  const endMs = options.clock.monotonicMs() + patienceMs;
  let left = maxFetches;
  while (suspects.size > 0) {
    await options.clock.sleep(graceMs, signal);
    const isOver = options.clock.monotonicMs() >= endMs;
    for (const [key, suspect] of suspects) {
      const isAnswered = !isBehind(audited.cache.get(key), suspect);
      if (!isAnswered && !isPast(audited.version(), suspect) && !isOver) continue;
      suspects.delete(key);
      if (isAnswered || left === 0) continue;
      left -= 1;
      await repair(options, settling, { key, suspect, signal });
    }
  }
}

/** isPast tells whether a watch that has delivered everything up to `version` has delivered what the list says. */
function isPast(version: string | undefined, { listed, listVersion }: Suspect): boolean {
  return version !== undefined && !isOlder(version, listed?.resourceVersion ?? listVersion);
}

async function repair(
  { source }: AuditOptions,
  { audited: { kind, cache }, onRepair }: Settling,
  { key, suspect, signal }: { readonly key: ObjectKey; readonly suspect: Suspect; readonly signal: AbortSignal },
): Promise<void> {
  const found = await source.get(kind, key, { signal });
  const cached = cache.get(key);
  const fault = isBehind(cached, suspect) ? faultOf(cached, suspect, found) : undefined;
  if (fault === undefined) return;
  if (found !== undefined) cache.apply(found);
  else if (cached !== undefined) cache.delete(cached);
  onRepair(fault, key);
}

/** faultOf names what is wrong, or undefined where the object has changed since the list in a way that explains it. */
function faultOf(
  cached: KubernetesObject | undefined,
  { listed }: Suspect,
  found: KubernetesObject | undefined,
): Repair | undefined {
  if (cached === undefined) return found !== undefined && found.metadata.uid === listed?.uid ? 'Missing' : undefined;
  if (listed !== undefined) return 'Outdated';
  return found?.metadata.uid === cached.metadata.uid ? undefined : 'Deleted';
}
