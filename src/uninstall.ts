/** `sluice uninstall`: lets the controller put every route back, then removes what `sluice install` may have installed. */
import { keyOf, resources, type KubernetesObject, type ResourceKind } from './api/kubernetes.ts';
import { parseDuration } from './api/duration.ts';
import type { Rollout } from './api/rollout.ts';
import { allObjects, homeNamespace } from './cli/installation.ts';
import { describeObject, isRemovable, leftInPlace, removalOrder, resourceOf } from './cli/removal.ts';
import { rolloutsUnderWay, stuckMessage, underWayMessage } from './cli/drain.ts';
import { systemClock, type Clock } from './clock.ts';
import { isSluiceError, SluiceError } from './errors.ts';
import { readPackageFile } from './install.ts';
import { loadKubeConfig } from './kube/config.ts';
import { createKubeObjectStore, type KubeObjectStore } from './kube/kube-object-store.ts';
import { isDuration } from './setting-reader.ts';
import { version } from './version.ts';

/** UninstallCall is the command line; `timeout` is a duration, for each of the things that are waited for. */
export interface UninstallCall {
  readonly yes?: boolean | undefined;
  readonly namespace?: string | undefined;
  readonly timeout: string;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

/** UninstallOptions: `report` is told a line for each thing that was done or is waited for. */
export interface UninstallOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly report: (line: string) => void;
  readonly clock?: Clock;
}

/** UninstallResult: Failed says in one sentence what stands against it and what to do. */
export type UninstallResult = { readonly kind: 'Done' } | { readonly kind: 'Failed'; readonly message: string };

interface Work extends UninstallOptions {
  readonly clock: Clock;
  readonly store: KubeObjectStore;
  readonly timeoutMs: number;
  readonly timeout: string;
}

const roleBindings: ResourceKind = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  plural: 'rolebindings',
  kind: 'RoleBinding',
  selector: 'app.kubernetes.io/name=sluice',
};

const pollMs = 1000;
const remindMs = 15_000;

/** runUninstall rejects with ConfigInvalid for a call that cannot be meant, and with whatever the API server refuses. */
export async function runUninstall(call: UninstallCall, options: UninstallOptions): Promise<UninstallResult> {
  const { kubeconfig, context, timeout, namespace = homeNamespace } = call;
  if (!isDuration(timeout))
    throw new SluiceError('ConfigInvalid', `--timeout is "${timeout}"; it must be a duration like 2m.`);
  const { env, clock = systemClock } = options;
  const connection = await loadKubeConfig({ kubeconfig, context, env });
  const store = createKubeObjectStore(connection, { clock, random: Math.random, version, fieldManager: 'sluice' });
  const work = { ...options, clock, store, timeout, timeoutMs: parseDuration(timeout) };
  try {
    const refusal = await drain(work, call.yes === true);
    if (refusal !== undefined) return { kind: 'Failed', message: refusal };
    return await removeAll(work, namespace);
  } finally {
    await store.close();
  }
}

/** drain deletes every Rollout and waits until its controller has let it go; a sentence says why it did not. */
async function drain(work: Work, isSure: boolean): Promise<string | undefined> {
  const { store, report, timeout } = work;
  const underWay = rolloutsUnderWay(await listRollouts(work));
  if (underWay.length > 0 && !isSure) return underWayMessage(underWay);
  let left: readonly Rollout[] = [];
  const isDrained = await until(work, {
    isDone: async () => {
      const present = await listRollouts(work);
      const names = new Set(present.map(keyOf));
      for (const rollout of left) if (!names.has(keyOf(rollout))) report(`Rollout ${keyOf(rollout)} is gone.`);
      for (const rollout of present.filter(({ metadata }) => metadata.deletionTimestamp === undefined)) {
        await store.delete(resources.rollouts, rollout, work);
      }
      left = present;
      return present.length === 0;
    },
    what: () => left.map((rollout) => `Rollout ${keyOf(rollout)}`).join(', '),
  });
  return isDrained ? undefined : stuckMessage(left, timeout);
}

async function listRollouts({ store, signal }: Work): Promise<readonly Rollout[]> {
  try {
    return (await store.list<Rollout>(resources.rollouts, { signal })).items;
  } catch (error) {
    // Without the CRD there are none.
    if (isSluiceError(error, 'ApiNotFound')) return [];
    throw error;
  }
}

async function removeAll(work: Work, namespace: string): Promise<UninstallResult> {
  const objects = [...(await allObjects(namespace, readPackageFile)), ...(await listBindings(work))];
  let hadProxy = false;
  for (const stage of removalOrder(objects)) {
    const removed: KubernetesObject[] = [];
    for (const object of stage) if (await remove(work, object)) removed.push(object);
    hadProxy ||= removed.some(({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === 'sluice-proxy');
    const left = await untilGone(work, removed);
    if (left.length > 0) {
      const names = left.map(describeObject).join(', ');
      return {
        kind: 'Failed',
        message: `${names} is still there after ${work.timeout}; see its status, and try again.`,
      };
    }
  }
  if (namespace !== homeNamespace) await removeLeases(work, namespace);
  if (hadProxy) {
    const kept = await present(work, objects.filter(leftInPlace));
    work.report(`Left in place, because your routes are of these kinds: ${kept.map(describeObject).join(', ')}.`);
  }
  return { kind: 'Done' };
}

/** With --namespaces there is a binding in each of them. */
async function listBindings({ store, signal }: Work): Promise<readonly KubernetesObject[]> {
  const { items } = await store.list<KubernetesObject>(roleBindings, { signal });
  const { group, version, kind } = roleBindings;
  return items
    .filter(({ metadata }) => ['sluice-controller', 'sluice-copy'].includes(metadata.name))
    .map(({ metadata }) => ({ apiVersion: `${group}/${version}`, kind, metadata }));
}

async function present(work: Work, objects: readonly KubernetesObject[]): Promise<readonly KubernetesObject[]> {
  const found: KubernetesObject[] = [];
  for (const object of objects) {
    if ((await work.store.get(resourceOf(object), keyOf(object), work)) !== undefined) found.push(object);
  }
  return found;
}

/** remove deletes one object, if it is there and Sluice's own. */
async function remove(work: Work, wanted: KubernetesObject): Promise<boolean> {
  const kind = resourceOf(wanted);
  const found = await work.store.get<KubernetesObject>(kind, keyOf(wanted), work);
  if (found === undefined) return false;
  if (!isRemovable(found, wanted)) {
    work.report(`${describeObject(wanted)} stays: it lacks the label app.kubernetes.io/name of Sluice.`);
    return false;
  }
  const outcome = await work.store.delete(kind, found, work);
  if (outcome.kind === 'Written') work.report(`${describeObject(wanted)} deleted`);
  return outcome.kind === 'Written';
}

async function untilGone(work: Work, removed: readonly KubernetesObject[]): Promise<readonly KubernetesObject[]> {
  let left = removed;
  await until(work, {
    isDone: async () => {
      left = await present(work, left);
      return left.length === 0;
    },
    what: () => left.map(describeObject).join(', '),
  });
  return left;
}

/** The Leases of the controller go with its own namespace; in one that others use too they would stay. */
async function removeLeases(work: Work, namespace: string): Promise<void> {
  const { items } = await work.store.list<KubernetesObject>(resources.leases, { namespace, signal: work.signal });
  for (const lease of items.filter(({ metadata }) => /^sluice(?:-|$)/.test(metadata.name))) {
    await work.store.delete(resources.leases, lease, work);
    work.report(`lease/${lease.metadata.name} deleted`);
  }
}

/** until asks every second, says every 15 s what it waits for, and returns whether it was done in time. */
async function until(
  { clock, signal, timeoutMs, report }: Work,
  { isDone, what }: { readonly isDone: () => Promise<boolean>; readonly what: () => string },
): Promise<boolean> {
  const startedMs = clock.monotonicMs();
  let remindedMs = startedMs;
  while (!(await isDone())) {
    const nowMs = clock.monotonicMs();
    if (nowMs - startedMs >= timeoutMs) return false;
    if (nowMs - remindedMs >= remindMs) {
      remindedMs = nowMs;
      report(`Waiting for ${what()} (${Math.round((nowMs - startedMs) / 1000)} s).`);
    }
    await clock.sleep(pollMs, signal);
  }
  return true;
}
