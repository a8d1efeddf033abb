import { describe, expect, it } from 'vitest';
import type { Route } from '../../../src/api/traefik.ts';
import { World } from '../../support/world.ts';

const named = 'Host(`shop.example`)';
const rule = (match: string): Route => ({ match, services: [{ name: 'shop-stable', port: 80 }] });
const admin = rule('Host(`admin.example`)');

/** inStep returns a world whose rollout names one of two rules, and has given the canary 20 % of it. */
function inStep(): World {
  const world = new World({
    routes: [rule(named), admin],
    spec: { route: { name: 'shop', match: named }, steps: [{ weight: 20, duration: '1m' }] },
  });
  world.settle();
  expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
  return world;
}

describe('a rollout on one rule', () => {
  it('takes no rule that was there before for that one, edited, when that one is deleted', () => {
    const world = inStep();
    world.writeRoutes('kubectl-edit', [admin]);
    world.run(3_600_000);
    expect(world.state).toBe('Degraded/ServiceNotInRoute 20% route 0%');
    expect(world.routes).toEqual([admin]);
  });

  it('nor one that was added before it was deleted', () => {
    const world = inStep();
    const added = rule('Host(`added.example`)');
    world.writeRoutes('kubectl-edit', [...world.routes, added]);
    world.settle();
    world.writeRoutes('kubectl-edit', [added]);
    world.run(3_600_000);
    expect(world.status.reason).toBe('ServiceNotInRoute');
    expect(world.routes).toEqual([added]);
  });

  it('goes on in the edited one, also beside others', () => {
    const world = inStep();
    const edited = 'Host(`shop.example`) && PathPrefix(`/api`)';
    world.writeRoutes(
      'kubectl-edit',
      world.routes.map((one) => (one.match === named ? { ...one, match: edited } : one)),
    );
    world.run(600_000);
    expect(world.status.reason).toBe('Holding');
    expect(world.routes.map(({ services = [] }) => services.map(({ name }) => name))).toEqual([
      ['shop-canary'],
      ['shop-stable'],
    ]);
  });

  it('knows the other rules of a route that was created again', () => {
    const world = inStep();
    const other = rule('Host(`other.example`)');
    world.recreateRoute([rule(named), other]);
    world.settle();
    expect(world.status.reason).toBe('RouteRecreated');
    world.writeRoutes('kubectl-edit', [other]);
    world.run(600_000);
    expect(world.status.reason).toBe('ServiceNotInRoute');
    expect(world.routes).toEqual([other]);
  });
});
