import { describe, expect, it } from 'vitest';
import { decide } from '../../../src/rollout/decide.ts';
import { statusSchema } from '../../../src/rollout/status.ts';
import type { RouteRef } from '../../../src/api/rollout.ts';
import type { RolloutTarget } from '../../../src/api/rollout-status.ts';
import type { Observation } from '../../../src/rollout/observation.ts';
import { observation, rollout, routeObservation, shopRoutes } from '../../support/rollout-builders.ts';
import { World } from '../../support/world.ts';

const steps = [
  { weight: 20, duration: '1m' },
  { weight: 50, duration: '1m' },
];

function inStep(spec: ConstructorParameters<typeof World>[0] = {}): World {
  const world = new World({ ...spec, spec: { steps, ...spec.spec } });
  world.settle();
  return world;
}

function written(world: World): string {
  return JSON.stringify(world.routes);
}

describe('an empty status', () => {
  it.each([1, 37, 100])('never moves traffic: a route that gives the canary %i%% is adopted', (percent) => {
    const world = new World({ spec: { steps } });
    world.writeWeight('helm', percent);
    const before = written(world);
    world.run(3_600_000);
    expect(world.state).toBe(`Paused/Adopted ${percent}% route ${percent}%`);
    expect(written(world)).toBe(before);
    expect(world.rollout?.metadata).not.toHaveProperty('finalizers');
  });

  it('in mid-rollout is adopted, goes on when promoted, and has the finalizer before the first write', () => {
    const world = inStep();
    world.loseStatus();
    world.settle();
    expect(world.state).toBe('Paused/Adopted 20% route 20%');
    world.command('promote');
    world.run(10_000);
    expect(world.percent).toBe(50);
    expect(world.rollout?.metadata.finalizers).toEqual(['sluice.dev/route']);
  });

  it('that was adopted goes back to stable alone on abort', () => {
    const world = new World({ spec: { steps } });
    world.writeWeight('helm', 30);
    world.settle();
    world.command('abort');
    world.settle();
    expect(world.state).toBe('Failed/Aborted 0% route 0%');
    expect(written(world)).not.toContain('shop-canary');
  });

  it('is adopted with the loss of the canary as ever', () => {
    const world = new World({ spec: { steps } });
    world.writeWeight('helm', 30);
    world.settle();
    world.endpoints.canary = 0;
    world.settle();
    expect(world.state).toBe('Failed/CanaryLost 0% route 0%');
  });

  it.each([
    ['starts nothing where the workloads do not differ', true, undefined, 'Succeeded/Unchanged 0% route 0%'],
    ['starts where the images differ', false, undefined, 'Progressing/StepStarted 20% route 20%'],
    ['starts where spec.revision is set', true, 'v2', 'Progressing/StepStarted 20% route 20%'],
  ])('%s', (_name, sameImages, revision, state) => {
    const world = new World({ spec: { steps, ...(revision === undefined ? {} : { revision }) }, sameImages });
    world.settle();
    expect(world.state).toBe(state);
  });

  it('waits for a revision to be known', () => {
    const { decision } = { decision: decide(observation({ canaryRevision: undefined })) };
    expect(decision).toMatchObject({ kind: 'Wait', status: { phase: 'Pending', reason: 'RevisionUnknown' } });
  });
});

describe('deletion', () => {
  it('in mid-rollout puts the route back and lets the object go', () => {
    const world = inStep();
    world.deleteRollout();
    world.settle();
    expect(world.rollout).toBeUndefined();
    expect(written(world)).toBe(JSON.stringify(shopRoutes));
  });

  it.each([0, 1])('does so too when cut after %i writes', (crashAfter) => {
    const world = inStep();
    world.deleteRollout();
    world.step({ crashAfter });
    world.settle();
    expect(world.rollout).toBeUndefined();
    expect(written(world)).toBe(JSON.stringify(shopRoutes));
  });

  it.each([
    ['Keep', 100],
    ['Restore', 0],
  ] as const)('after success with onDelete %s leaves the canary %i%%', (onDelete, percent) => {
    const world = inStep({ spec: { onDelete } });
    world.run(600_000);
    world.deleteRollout();
    world.settle();
    expect(world.rollout).toBeUndefined();
    expect(world.percent).toBe(percent);
  });

  it('on the way back to stable finishes it', () => {
    const world = inStep();
    world.run(600_000);
    world.release('stable', 2);
    world.settle();
    world.deleteRollout();
    world.settle();
    expect(world.percent).toBe(0);
  });

  it('gives up after 30 s without a stable endpoint', () => {
    const world = inStep();
    world.endpoints.stable = 0;
    world.deleteRollout();
    world.run(29_000);
    expect(world.rollout).toBeDefined();
    world.run(2_000);
    expect(world.rollout).toBeUndefined();
    expect(world.percent).toBeGreaterThan(0);
  });

  it('gives up after 30 s without the right to write the route', () => {
    const world = inStep();
    world.isRouteForbidden = true;
    world.deleteRollout();
    world.step();
    expect(world.rollout).toBeDefined();
    world.advance(31_000);
    world.settle();
    expect(world.rollout).toBeUndefined();
  });

  it('leaves a route alone that was created anew', () => {
    const world = inStep();
    const anew = [{ match: 'Host(`shop.example`)', services: [{ name: 'shop-stable', port: 80, weight: 7 }] }];
    world.recreateRoute(anew);
    world.deleteRollout();
    world.settle();
    expect(world.rollout).toBeUndefined();
    expect(world.routes).toEqual(anew);
  });

  it('does not wait for a route that is gone', () => {
    const world = inStep();
    world.deleteRoute();
    world.deleteRollout();
    world.settle();
    expect(world.rollout).toBeUndefined();
  });

  it('of a Rollout that never wrote anything needs nothing', () => {
    const world = new World({ sameImages: true });
    world.settle();
    world.deleteRollout();
    expect(world.rollout).toBeUndefined();
  });
});

describe('another route or service in the spec', () => {
  it('in a Hold puts the old route back first, then begins as with an empty status', () => {
    const world = inStep();
    world.run(600_000);
    world.edit({ route: { name: 'other' } });
    expect(world.step().decision.kind).toBe('Lower');
    world.settle();
    expect(written(world)).toBe(JSON.stringify(shopRoutes));
    expect(world.status).toMatchObject({ phase: 'Pending', reason: 'RouteNotFound' });
    for (const field of ['target', 'revision', 'promotedRevision', 'analysis'])
      expect(world.status).not.toHaveProperty(field);
  });

  it('waits for a stable endpoint', () => {
    const world = inStep();
    world.run(600_000);
    world.endpoints.stable = 0;
    world.edit({ route: { name: 'other' } });
    world.run(60_000);
    expect(world.state).toBe('Succeeded/StableUnavailable 100% route 100%');
    world.endpoints.stable = 1;
    world.settle();
    expect(written(world)).toBe(JSON.stringify(shopRoutes));
  });
});

describe('a command', () => {
  it.each([
    ['for another revision', 'abort n1 rollout-uid canary-1'],
    ['for another object', 'abort n1 other-uid canary-2'],
    ['without a nonce', 'abort'],
    ['that does not exist', 'explode n1 rollout-uid canary-2'],
  ])('%s is refused with an event, removed, and changes nothing', (_name, text) => {
    const world = inStep();
    world.annotate(text);
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    expect(world.notices.map(({ reason }) => reason)).toEqual(['CommandStale']);
    expect(world.rollout?.metadata.annotations).toEqual({});
  });

  it.each(['promote', 'abort', 'retry'])('%s with nothing to act on is answered with an event and removed', (verb) => {
    const world = new World({ sameImages: true });
    world.settle();
    world.command(verb);
    world.settle();
    expect(world.state).toBe('Succeeded/Unchanged 0% route 0%');
    expect(world.notices.map(({ reason }) => reason)).toEqual(['CommandIgnored']);
    expect(world.rollout?.metadata.annotations).toEqual({});
  });

  it('is carried out once when the process dies before the annotation is removed', () => {
    const world = inStep();
    world.advance(10_000);
    world.command('promote');
    world.step();
    world.step({ crashAfter: 0 });
    world.run(30_000);
    expect(world.percent).toBe(50);
    expect(world.status.history?.filter((entry) => entry.reason === 'Promoted')).toHaveLength(1);
  });
});

describe('a status of a newer version', () => {
  it('is never raised, neither to a first weight nor to the next one', () => {
    const waiting = new World({ spec: { steps } });
    waiting.setStatus({ schema: statusSchema + 1, revision: 'canary-2', phase: 'Pending' });
    waiting.run(600_000);
    expect(waiting.routeWrites).toEqual([]);
    expect(waiting.rollout?.metadata).not.toHaveProperty('finalizers');
    const running = inStep();
    running.setStatus({ schema: statusSchema + 1 });
    running.run(600_000);
    expect(running.percent).toBe(20);
  });

  it('may be lowered, and stays of that version', () => {
    const world = inStep();
    world.setStatus({ schema: statusSchema + 1 });
    world.verdict = 'Fail';
    world.run(10_000);
    expect(world.state).toBe('Failed/MoreErrors 0% route 0%');
    expect(world.status.schema).toBe(statusSchema + 1);
  });
});

describe('decide', () => {
  it('does not touch what it is given, and answers the same when asked again', () => {
    const input = observation({ route: routeObservation() });
    const before = structuredClone(input);
    const first = decide(input);
    expect(decide(input)).toEqual(first);
    expect(input).toEqual(before);
  });
});

describe('what people should know of a route', () => {
  const advice = [
    { reason: 'ServiceShared', message: 'Service shop-stable is also listed by IngressRoute web/admin.' },
  ];
  const claimed = rollout(
    { revision: 'r1' },
    {
      metadata: { ...rollout().metadata, finalizers: ['sluice.dev/route'] },
      status: { revision: 'r1', phase: 'Pending' },
    },
  );

  it('is said once, when a rollout starts', () => {
    const decision = decide(observation({ rollout: claimed, advice }));
    expect(decision).toMatchObject({ kind: 'Raise', notices: [{ type: 'Warning', ...advice[0] }] });
    if (decision.kind !== 'Raise') return;
    const next = decide(observation({ rollout: { ...claimed, status: decision.status }, advice }));
    expect(next).toMatchObject({ notices: [] });
  });

  it('explains why nobody counts requests of a TraefikService that nobody lists', () => {
    const unused = { reason: 'RouteUnused', message: 'No IngressRoute lists TraefikService shop.' };
    const source = { kind: 'NotReady', reason: 'NoEvidenceSource', message: 'No requests.' } as const;
    const waiting = (over: Partial<Observation>) => decide(observation({ rollout: claimed, source, ...over }));
    expect(waiting({})).toMatchObject({ kind: 'Wait', status: { reason: 'NoEvidenceSource' } });
    expect(waiting({ advice: [unused] })).toMatchObject({ kind: 'Wait', status: unused });
    expect(decide(observation({ rollout: claimed, advice: [unused] }))).toMatchObject({ kind: 'Raise' });
  });
});

describe('the touched route', () => {
  const pathRoutes = shopRoutes.map((route) => ({ ...route, match: 'Path(`/`)' }));

  it.each<[string, Partial<RouteRef>, Partial<RolloutTarget>]>([
    ['of the usual kind is a name', {}, {}],
    ['is named with its kind', { kind: 'TraefikService' }, { kind: 'TraefikService' }],
    [
      'is named with its group and rule',
      { apiVersion: 'traefik.containo.us/v1alpha1', match: 'Path(`/`)' },
      { apiVersion: 'traefik.containo.us/v1alpha1', match: 'Path(`/`)' },
    ],
  ])('%s', (_name, route, target) => {
    const world = inStep({ spec: { route: { name: 'shop', ...route } }, routes: pathRoutes });
    const { uid: _uid, stable: _stable, canary: _canary, baseline: _baseline, ...named } = world.status.target ?? {};
    expect(named).toMatchObject({ route: 'shop', ...target });
    expect(Object.keys(named).toSorted()).toEqual([...Object.keys(target), 'raisedAt', 'route'].toSorted());
  });

  it.each<[string, Partial<RouteRef>, string]>([
    ['stays where the rule is written in another way', { match: '( Path("/") )' }, 'Succeeded/Holding 100% route 100%'],
    ['is put back for another rule', { match: 'Path(`/other`)' }, 'Pending/RuleNotFound 0% route 0%'],
    ['is put back for all rules', {}, 'Progressing/StepStarted 20% route 20%'],
  ])('%s', (_name, route, state) => {
    const world = inStep({ spec: { route: { name: 'shop', match: 'Path(`/`)' } }, routes: pathRoutes });
    world.command('promote-full');
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    world.edit({ route: { name: 'shop', ...route } });
    world.settle();
    expect(world.state).toBe(state);
  });

  it('is named by its kind where it goes away', () => {
    const world = inStep({ spec: { route: { name: 'shop', kind: 'TraefikService' } } });
    world.deleteRoute();
    world.settle();
    expect(world.status.message).toBe('TraefikService shop does not exist any more; create it again, or abort.');
  });
});
