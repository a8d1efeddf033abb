/**
 * Two replicas, each behind a proxy of its own, while rollouts run: the leader is killed, stopped and cut off, in turn.
 * Who wrote what stands in the audit log; what etcd committed is judged as it comes.
 * SLUICE_LEADERSHIP_CHANGES=50 is the whole of it, for about eight minutes.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { appName, benchNamespace, indexOfApp, inParallel } from '../../bench/controller/apps.ts';
import type { Rollout } from '../../src/api/rollout.ts';
import type { RolloutStatus } from '../../src/api/rollout-status.ts';
import { statusSchema } from '../../src/rollout/status.ts';
import { createRandom } from '../soak/random.ts';
import { createReleases } from '../soak/releases.ts';
import { eventually } from '../support/eventually.ts';
import type { ProxiedRequest } from '../support/fault-exchange.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { type Edit, copyProgram, type ProgramCopy } from '../support/program-copy.ts';
import { createReplica, type Replica } from '../support/replica.ts';
import { credentialOf, judgeWrites, readWrites, type Write, writesPolicy } from '../support/writes.ts';

const changes = Number(process.env['SLUICE_LEADERSHIP_CHANGES'] ?? 6);
const applications = 20;
/** The others are for the tests of their own. */
const running = 12;

const leaseMs = 3_000;
const retryMs = 400;
const quickLease = [`--lease-duration=${leaseMs}ms`, '--lease-renew-deadline=2s', `--lease-retry-period=${retryMs}ms`];
/**
 * The Lease as the other saw it last, its next look with jitter, two requests to take it, and what a busy machine needs.
 */
const maxTakeoverMs = leaseMs + 2.2 * retryMs + 2_000;

describe('two replicas', { timeout: 900_000 }, () => {
  let fleet: Fleet;
  let program: ProgramCopy;
  const writers = new Map<string, string>();
  const replicas: Replica[] = [];

  beforeAll(async () => {
    fleet = await startFleet({
      applications,
      weights: [10, 40, 100],
      stepDuration: '1s',
      auditPolicy: writesPolicy('system:serviceaccount:sluice-system:sluice'),
    });
    program = await copyProgram();
  });
  afterEach(async () => {
    for (const replica of replicas.splice(0)) await replica.close();
  });
  afterAll(async () => {
    await program?.remove();
    await fleet?.stop();
  });

  async function addReplica(name: string, args: readonly string[], main = program.main): Promise<Replica> {
    const token = await fleet.cluster.serviceAccountToken('sluice-system', 'sluice');
    writers.set(credentialOf(token), name);
    const { cluster, prometheus } = fleet;
    const all = ['--leader-elect=true', ...args];
    const replica = await createReplica({
      cluster,
      name,
      program: main,
      prometheusUrl: prometheus.url,
      token,
      args: all,
    });
    replicas.push(replica);
    return replica;
  }

  /** writesOf returns what some replicas have written. */
  function writesOf(...names: readonly string[]): Promise<readonly Write[]> {
    return readWrites(fleet.cluster, new Map([...writers].filter(([, name]) => names.includes(name))));
  }

  /** untilLeads waits until a replica says that it leads `count` shards, and returns how long that took. */
  async function untilLeads(replica: Replica, { count = 1, timeoutMs = 30_000 } = {}): Promise<number> {
    const startMs = performance.now();
    await eventually(async () => (await shardsOf(replica)) === count, {
      timeoutMs,
      intervalMs: 20,
      describe: `${replica.name} to lead ${count} shard(s)`,
    });
    return performance.now() - startMs;
  }

  /** untilRaised waits until so many more weights have been raised. */
  async function untilRaised(count: number, timeoutMs = 60_000): Promise<void> {
    const { steps } = fleet.judge;
    const wanted = steps.raises + count;
    await eventually(() => steps.raises >= wanted, { timeoutMs, describe: `${count} more raises` });
  }

  /** untilReplaced makes the canary of an application fail, and waits until its next revision has traffic. */
  async function untilReplaced(name: string): Promise<void> {
    const { revision: wanted = '', status: { revision = '' } = {} } = fleet.judge.subject(name) ?? {};
    // One that is being started fails as well as the one before it.
    for (const failing of [revision, wanted]) fleet.expect(name, failing, undefined);
    fleet.fail(indexOfApp(name) ?? 0, 1);
    await eventually(
      () => {
        const { status = {}, percent = 0 } = fleet.judge.subject(name) ?? {};
        if (status.revision !== revision && status.revision !== wanted && percent > 0) return true;
        throw new Error(`${status.revision} is ${status.phase}/${status.reason} at ${percent}%: ${status.message}`);
      },
      { timeoutMs: 60_000, intervalMs: 10, describe: `the revision after ${wanted} of ${name}` },
    );
  }

  test(`change the leader ${changes} times, and nothing is raised by one that was overtaken`, async () => {
    await inParallel(running, (index) => fleet.release(index));
    const red = await addReplica('red', quickLease);
    const blue = await addReplica('blue', quickLease);
    await Promise.all([red.start(), blue.start()]);
    const releases = createReleases(fleet, running, createRandom(1));
    const stop = new AbortController();
    const releasing = (async (): Promise<void> => {
      while (!stop.signal.aborted) {
        await releases.tick();
        await sleep(200);
      }
    })();
    const takeovers: string[] = [];
    try {
      await eventually(async () => (await shardsOf(red)) + (await shardsOf(blue)) === 1, { timeoutMs: 30_000 });
      await untilRaised(5);
      for (let change = 0; change < changes; change += 1) {
        const [leader, other] = (await shardsOf(red)) === 1 ? [red, blue] : [blue, red];
        const strike = strikes[change % strikes.length] ?? killed;
        const until = { taken: () => untilLeads(other), written: () => untilRaised(4), replaced: untilReplaced };
        const tookMs = await strike.act(leader, until);
        takeovers.push(`${strike.name} ${Math.round(tookMs)}`);
        expect(tookMs).toBeLessThan(maxTakeoverMs);
        // The new leader is at work, and the old one has met what it missed.
        await untilRaised(2);
      }
      releases.end();
      await untilAtEnd(fleet, running);
    } finally {
      stop.abort();
      await releasing;
    }
    await Promise.all([red.stop(), blue.stop()]);
    console.log(`takeovers in ms: ${takeovers.join(', ')}`);
    const { raises, foreignRaises, lateLowerings, counts } = judgeWrites(await writesOf('red', 'blue'), benchNamespace);
    console.log(
      `${counts.leaders} leaders, ${counts.raises} raising writes, ${counts.lowerings} lowering ones, ` +
        `of these ${lateLowerings.length} late; ${foreignRaises.length} raises without the Lease; ` +
        `revisions: ${JSON.stringify(releases.counts)}`,
    );
    for (const late of [...lateLowerings, ...foreignRaises]) console.log(`  ${late}`);
    expect(counts.leaders).toBeGreaterThanOrEqual(changes + 1);
    expect(raises).toEqual([]);
    expect(fleet.judge.violations).toEqual([]);
  });

  test('hand over at the next look when the leader is stopped, with the default times', async () => {
    const first = await addReplica('first', []);
    const second = await addReplica('second', []);
    await first.start();
    await untilLeads(first);
    await second.start();
    const taking = untilLeads(second);
    await first.stop();
    const tookMs = await taking;
    console.log(`handed over in ${Math.round(tookMs)} ms`);
    // The other one looks every 2 s, with the jitter of client-go (1 to 2.2 times that).
    expect(tookMs).toBeLessThan(2.2 * 2_000 + 1_500);
  });

  test('share two shards; a killed one loses its half to the other, and one with another number stands by', async () => {
    const args = [...quickLease, '--shards=2', '--lease-name=halves'];
    const left = await addReplica('left', args);
    const right = await addReplica('right', args);
    await Promise.all([left.start(), right.start()]);
    await Promise.all([untilLeads(left), untilLeads(right)]);
    const odd = await addReplica('odd', [...quickLease, '--shards=3', '--lease-name=halves']);
    await odd.start();
    const indices = [running, running + 1, running + 2, running + 3, running + 4, running + 5];
    for (const index of indices) await fleet.release(index);
    await untilRaised(indices.length);
    await eventually(async () => (await readFile(odd.logFile, 'utf8')).includes('2 shards'), {
      describe: 'the reason',
    });
    expect(await shardsOf(odd)).toBe(0);
    await right.kill();
    const tookMs = await untilLeads(left, { count: 2 });
    expect(tookMs).toBeLessThan(maxTakeoverMs);
    // Those of the other half go on as well.
    await untilRaised(indices.length);
    expect(fleet.judge.violations).toEqual([]);
    const writes = await writesOf('left', 'right', 'odd');
    const halves = ['left', 'right'].map(
      (name) =>
        new Set(writes.filter(({ kind, writer }) => kind === 'Route' && writer === name).map((write) => write.name)),
    );
    expect(Math.min(...halves.map((half) => half.size))).toBeGreaterThan(0);
    expect(writes.some(({ kind, writer }) => kind !== 'Lease' && writer === 'odd')).toBe(false);
  });

  test('alternate as leaders with another status schema: the old one raises nothing that the new one wrote', async () => {
    const edits: readonly Edit[] = [
      { file: 'rollout/status.ts', before: schemaText(statusSchema), after: schemaText(statusSchema + 1) },
      {
        file: 'rollout/status.ts',
        before: "return rollout.spec.promotion.mode === 'Swap' ? 2 : 1;",
        after: 'return statusSchema;',
      },
    ];
    const newer = await copyProgram(edits);
    const args = [...quickLease, '--lease-name=skew'];
    const old = await addReplica('old', args);
    const fresh = await addReplica('fresh', args, newer.main);
    const [good, bad] = [applications - 2, applications - 1];
    const statusOf = (index: number): RolloutStatus => fleet.judge.subject(appName(index))?.status ?? {};
    /** handOver ends the leader, waits for the other and starts the one that has ended again. */
    const handOver = async (from: Replica, to: Replica): Promise<void> => {
      await from.stop();
      await untilLeads(to);
      await from.start();
    };
    try {
      await old.start();
      await untilLeads(old);
      await fresh.start();
      await fleet.release(good);
      await fleet.release(bad, 'Failed');
      await eventually(() => statusOf(good).weight === 10 && statusOf(bad).weight === 10, { timeoutMs: 30_000 });
      await handOver(old, fresh);
      await eventually(() => statusOf(good).weight === 40 && statusOf(bad).weight === 40, { timeoutMs: 30_000 });
      expect(statusOf(good).schema).toBe(statusSchema + 1);
      await handOver(fresh, old);
      fleet.fail(bad, 0.5);
      await eventually(() => statusOf(bad).phase === 'Failed', { timeoutMs: 30_000, describe: 'the rollback' });
      // Its step is over by far: only the schema stands against the raise.
      await eventually(() => statusOf(good).verdict === 'Pass' && sinceMs(statusOf(good)) > 10_000, {
        timeoutMs: 30_000,
      });
      expect(statusOf(good)).toMatchObject({ weight: 40, schema: statusSchema + 1 });
      await handOver(old, fresh);
      await eventually(() => statusOf(good).phase === 'Succeeded', { timeoutMs: 40_000, describe: 'the end' });
    } finally {
      await newer.remove();
    }
    expect(fleet.judge.violations).toEqual([]);
    const { raises } = judgeWrites(await writesOf('old', 'fresh'), benchNamespace);
    expect(raises).toEqual([]);
    const writersAt = async (name: string, weight: number): Promise<readonly string[]> =>
      (await writesOf('old', 'fresh')).flatMap((write) =>
        write.kind === 'Status' && write.name === name && (write.object as Rollout).status?.weight === weight
          ? [write.writer]
          : [],
      );
    expect((await writersAt(appName(good), 10))[0]).toBe('old');
    expect((await writersAt(appName(good), 40))[0]).toBe('fresh');
    expect((await writersAt(appName(good), 100))[0]).toBe('fresh');
    expect((await writersAt(appName(bad), 0)).at(-1)).toBe('old');
  });
});

function schemaText(schema: number): string {
  return `export const statusSchema = ${schema};`;
}

function sinceMs({ progress }: RolloutStatus): number {
  return Date.now() - Date.parse(progress?.enteredAt ?? '');
}

/** Strike makes the other one the leader and heals; it returns how long the takeover took. */
interface Strike {
  readonly name: string;
  act(leader: Replica, until: Until): Promise<number>;
}

interface Until {
  /** taken resolves when the other one leads, with the time it took. */
  readonly taken: () => Promise<number>;
  /** written resolves when the other one has gone on with the rollouts. */
  readonly written: () => Promise<void>;
  /** replaced makes the canary of an application fail, and resolves when the other one has raised the next revision. */
  readonly replaced: (name: string) => Promise<void>;
}

const killed: Strike = {
  name: 'SIGKILL',
  act: async (leader, { taken }) => {
    await leader.kill();
    const tookMs = await taken();
    await leader.start();
    return tookMs;
  },
};

/** Healed at once, what the old one has begun arrives before the new one has written; healed late, afterwards. */
const frozen = (isLate: boolean): Strike => ({
  name: isLate ? 'long SIGSTOP' : 'SIGSTOP',
  act: async (leader, { taken, written }) => {
    leader.signal('SIGSTOP');
    const tookMs = await taken();
    if (isLate) await written();
    leader.signal('SIGCONT');
    return tookMs;
  },
});

/** Cut off with a raise in its hands, of which the leader never learns the outcome; the network keeps it. */
const partitioned = (of: 'Route' | 'Status', isLate: boolean): Strike => ({
  name: `${isLate ? 'long partition' : 'partition'} with the raise of a ${of}`,
  act: async ({ proxy }, { taken, replaced }) => {
    const caught = Promise.withResolvers<string>();
    proxy.inject(isRaiseOf(of), async (exchange) => {
      proxy.freeze();
      caught.resolve(exchange.request.name ?? '');
      await exchange.ask();
    });
    const name = await caught.promise;
    const tookMs = await taken();
    if (isLate) await replaced(name);
    proxy.thaw('Deliver');
    return tookMs;
  },
});

/** The status of a raise says that it has been decided just now. */
const justNowMs = 500;

/** A raise says when it was decided, and insists on the version of the route. */
function isRaiseOf(of: 'Route' | 'Status'): (request: ProxiedRequest) => boolean {
  return of === 'Route'
    ? ({ verb, resource, body }) =>
        verb === 'patch' && resource === 'ingressroutes' && body.includes('/metadata/resourceVersion')
    : ({ verb, subresource, body }) => {
        const raisedAt = /"raisedAt":"([^"]+)"/.exec(body)?.[1] ?? '';
        return verb === 'update' && subresource === 'status' && Date.now() - Date.parse(raisedAt) < justNowMs;
      };
}

const strikes = [
  killed,
  frozen(true),
  partitioned('Route', false),
  partitioned('Route', true),
  frozen(false),
  partitioned('Status', true),
] as const;

/** untilAtEnd waits until the rollouts of the first `count` applications are over. */
async function untilAtEnd({ judge }: Fleet, count: number): Promise<void> {
  const isOver = (index: number): boolean => {
    const { phase = 'Pending' } = judge.subject(appName(index))?.status ?? {};
    return phase === 'Succeeded' || phase === 'Failed';
  };
  const indices = Array.from({ length: count }, (_none, index) => index);
  await eventually(() => indices.every(isOver), { timeoutMs: 90_000, describe: 'all rollouts to end' });
}

async function shardsOf(replica: Replica): Promise<number> {
  const text = await replica.metrics().catch(() => '');
  return [...text.matchAll(/^sluice_leader\{[^}]*\} 1$/gm)].length;
}
