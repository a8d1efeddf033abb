import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resources } from '../../../src/api/kubernetes.ts';
import type { Rollout } from '../../../src/api/rollout.ts';
import type { RolloutProgress } from '../../../src/api/rollout-status.ts';
import type { IngressRoute, Route } from '../../../src/api/traefik.ts';
import { addSamples, startEvidence, type Evidence } from '../../../src/analysis/evidence.ts';
import type { Judged } from '../../../src/reconciler/judged.ts';
import { armNames, observe, readScene } from '../../../src/reconciler/observe.ts';
import { analysisSpec, rollout, type WrittenSpec } from '../../support/rollout-builders.ts';
import { deployment, openWorld, service, shopRoute, slice, type World } from './cluster.ts';

const startMs = Date.UTC(2026, 10, 21, 9);
const atSecond = (second: number): string => new Date(startMs + 1_000 * second).toISOString();
const progress: RolloutProgress = {
  direction: 'Forward',
  index: 0,
  weight: 20,
  from: 0,
  startedAt: atSecond(0),
  enteredAt: atSecond(0),
  appliedAt: atSecond(1),
  plan: '',
};

let stop: AbortController;
let world: World;
beforeEach(async () => {
  stop = new AbortController();
  world = await openWorld(stop.signal);
  await put(resources.ingressRoutes, shopRoute(pairRoutes()));
});
afterEach(() => stop.abort(new Error('the test is over')));

/** pairRoutes lists both services at 20 %; `fields` go on stable's entry. */
function pairRoutes(fields: Readonly<Record<string, unknown>> = {}): readonly Route[] {
  const services = [
    { name: 'shop-stable', port: 80, weight: 80, ...fields },
    { name: 'shop-canary', port: 80, weight: 20 },
  ];
  return [{ match: 'Host(`shop.example`)', kind: 'Rule', services }];
}

async function put(...args: Parameters<World['store']['put']>): Promise<void> {
  world.store.put(...args);
  await world.clock.advance(0);
}

/** running returns web/shop with a rollout of revision r2 in progress. */
function running(change: Partial<RolloutProgress> = {}, written: WrittenSpec = {}, revision = 'r2'): Rollout {
  return rollout(written, { status: { revision, weight: 20, progress: { ...progress, ...change } } });
}

function judgedOf(subject: Rollout): Judged | undefined {
  return readScene(subject, world.watches.caches, 'Namespaced').judged;
}

function idOf(subject: Rollout): string | undefined {
  return judgedOf(subject)?.id;
}

describe('the id of evidence', () => {
  it.each<[string, Rollout]>([
    ['revision', running({}, {}, 'r3')],
    ['try', running({ startedAt: atSecond(1) })],
    ['analysis', running({}, { analysis: { errorRatio: { maxIncrease: '1pp', maxIncreaseRelative: '0%' } } })],
    ['mode of the analysis', running({}, { analysis: { mode: 'DryRun' } })],
  ])('is another one with another %s', (_name, other) => {
    expect(idOf(running())).toMatch(/^[0-9a-f]+$/);
    expect(idOf(other)).toMatch(/^[0-9a-f]+$/);
    expect(idOf(other)).not.toBe(idOf(running()));
  });

  it("is another one with another revision of stable's workload", async () => {
    const before = idOf(running());
    await put(resources.deployments, deployment('shop-stable', 'shop:3', '2'));
    expect(idOf(running())).not.toBe(before);
  });

  it.each<[string, Rollout]>([
    ['step', running({ index: 1, weight: 50, from: 20, enteredAt: atSecond(70), appliedAt: atSecond(71) })],
    ['plan', running({ plan: '20/1m 50/1m' }, { steps: [{ weight: 20 }, { weight: 50 }] })],
    ['promotion by hand', running({ promoted: true })],
    ['brake', running({}, { paused: true })],
    ['label', rollout({}, { ...running(), metadata: { name: 'shop', labels: { team: 'web' }, generation: 7 } })],
  ])('is the same with another %s', (_name, other) => {
    expect(idOf(other)).toBeDefined();
    expect(idOf(other)).toBe(idOf(running()));
  });

  it("is the same whatever happens to pods, Services, routes and the canary's workload", async () => {
    const before = idOf(running());
    await put(resources.endpointSlices, slice('shop-stable', []));
    await put(resources.services, service('shop-canary', [{ name: 'web', port: 8080 }]));
    await put(resources.deployments, deployment('shop-canary', 'shop:9', '9'));
    await put(resources.ingressRoutes, shopRoute(pairRoutes({ sticky: { cookie: {} } })));
    expect(idOf(running())).toBe(before);
  });
});

describe('the stage that is judged', () => {
  it('begins 5 s after the weight was seen in the route', () => {
    expect(judgedOf(running())).toMatchObject({
      stage: { sinceMs: startMs + 6_000, isAlone: false },
      share: { weightPercent: 20 },
    });
  });

  it('has no beginning while the route is changed from one weight to the next', () => {
    const { appliedAt: _seen, ...rest } = progress;
    const status = { revision: 'r2', weight: 50, progress: { ...rest, from: 20, weight: 50 } };
    const { judged } = readScene(rollout({}, { status }), world.watches.caches, 'Namespaced');
    expect(judged?.stage).toEqual({ sinceMs: undefined, isAlone: false, canaryEndpoints: 1 });
  });

  it('is none before the canary has its first traffic, on the way back, and at rest', () => {
    const { appliedAt: _seen, ...rest } = progress;
    const statuses = [
      { progress: rest },
      { progress: { ...progress, direction: 'Back' as const } },
      { progress: { ...progress, direction: 'Return' as const } },
      {},
    ];
    for (const status of statuses)
      expect(judgedOf(rollout({}, { status: { revision: 'r2', ...status } }))).toBeUndefined();
  });

  it('is that of a promoted canary since it has another revision, in a Hold and on the way back: alone, by limits only', () => {
    const unproven = { revision: 'r3', promotedRevision: 'r2', unprovenSince: atSecond(30) };
    const back = { progress: { ...progress, direction: 'Return' as const, weight: 50 } };
    for (const status of [unproven, { ...unproven, ...back }]) {
      const scene = readScene(rollout({}, { status }), world.watches.caches, 'Namespaced');
      expect(scene.judged).toMatchObject({
        stage: { sinceMs: startMs + 30_000, isAlone: true, canaryEndpoints: 1 },
        share: { weightPercent: 100, isComparable: false },
      });
      expect(scene.spec).toMatchObject({ compare: 'None', slo: { errorRatio: 0.05 } });
    }
    const id = (change: Partial<typeof unproven>) => idOf(rollout({}, { status: { ...unproven, ...change } }));
    expect(id({})).toBe(id({ promotedRevision: 'r1' }));
    expect(id({ revision: 'r4' })).not.toBe(id({}));
    expect(id({ unprovenSince: atSecond(31) })).not.toBe(id({}));
  });

  it('of such a canary goes on while stable is rolled out', async () => {
    const unproven = { revision: 'r3', promotedRevision: 'r2', unprovenSince: atSecond(30) };
    const before = idOf(rollout({}, { status: unproven }));
    await put(resources.deployments, deployment('shop-stable', 'shop:3', '2'));
    expect(idOf(rollout({}, { status: unproven }))).toBe(before);
  });

  it('is alone at 100 % only', () => {
    expect(judgedOf(running({ weight: 99 }))?.stage.isAlone).toBe(false);
    expect(judgedOf(running({ weight: 100 }))?.stage.isAlone).toBe(true);
  });
});

describe('the share of the requests', () => {
  const isComparable = (): boolean | undefined => judgedOf(running())?.share.isComparable;

  /** another returns a second IngressRoute in `namespace` that lists a service. */
  function another(namespace: string, listed: Readonly<Record<string, unknown>>): IngressRoute {
    return {
      metadata: { name: 'other', namespace, uid: 'other-uid' },
      spec: { routes: [{ match: 'Host(`other.example`)', kind: 'Rule', services: [listed as { name: string }] }] },
    };
  }

  it('can be compared with the weight where both services are listed by this route alone', () => {
    expect(isComparable()).toBe(true);
  });

  it('cannot with sticky sessions, which choose by cookie', async () => {
    await put(resources.ingressRoutes, shopRoute(pairRoutes({ sticky: { cookie: { name: 'shop' } } })));
    expect(isComparable()).toBe(false);
  });

  it.each<[string, string, Readonly<Record<string, unknown>>]>([
    ['stable', 'web', { name: 'shop-stable', port: 80 }],
    ['the canary', 'web', { name: 'shop-canary', port: 80 }],
    ['stable, said to be a Service', 'web', { name: 'shop-stable', kind: 'Service' }],
    ['stable from another namespace', 'shop', { name: 'shop-stable', namespace: 'web' }],
  ])('cannot where another IngressRoute lists %s too', async (_name, namespace, listed) => {
    await put(resources.ingressRoutes, another(namespace, listed));
    expect(isComparable()).toBe(false);
    world.store.remove(resources.ingressRoutes, `${namespace}/other`);
    await world.clock.advance(0);
    expect(isComparable()).toBe(true);
  });

  it.each<[string, string, Readonly<Record<string, unknown>>]>([
    ['another Service', 'web', { name: 'legacy' }],
    ['a Service of that name in another namespace', 'shop', { name: 'shop-stable' }],
    ['a TraefikService of that name', 'web', { name: 'shop-stable', kind: 'TraefikService' }],
  ])('can where another IngressRoute lists %s', async (_name, namespace, listed) => {
    await put(resources.ingressRoutes, another(namespace, listed));
    expect(isComparable()).toBe(true);
  });

  it('can where two rules of the route list the pair', async () => {
    await put(resources.ingressRoutes, shopRoute([...pairRoutes(), ...pairRoutes()]));
    expect(isComparable()).toBe(true);
  });
});

describe('the names of a service', () => {
  const namesOf = (): readonly string[] =>
    armNames(readScene(running(), world.watches.caches, 'Namespaced'), 'Both').stable;

  it('have the port as the route writes it', async () => {
    expect(namesOf()).toEqual(['web-shop-stable-80@kubernetescrd']);
    await put(resources.ingressRoutes, shopRoute(pairRoutes({ port: 'http' })));
    expect(namesOf()).toEqual(['web-shop-stable-http@kubernetescrd']);
  });

  it('have each spelling where two rules write it differently, and where no rule lists the service', async () => {
    const both = ['web-shop-stable-80@kubernetescrd', 'web-shop-stable-http@kubernetescrd'];
    await put(resources.ingressRoutes, shopRoute([...pairRoutes(), ...pairRoutes({ port: 'http' })]));
    expect(namesOf()).toEqual(both);
    const services = [{ name: 'shop-canary', port: 80 }];
    await put(resources.ingressRoutes, shopRoute([{ match: 'Host(`shop.example`)', kind: 'Rule', services }]));
    expect(namesOf()).toEqual(both);
  });
});

describe('a verdict', () => {
  const blockMs = 10_000;
  const spec = analysisSpec({ warmupMs: 0 });

  /** counted is evidence of 100 blocks of a step at 20 % that began at `sinceMs`. */
  function counted(sinceMs: number, canaryErrors: number): Evidence {
    const arms = { stable: { requests: 4_000, errors: 4 }, canary: { requests: 1_000, errors: canaryErrors } };
    const blocks = Array.from({ length: 100 }, (_none, index) => ({ endMs: sinceMs + (index + 1) * blockMs, arms }));
    const untilMs = sinceMs + 100 * blockMs;
    const outcome = { kind: 'Samples', blocks, untilMs, seen: { stable: true, canary: true }, discarded: 0 } as const;
    const stage = { sinceMs, isAlone: false };
    return addSamples(startEvidence('e', sinceMs, spec, { blocks: [] }), outcome, { spec, stage, blockMs }, untilMs);
  }

  function verdictOf(subject: Rollout, evidence: Evidence) {
    const { caches } = world.watches;
    const scene = readScene(subject, caches, 'Namespaced');
    return observe(scene, caches, { nowMs: startMs, source: { kind: 'Ready' }, evidence, freezes: [] }).verdict;
  }

  const sinceMs = startMs + 6_000;
  const { appliedAt: _seen, ...unseen } = progress;
  const next = { ...running().status, progress: { ...unseen, from: 20, weight: 50 } };
  const early = [
    ['while the route is changed', rollout({}, { status: next })],
    [
      'before something of it was counted',
      rollout({}, { status: { ...next, progress: { ...next.progress, appliedAt: atSecond(1_200) } } }),
    ],
  ] as const;

  it('on a step is what its evidence says', () => {
    expect(verdictOf(running(), counted(sinceMs, 1))).toMatchObject({ kind: 'Pass' });
    expect(verdictOf(running(), counted(sinceMs, 500))).toMatchObject({ kind: 'Fail', reason: 'MoreErrors' });
  });

  it.each(early)('on the next step says that nothing proves it yet, %s', (_name, subject) => {
    const verdict = verdictOf(subject, counted(sinceMs, 1));
    expect(verdict).toMatchObject({ kind: 'Inconclusive', reason: 'NoEvidenceYet' });
    expect(verdict.mayRaise).not.toBe(true);
  });

  it.each(early)('on the next step fails all the same, %s', (_name, subject) => {
    expect(verdictOf(subject, counted(sinceMs, 500))).toMatchObject({ kind: 'Fail', reason: 'MoreErrors' });
  });

  it.each(early)('on the next step tells of missing data all the same, %s', (_name, subject) => {
    const noData = { reason: 'SourceUnreachable', message: 'No answer.', since: atSecond(0) };
    expect(verdictOf(subject, { ...counted(sinceMs, 1), noData })).toMatchObject({ kind: 'NoData' });
  });

  it('tells that the canary gets another share than its weight, unless that is not comparable', async () => {
    const tenth = rollout({}, { status: { ...running().status, progress: { ...progress, weight: 5 } } });
    expect(verdictOf(tenth, counted(sinceMs, 1))).toMatchObject({ kind: 'Inconclusive', reason: 'ShareOff' });
    await put(resources.ingressRoutes, shopRoute(pairRoutes({ sticky: { cookie: {} } })));
    expect(verdictOf(tenth, counted(sinceMs, 1))).toMatchObject({ kind: 'Pass' });
  });
});
