import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { electionLabel, formatMicroTime, type Lease, type LeaseStore } from '../../src/api/lease.ts';
import { systemClock } from '../../src/clock.ts';
import type { Election, ElectionState } from '../../src/controller/election.ts';
import { startElection } from '../../src/controller/leader-elector.ts';
import { loadKubeConfig } from '../../src/kube/config.ts';
import { createKubeObjectStore, type KubeObjectStore } from '../../src/kube/kube-object-store.ts';
import { createKubeLeaseStore } from '../../src/kube/lease.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';

const timings = { leaseDurationMs: 3000, renewDeadlineMs: 2000, retryPeriodMs: 400 };
const namespace = 'default';
const options = { deadlineMs: 5000 };

let cluster: Cluster;
const opened: KubeObjectStore[] = [];
const elections: Election[] = [];

beforeAll(async () => {
  cluster = await startCluster({ controllerManager: false });
});

afterAll(async () => {
  await Promise.all(elections.map((election) => election.stop()));
  await Promise.all(opened.map((store) => store.close()));
  await cluster.stop();
});

async function open(): Promise<KubeObjectStore> {
  const connection = await loadKubeConfig({ kubeconfig: cluster.adminKubeconfigFile, env: {}, clock: systemClock });
  const store = createKubeObjectStore(connection, {
    clock: systemClock,
    fieldManager: 'sluice',
    version: 'test',
    random: Math.random,
  });
  opened.push(store);
  return store;
}

interface Participant {
  readonly election: Election;
  readonly leases: LeaseStore;
  readonly log: string[];
  readonly states: ElectionState[];
  leads(): boolean;
  /** cut breaks all its connections for good. */
  cut(): Promise<void>;
}

async function join(
  name: string,
  identity: string,
  { shards = 1, newLeaseWaitMs = 0 }: { shards?: number; newLeaseWaitMs?: number } = {},
): Promise<Participant> {
  const store = await open();
  const leases = createKubeLeaseStore(store.client, { namespace, election: name });
  const log: string[] = [];
  const states: ElectionState[] = [];
  const election = startElection({
    leases,
    name,
    identity,
    shards,
    timings,
    newLeaseWaitMs,
    clock: systemClock,
    random: Math.random,
    onAcquired: ({ shard }) => log.push(`+${shard}`),
    onLost: (shard, { reason }) => log.push(`-${shard} ${reason}`),
    drain: async (shard) => void log.push(`drain ${shard}`),
    onState: (state) => states.push(state),
  });
  elections.push(election);
  return {
    election,
    leases,
    log,
    states,
    leads: () => election.tenure(0)?.permits(0) === true,
    cut: () => store.close(),
  };
}

const read = async (name: string): Promise<Lease | undefined> => {
  const answer = await cluster.api('GET', leasePath(name));
  return answer.status === 200 ? (answer.body as Lease) : undefined;
};

const leasePath = (name: string): string => `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`;

describe.concurrent('An election on the real API server', () => {
  it('passes to the standby when the leader is cut off, and never to both', async () => {
    const leader = await join('cut', 'a');
    await eventually(() => leader.leads());
    const standby = await join('cut', 'b');
    await eventually(() => standby.states.at(-1)?.standby === `${leader.election.identity} leads.`);
    const before = await read('cut-shard-0');
    await leader.cut();
    const startMs = performance.now();
    await eventually(() => {
      expect(leader.leads() && standby.leads()).toBe(false);
      return standby.leads();
    });
    expect(performance.now() - startMs).toBeLessThan(3000 + 2 * 2.2 * 400 + 1000);
    expect(leader.log).toEqual(['+0', '-0 RenewDeadline']);
    const after = await read('cut-shard-0');
    expect(after?.spec).toMatchObject({ holderIdentity: standby.election.identity, leaseTransitions: 1 });
    expect(after?.spec?.acquireTime).not.toBe(before?.spec?.acquireTime);
  });

  it('passes to the standby at once when the leader stops', async () => {
    const leader = await join('release', 'a');
    await eventually(() => leader.leads());
    const standby = await join('release', 'b');
    await eventually(() => standby.states.at(-1)?.standby?.endsWith('leads.'));
    const startMs = performance.now();
    await leader.election.stop();
    expect(leader.log).toEqual(['+0', 'drain 0', '-0 Stopped']);
    await eventually(() => standby.leads(), { intervalMs: 5 });
    expect(performance.now() - startMs).toBeLessThan(2.2 * 400 + 1000);
  });

  it('waits with a Lease that it had to create', async () => {
    const startMs = performance.now();
    const leader = await join('new', 'a', { newLeaseWaitMs: timings.leaseDurationMs });
    await eventually(async () => (await read('new-shard-0'))?.spec?.holderIdentity === leader.election.identity);
    expect(leader.leads()).toBe(false);
    await eventually(() => leader.leads());
    expect(performance.now() - startMs).toBeGreaterThan(3000);
  });

  it('keeps its leader when someone deletes or annotates the Lease, and what was added', async () => {
    const leader = await join('edit', 'a');
    await eventually(() => leader.leads());
    const before = await read('edit-shard-0');
    await cluster.kubectl(['annotate', 'lease', 'edit-shard-0', '-n', namespace, 'example.com/note=kept']);
    await cluster.api('DELETE', leasePath('edit-shard-0'));
    await eventually(async () => {
      const found = await read('edit-shard-0');
      return found !== undefined && found.metadata.uid !== before?.metadata.uid;
    });
    const patch = { metadata: { labels: { 'example.com/team': 'shop' } }, spec: { preferredHolder: null } };
    await cluster.api('PATCH', leasePath('edit-shard-0'), patch, 'application/merge-patch+json');
    const { renewTime } = (await read('edit-shard-0'))?.spec ?? {};
    const found = await eventually(async () => {
      const lease = await read('edit-shard-0');
      return lease?.spec?.renewTime === renewTime ? undefined : lease;
    });
    expect(found.metadata.labels).toEqual({ 'example.com/team': 'shop', [electionLabel]: 'edit' });
    expect(found.spec).toMatchObject({ holderIdentity: leader.election.identity, leaseDurationSeconds: 3 });
    expect(found.spec?.renewTime).toMatch(/\.\d{6}Z$/);
    expect(leader.log).toEqual(['+0']);
    expect(leader.leads()).toBe(true);
  });

  it('has two replicas share four shards, and a third with another number wait for both', async () => {
    const pair = [await join('share', 'a', { shards: 4 }), await join('share', 'b', { shards: 4 })];
    await eventually(() => pair.every(({ states }) => states.at(-1)?.leading.length === 2));
    const other = await join('share', 'c', { shards: 3 });
    const sentence = await eventually(
      () => other.states.at(-1)?.standby?.includes('divided into 4 shards') === true && other.states.at(-1)?.standby,
    );
    for (const { election } of pair) expect(sentence).toContain(election.identity);
    await pair[0]?.election.stop();
    await eventually(() => pair[1]?.states.at(-1)?.leading.length === 4);
    expect(other.log).toEqual([]);
    await pair[1]?.election.stop();
    await eventually(() => other.states.at(-1)?.leading.length === 3);
    const names = (await other.leases.list(options)).map(({ metadata }) => metadata.name);
    expect(names.filter((name) => name.includes('-member-'))).toHaveLength(1);
  });
});

describe.concurrent('The LeaseStore of the real API server', () => {
  const lease = (name: string): Lease => ({
    metadata: { name, labels: { [electionLabel]: 'store' } },
    spec: { holderIdentity: 'x', renewTime: formatMicroTime(systemClock.nowMs()) },
  });

  it('tells conflicts and missing Leases apart from failures', async () => {
    const leases = createKubeLeaseStore((await open()).client, { namespace, election: 'store' });
    const created = await leases.create(lease('one'), options);
    if (created.kind !== 'Written') throw new Error(created.kind);
    expect(await leases.create(lease('one'), options)).toMatchObject({ kind: 'Conflict' });
    const updated = await leases.update(created.object, options);
    expect(updated.kind).toBe('Written');
    const changed = { ...created.object, spec: { ...created.object.spec, holderIdentity: 'y' } };
    const written = await leases.update(changed, options);
    if (written.kind !== 'Written') throw new Error(written.kind);
    expect(written.object.spec?.holderIdentity).toBe('y');
    expect(await leases.update(created.object, options)).toMatchObject({ kind: 'Conflict' });
    expect(await leases.delete(created.object, options)).toMatchObject({ kind: 'Conflict' });
    expect((await leases.list(options)).map(({ metadata }) => metadata.name)).toEqual(['one']);
    expect(await leases.delete(written.object, options)).toMatchObject({ kind: 'Written' });
    expect(await leases.delete(written.object, options)).toEqual({ kind: 'Missing' });
    // A PUT may create a Lease; the uid of the old one prevents that.
    expect((await leases.update(written.object, options)).kind).not.toBe('Written');
    expect(await leases.list(options)).toEqual([]);
  });

  it('throws what is no outcome', async () => {
    const leases = createKubeLeaseStore((await open()).client, { namespace, election: 'store' });
    const wrong = { ...lease('two'), spec: { renewTime: '2026-11-21T09:00:00.778Z' } };
    await expect(leases.create(wrong, options)).rejects.toMatchObject({ code: 'ApiInvalid' });
    const aborted = { ...options, signal: AbortSignal.abort() };
    await expect(leases.list(aborted)).rejects.toMatchObject({ code: 'Aborted' });
    await expect(leases.list({ deadlineMs: 0 })).rejects.toMatchObject({ code: 'ApiTimeout' });
  });
});
