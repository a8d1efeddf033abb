import { beforeEach, describe, expect, test } from 'vitest';
import type { CanaryRef } from '../../../src/api/rollout.ts';
import { rolloutSpec } from '../../support/rollout-builders.ts';
import { statusSchema } from '../../../src/rollout/status.ts';
import { World } from '../../support/world.ts';

const { canary } = rolloutSpec();
const matching: CanaryRef = { ...canary, match: [{ headers: { 'X-Canary': { exact: 'always' } } }] };
const steps = [
  { weight: 20, duration: '1m' },
  { weight: 50, duration: '1m' },
];

let world: World;

/** kinds are the decisions of one settling, in their order. */
function kinds(subject: World): readonly string[] {
  const seen: string[] = [];
  for (let round = 0; round < 12; round += 1) {
    if (subject.rollout === undefined) return seen;
    const { decision, writes } = subject.step();
    seen.push(decision.kind);
    if (decision.kind === 'Wait' && writes === 0) return seen;
  }
  return seen;
}

function running(): World {
  const subject = new World({ spec: { canary: matching, steps } });
  subject.run(10_000);
  return subject;
}

beforeEach(() => {
  world = running();
});

describe('the match route', () => {
  test('comes after the first weight and its status, and stays as it is through the steps', () => {
    const fresh = new World({ spec: { canary: matching, steps } });
    expect(kinds(fresh)).toEqual(['Wait', 'Claim', 'Raise', 'Wait', 'Expose', 'Wait']);
    const first = fresh.matchRoute;
    expect(first?.spec.routes).toHaveLength(1);
    fresh.run(70_000);
    expect(fresh.percent).toBe(50);
    expect(fresh.matchRoute).toEqual(first);
  });

  test('is not there for a Rollout without a match', () => {
    const plain = new World({ spec: { steps } });
    plain.run(70_000);
    expect(plain.matchRoute).toBeUndefined();
  });

  test('follows the route, also under a pause', () => {
    world.edit({ paused: true });
    world.settle();
    const [route] = world.routes;
    world.writeRoutes('helm', [{ ...route!, middlewares: [{ name: 'auth' }], match: 'Host(`new.example`)' }]);
    expect(kinds(world)).toContain('Expose');
    expect(world.matchRoute?.spec.routes).toMatchObject([
      { match: '(Host(`new.example`)) && (Header("X-Canary", "always"))', middlewares: [{ name: 'auth' }] },
    ]);
  });

  test('goes when the canary is promoted, which then has everybody', () => {
    world.run(400_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    expect(world.matchRoute).toBeUndefined();
  });

  test('is put back where somebody deletes or changes it', () => {
    const before = world.matchRoute;
    for (const spoiled of [undefined, before && { ...before, spec: { routes: [] } }]) {
      world.matchRoute = spoiled;
      world.settle();
      expect(world.matchRoute).toMatchObject({ spec: before?.spec });
    }
  });

  test('is no raise of its own under a pause, in a freeze, or while the rollout is held', () => {
    world.matchRoute = undefined;
    world.edit({ paused: true });
    world.settle();
    expect(world.matchRoute).toBeUndefined();
    world.edit({ paused: false });
    world.freezes = [{ fromMs: world.nowMs, toMs: world.nowMs + 60_000, reason: undefined }];
    world.settle();
    expect(world.matchRoute).toBeUndefined();
    world.advance(60_000);
    world.writeWeight('kubectl-edit', 10);
    world.settle();
    expect(world.status.reason).toBe('LoweredByHand');
    expect(world.matchRoute).toBeUndefined();
    world.command('promote');
    world.settle();
    expect(world.matchRoute).toBeDefined();
  });

  test('does not come with a split that was adopted, before somebody promotes', () => {
    const adopted = new World({ spec: { canary: matching, steps } });
    adopted.writeWeight('helm', 20);
    adopted.settle();
    expect(adopted.status.reason).toBe('Adopted');
    expect(adopted.matchRoute).toBeUndefined();
    adopted.command('promote');
    adopted.settle();
    expect(adopted.matchRoute).toBeDefined();
  });

  test('is written by nobody who does not know what a newer controller has begun', () => {
    world.matchRoute = undefined;
    world.setStatus({ schema: statusSchema + 1 });
    world.settle();
    expect(world.matchRoute).toBeUndefined();
  });
});

describe('the match route goes', () => {
  test.each([
    ['a Fail', () => void (world.verdict = 'Fail')],
    ['an abort', () => void world.command('abort')],
    ['the loss of the canary', () => void (world.endpoints.canary = 0)],
    ['a new revision', () => world.release('canary', 3, false)],
    ['the deletion of the Rollout', () => world.deleteRollout()],
  ])('with %s, in the write after that of the weights, before status says it', (_title, happen) => {
    happen();
    const stepped = world.step({ crashAfter: 1 });
    expect(stepped.decision.kind).toBe('Lower');
    expect([world.percent, world.matchRoute !== undefined, world.status.phase]).toEqual([0, true, 'Progressing']);
    world.settle();
    expect(world.matchRoute).toBeUndefined();
    expect(world.percent).toBe(0);
  });

  test('by the next decision after a crash between the weights and it, before anything is stored', () => {
    world.command('abort');
    world.step({ crashAfter: 1 });
    expect(kinds(world)[0]).toBe('Conceal');
    expect(world.matchRoute).toBeUndefined();
    expect(world.status.phase).toBe('Failed');
  });

  test('while a rollback waits for stable, which leaves the rest of the traffic to the canary', () => {
    world.endpoints.stable = 0;
    world.settle();
    expect(world.matchRoute).toBeDefined();
    world.command('abort');
    world.settle();
    expect(world.state).toBe('Degraded/StableUnavailable 100% route 100%');
    expect(world.matchRoute).toBeUndefined();
  });

  test('when nobody has an endpoint any more, before that is said', () => {
    Object.assign(world.endpoints, { stable: 0, canary: 0 });
    expect([world.step(), world.step()].map(({ decision }) => decision.kind)).toEqual(['Conceal', 'Wait']);
    expect(world.matchRoute).toBeUndefined();
  });

  test('but where it cannot be deleted nothing waits for that: not a stand-in for stable, not a command', () => {
    const subject = new World({ spec: { canary: { ...matching, middlewares: [{ name: 'mark' }] }, steps } });
    subject.middlewares = ['mark'];
    subject.settle();
    Object.assign(subject, { middlewares: [], isMatchRouteStuck: true });
    subject.endpoints.stable = 0;
    subject.command('promote');
    for (let round = 0; round < 6; round += 1) subject.step();
    expect(subject.matchRoute).toBeDefined();
    expect(subject.state).toBe('Degraded/StableUnavailable 100% route 100%');
    expect(subject.rollout?.metadata.annotations).toEqual({});
  });

  test('when a person takes the canary out of the route by hand', () => {
    world.writeWeight('kubectl-edit', 0);
    world.settle();
    expect(world.status.reason).toBe('LoweredByHand');
    expect(world.matchRoute).toBeUndefined();
  });

  test('with the IngressRoute', () => {
    world.deleteRoute();
    world.settle();
    expect(world.status.reason).toBe('RouteMissing');
    expect(world.matchRoute).toBeUndefined();
  });

  test('with a Middleware that it needs, and comes back with it', () => {
    const subject = new World({ spec: { canary: { ...matching, middlewares: [{ name: 'mark' }] }, steps } });
    subject.settle();
    expect(subject.status).toMatchObject({ phase: 'Pending', reason: 'MiddlewareNotFound' });
    subject.middlewares = ['mark'];
    subject.settle();
    expect(subject.matchRoute?.spec.routes?.[0]?.middlewares).toEqual([{ name: 'mark' }]);
    subject.middlewares = [];
    subject.settle();
    expect(subject.matchRoute).toBeUndefined();
    expect(subject.status.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'MiddlewareNotFound',
    });
    subject.middlewares = ['mark'];
    subject.settle();
    expect(subject.matchRoute).toBeDefined();
  });

  test('before the finalizer; but after 30 s in which it cannot be deleted, the finalizer goes too', () => {
    const left = world.matchRoute;
    world.deleteRollout();
    expect(kinds(world)).toEqual(['Lower', 'Release']);
    world = running();
    expect(left).toBeDefined();
    world.deleteRollout();
    world.isRouteForbidden = true;
    expect(world.step().decision.kind).toBe('Lower');
    world.advance(31_000);
    expect(world.step().decision.kind).toBe('Release');
    expect(world.rollout).toBeUndefined();
  });

  test('never, where it is not of this Rollout: then nothing starts', () => {
    const foreign = { metadata: { name: 'shop-canary-match', namespace: 'web', uid: 'x' }, spec: { routes: [] } };
    const subject = new World({ spec: { canary: matching, steps } });
    subject.matchRoute = foreign;
    subject.settle();
    expect(subject.matchRoute).toBe(foreign);
    expect(subject.status).toMatchObject({ phase: 'Pending', reason: 'MatchRouteConflict' });
    expect(subject.percent).toBe(0);
  });
});
