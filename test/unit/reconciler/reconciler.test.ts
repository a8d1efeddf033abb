import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blockEndOf } from '../../../src/analysis/block.ts';
import type { MetricSource, SampleOutcome, SampleQuery } from '../../../src/analysis/metric-source.ts';
import { resources, type ResourceKind } from '../../../src/api/kubernetes.ts';
import type { ObjectStore } from '../../../src/api/object-store.ts';
import type { Rollout } from '../../../src/api/rollout.ts';
import type { RolloutStatus } from '../../../src/api/rollout-status.ts';
import { soleOwnership } from '../../../src/reconciler/ownership.ts';
import { createReconciler, type Reconcile } from '../../../src/reconciler/reconciler.ts';
import { Sampler } from '../../../src/reconciler/sampler.ts';
import { Samplers } from '../../../src/reconciler/samplers.ts';
import { startWatches } from '../../../src/reconciler/watches.ts';
import type { Notice } from '../../../src/rollout/decision.ts';
import type { UserQueryMode } from '../../../src/source/user-query.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';
import { rollout } from '../../support/rollout-builders.ts';
import { eachAlone } from '../../support/metric-source.ts';
import { openWorld, type World } from './cluster.ts';

let stop: AbortController;
let world: World;
let metrics: Metrics;
let events: string[];
let reconcile: Reconcile;
let sample: (query: SampleQuery) => Promise<SampleOutcome>;
/** isWoken is true when the sampler has something new. */
let isWoken: boolean;
let userQueries: UserQueryMode;
beforeEach(() => {
  stop = new AbortController();
  metrics = createMetrics();
  events = [];
  userQueries = 'Namespaced';
  sample = async (query) => healthy(query);
});
afterEach(() => stop.abort(new Error('the test is over')));

const blockMs = 5_000;
/** analysis compares from the first request on, so that a step is proven within half a minute. */
const analysis = { warmup: '0s' };

/** healthy are blocks of 3000 requests to the canary each, its share of the pair's; \`errors\` of them are bad. */
function healthy({ sinceMs, untilMs }: SampleQuery, errors = 0): SampleOutcome {
  const weight = status().weight ?? 0;
  const stable = weight === 0 ? 60_000 : (3_000 * (100 - weight)) / weight;
  const arms = { stable: { requests: stable, errors: 0 }, canary: { requests: 3_000, errors } };
  const firstMs = blockEndOf(sinceMs + 1, blockMs);
  const count = Math.max(0, Math.floor((untilMs - firstMs) / blockMs) + 1);
  return {
    kind: 'Samples',
    blocks: Array.from({ length: count }, (_none, index) => ({ endMs: firstMs + index * blockMs, arms })),
    untilMs,
    seen: { stable: true, canary: true },
    discarded: 0,
  };
}

/** open stores web/shop, whose canary has another image, and starts a reconciler on it. */
async function open(subject: Rollout | undefined = rollout({ analysis })): Promise<void> {
  world = await openWorld(stop.signal, (store) => {
    if (subject !== undefined) store.put(resources.rollouts, subject);
  });
  restart();
}

/** restart forgets all that the controller holds in memory but its caches. */
function restart(): void {
  const { clock, store, watches, logger } = world;
  const nowMs = (): number => clock.nowMs();
  const source: MetricSource = {
    latenessMs: 15_000,
    blockMs,
    resolutionMs: blockMs,
    sample: eachAlone((query) => sample(query)),
    query: async () => ({ kind: 'Value', value: 1 }),
  };
  const sampler = new Sampler({
    source,
    clock,
    nowMs,
    intervalMs: 5_000,
    onEvidence: () => (isWoken = true),
    onSample: () => {},
    signal: stop.signal,
  });
  const recordEvent = (_about: Rollout, { reason }: Notice): void => void events.push(reason);
  const samplers = new Samplers(new Map([['Prometheus', sampler]]), 'Prometheus');
  reconcile = createReconciler({
    store,
    caches: watches.caches,
    metrics,
    logger,
    recordEvent,
    onTransition: () => {},
    samplers,
    nowMs,
    userQueries,
    freezes: () => [],
    ownership: soleOwnership(),
  });
}

/** again reconciles, and once more if the sampler had to be asked first. */
async function again(): ReturnType<Reconcile> {
  isWoken = false;
  const result = await reconcile('web/shop', stop.signal);
  await world.clock.advance(0);
  return isWoken ? again() : result;
}

/** settle reconciles until there is nothing more to write, and returns when to look again. */
async function settle(): Promise<number | undefined> {
  for (let count = 0; count < 20; count += 1) {
    const { requeueAfterMs } = await again();
    if (requeueAfterMs !== 5) return requeueAfterMs;
  }
  throw new Error('it never came to rest');
}

/** advance lets time pass and reconciles every five seconds, as samples would make it. */
async function advance(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5_000) {
    await world.clock.advance(5_000);
    await settle();
  }
}

function status(): RolloutStatus {
  return (world.store.read(resources.rollouts, 'web/shop') as Rollout).status ?? {};
}

describe('reconciling a Rollout', () => {
  it('claims it before anything else, and raises with the status first', async () => {
    await open();
    expect(await settle()).toBe(65_000);
    expect(world.store.writes.slice(0, 4)).toEqual([
      'patchStatus Rollout Written',
      'patch Rollout Written',
      'patchStatus Rollout Written',
      'patch IngressRoute Written',
    ]);
    expect(status()).toMatchObject({ phase: 'Progressing', reason: 'StepStarted', weight: 5 });
    expect(events).toEqual(['NewRevision', 'StepStarted']);
  });

  it('writes nothing more when nothing has changed', async () => {
    await open();
    await settle();
    world.store.writes.length = 0;
    await again();
    await again();
    expect([world.store.writes, world.store.reads]).toEqual([[], []]);
  });

  it('goes to the next weight on the evidence of the step', async () => {
    await open(rollout({ analysis, steps: [{ weight: 5, duration: '1m' }] }));
    await settle();
    await advance(60_000);
    expect(status()).toMatchObject({ weight: 5, verdict: 'Pass' });
    await advance(10_000);
    expect(status()).toMatchObject({ weight: 100, reason: 'StepStarted' });
  });

  it('rolls back with the route first when the canary is bad', async () => {
    await open();
    await settle();
    sample = async (query) => healthy(query, 2_250);
    world.store.writes.length = 0;
    await advance(30_000);
    expect(world.store.writes.slice(0, 2)).toEqual(['patch IngressRoute Written', 'patchStatus Rollout Written']);
    expect(status()).toMatchObject({ phase: 'Failed', weight: 0 });
  });

  it('rolls back although somebody else writes the route before each of its writes', async () => {
    await open();
    await settle();
    sample = async (query) => healthy(query, 2_250);
    world.store.beforeWrite = ({ kind }) => {
      const route = world.store.read(resources.ingressRoutes, 'web/shop');
      if (kind === 'IngressRoute' && route !== undefined) world.store.put(resources.ingressRoutes, route);
    };
    world.store.writes.length = 0;
    for (let count = 0; count < 30; count += 1) {
      await world.clock.advance(1_000);
      await again();
    }
    expect(world.store.writes.slice(0, 3)).toEqual([
      'patch IngressRoute Conflict',
      'patch IngressRoute Written',
      'patchStatus Rollout Written',
    ]);
    expect(status()).toMatchObject({ phase: 'Failed', weight: 0 });
  });

  it('exposes nobody while the source does not know stable, and looks again in a few seconds', async () => {
    sample = async () => ({ kind: 'NoData', reason: 'SourceUnreachable', message: 'Prometheus did not answer.' });
    await open();
    expect(await settle()).toBe(5_000);
    expect(status()).toMatchObject({ phase: 'Pending', reason: 'NoEvidenceSource', weight: 0 });
  });

  it('does not judge a step by the evidence of another one after a restart', async () => {
    await open();
    await settle();
    await advance(40_000);
    expect(status().verdict).toBe('Pass');
    const stored = world.store.read(resources.rollouts, 'web/shop') as Rollout;
    const { progress, ...rest } = stored.status ?? {};
    if (progress === undefined) throw new Error('no rollout is in progress');
    const entered = { ...progress, appliedAt: new Date(world.clock.nowMs()).toISOString() };
    world.store.put(resources.rollouts, { ...stored, status: { ...rest, progress: entered } });
    await world.clock.advance(0);
    restart();
    await again();
    const condition = status().conditions?.find(({ type }) => type === 'AnalysisPassing');
    expect(condition).toMatchObject({ status: 'Unknown', reason: 'NoEvidenceYet' });
  });

  it('continues the evidence of the step after a restart', async () => {
    await open();
    await settle();
    await advance(60_000);
    const before = status().analysis?.canary.requests ?? 0;
    expect(before).toBeGreaterThan(0);
    restart();
    await again();
    await advance(60_000);
    expect(status().analysis?.canary.requests).toBeGreaterThan(before);
  });

  it('goes on with the evidence over a raise, and over a restart right after it', async () => {
    const steps = ['5', '20', '50'].map((weight) => ({ weight: Number(weight), duration: '10m' }));
    await open(rollout({ analysis, steps }));
    await settle();
    await advance(65_000);
    const before = status();
    expect(before).toMatchObject({ weight: 20, verdict: 'Inconclusive', analysis: { canary: { requests: 27_000 } } });
    expect(before).not.toHaveProperty('observed');
    restart();
    await advance(20_000);
    expect(status().conditions?.find(({ type }) => type === 'AnalysisPassing')).toMatchObject({
      status: 'Unknown',
      reason: 'NoEvidenceYet',
    });
    await advance(10_000);
    expect(status()).toMatchObject({ weight: 20, verdict: 'Pass', observed: '20.0%' });
    expect(status().analysis).toMatchObject({
      id: before.analysis?.id,
      since: before.analysis?.since,
      canary: { requests: 42_000 },
      step: { canary: 3_000, stable: 12_000 },
    });
  });

  it('holds a step whose check cannot be asked any more, as when user queries are switched off in the middle', async () => {
    const check = { name: 'depth', query: 'max(depth)', interval: '30s', onNoData: 'Hold' } as const;
    const checks = [{ ...check, consecutiveFailureLimit: 2, consecutiveErrorLimit: 4 }];
    await open(rollout({ steps: [{ weight: 5, duration: '1m' }], analysis: { ...analysis, checks } }));
    await settle();
    await advance(40_000);
    expect(status().verdict).toBe('Pass');
    userQueries = 'Off';
    restart();
    await advance(60_000);
    expect(status()).toMatchObject({ weight: 5, reason: 'CheckInvalid', verdict: 'Inconclusive' });
  });
});

describe('a replica that takes over', () => {
  /** takeOver starts a reconciler on watches of its own; that of \`behind\` has delivered nothing since they began. */
  async function watchBeside(behind: ResourceKind): Promise<() => void> {
    const { clock, store, logger } = world;
    const silence = Promise.withResolvers<never>();
    const never: AsyncIterable<never> = { [Symbol.asyncIterator]: () => ({ next: () => silence.promise }) };
    const lagging: Pick<ObjectStore, 'list' | 'watch'> = {
      list: (kind, options) => store.list(kind, options),
      watch: (kind, options) => (kind === behind ? never : store.watch(kind, options)),
    };
    const watches = startWatches({ store: lagging, clock, random: () => 0.5, logger, onChange: () => {} }, stop.signal);
    await watches.synced;
    return () => {
      world = { ...world, watches };
      restart();
    };
  }

  it.each([resources.ingressRoutes, resources.rollouts])(
    'reads what its predecessor wrote before it acts on a cache of $kind that is behind',
    async (behind) => {
      await open(rollout({ analysis, steps: [{ weight: 5, duration: '1m' }, { weight: 50 }] }));
      await settle();
      const takeOver = await watchBeside(behind);
      await advance(70_000);
      await settle();
      expect(status()).toMatchObject({ phase: 'Progressing', weight: 50 });
      const before = { status: status(), route: world.store.read(resources.ingressRoutes, 'web/shop') };
      takeOver();
      await settle();
      expect(status()).toMatchObject({ phase: 'Progressing', weight: 50, progress: before.status.progress });
      expect(world.store.read(resources.ingressRoutes, 'web/shop')).toEqual(before.route);
      expect(world.store.reads).toEqual(['get Rollout', 'get IngressRoute']);
      await advance(60_000);
      expect(world.store.reads).toHaveLength(2);
    },
  );
});

describe('the series of a Rollout', () => {
  it('show what the canary answered while it is sampled, and are gone when it is at rest', async () => {
    await open(rollout({ analysis, steps: [{ weight: 5, duration: '1m' }] }));
    await settle();
    await advance(40_000);
    expect(await metrics.text()).toContain('sluice_rollout_observed_percent{namespace="web",name="shop"} 5');
    sample = async (query) => healthy(query, 3_000);
    await advance(60_000);
    await settle();
    expect(status().phase).toBe('Failed');
    expect(await metrics.text()).toContain('phase="Failed"} 1');
    expect(await metrics.text()).not.toContain('sluice_rollout_observed_percent{');
  });
});

describe('a Rollout that is gone', () => {
  it('is forgotten: no sampling, no series, no write', async () => {
    await open();
    await settle();
    expect(await metrics.text()).toContain('sluice_rollout_weight_percent{namespace="web",name="shop"} 5');
    const timers = world.clock.pendingTimers;
    world.store.remove(resources.rollouts, 'web/shop');
    await world.clock.advance(0);
    world.store.writes.length = 0;
    expect(await again()).toEqual({});
    expect(world.clock.pendingTimers).toBe(timers - 1);
    expect(await metrics.text()).not.toContain('name="shop"');
    expect(world.store.writes).toEqual([]);
  });
});

describe('writes that are lost', () => {
  /** lose makes every write come too late. */
  function lose(): void {
    world.store.beforeWrite = () => {
      const current = world.store.read(resources.rollouts, 'web/shop');
      if (current !== undefined) world.store.put(resources.rollouts, current);
    };
  }

  const warnings = () => world.lines.filter(({ msg }) => msg === 'writes keep losing').map(({ count }) => count);

  it('are tried again ever more slowly, up to a second, and reported', async () => {
    await open();
    lose();
    const delays: number[] = [];
    for (let count = 0; count < 20; count += 1) {
      expect(warnings()).toEqual([]);
      delays.push((await again()).requeueAfterMs ?? 0);
    }
    expect(delays.slice(0, 3)).toEqual([5, 7.5, 11.25]);
    expect(delays.at(-1)).toBe(1_000);
    expect(delays).toEqual(delays.toSorted((a, b) => a - b));
    expect(warnings()).toEqual([20]);
    expect(events).toEqual([]);
  });

  it.each<[string, () => Promise<void>]>([
    [
      'a write that is not lost',
      async () => {
        world.store.beforeWrite = () => {};
        expect((await again()).requeueAfterMs).toBe(5);
      },
    ],
    [
      'the end of the Rollout',
      async () => {
        world.store.beforeWrite = () => {};
        world.store.remove(resources.rollouts, 'web/shop');
        await world.clock.advance(0);
        await again();
        world.store.put(resources.rollouts, rollout());
        await world.clock.advance(0);
      },
    ],
  ])('begin with the short delay again after %s', async (_name, end) => {
    await open();
    lose();
    for (let count = 0; count < 5; count += 1) await again();
    await end();
    lose();
    expect((await again()).requeueAfterMs).toBe(5);
  });
});
