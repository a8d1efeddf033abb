import { describe, expect, it } from 'vitest';
import type { RouteService } from '../../../src/api/traefik.ts';
import { isMember, readSplit, roleOf, type Pair } from '../../../src/traffic/split.ts';

const pair: Pair = {
  namespace: 'web',
  stable: { service: 'shop-stable', ports: [80, 'http'] },
  canary: { service: 'shop-canary', ports: [80, 'http'] },
};
const stable = (weight?: number): RouteService => ({
  name: 'shop-stable',
  port: 80,
  ...(weight === undefined ? {} : { weight }),
});
const canary = (weight?: number): RouteService => ({
  name: 'shop-canary',
  port: 80,
  ...(weight === undefined ? {} : { weight }),
});
const sibling: RouteService = { name: 'legacy', port: 80, weight: 7 };
const route = (...services: readonly RouteService[]) => ({ match: 'Host(`a`)', services });

describe('isMember', () => {
  it.each([
    ['takes the first spelling of the port', { name: 'shop-stable', port: 80 }, true],
    ['takes another spelling of the port', { name: 'shop-stable', port: 'http' }, true],
    ['takes kind Service', { name: 'shop-stable', kind: 'Service', port: 80 }, true],
    ['takes an empty kind', { name: 'shop-stable', kind: '', port: 80 }, true],
    ['takes the namespace written out', { name: 'shop-stable', namespace: 'web', port: 80 }, true],
    ['takes an empty namespace', { name: 'shop-stable', namespace: '', port: 80 }, true],
    ['refuses another name', { name: 'shop', port: 80 }, false],
    ['refuses another namespace', { name: 'shop-stable', namespace: 'other', port: 80 }, false],
    ['refuses another port', { name: 'shop-stable', port: 8080 }, false],
    ['refuses a number written as a string', { name: 'shop-stable', port: '80' }, false],
    ['refuses a missing port', { name: 'shop-stable' }, false],
    ['refuses a TraefikService', { name: 'shop-stable', kind: 'TraefikService', port: 80 }, false],
    ['refuses an unknown kind', { name: 'shop-stable', kind: 'Other', port: 80 }, false],
  ])('%s', (_name, entry, expected) => {
    expect(isMember(entry, pair.stable, 'web')).toBe(expected);
  });

  it('takes any port where the member lists none', () => {
    expect(isMember({ name: 'shop-stable', port: 9 }, { service: 'shop-stable', ports: [] }, 'web')).toBe(true);
    expect(isMember({ name: 'shop-stable' }, { service: 'shop-stable', ports: [] }, 'web')).toBe(true);
  });
});

describe('roleOf', () => {
  it('tells the sides of one Service apart by port, and the side with ports wins over the one without', () => {
    const ports: Pair = {
      namespace: 'web',
      stable: { service: 'shop', ports: [] },
      canary: { service: 'shop', ports: [81] },
    };
    expect(roleOf({ name: 'shop', port: 81 }, ports)).toBe('canary');
    expect(roleOf({ name: 'shop', port: 80 }, ports)).toBe('stable');
    expect(roleOf({ name: 'other', port: 80 }, ports)).toBeUndefined();
  });
});

describe('readSplit', () => {
  it.each([
    ['is 0 where only stable is listed', [stable(3)], { stableWeight: 3, canaryPercent: 0 }],
    ['is 100 where only the canary is listed', [canary(3)], { canaryWeight: 3, canaryPercent: 100 }],
    ['counts a missing weight as 1', [stable(3), canary()], { stableWeight: 3, canaryWeight: 1, canaryPercent: 25 }],
    ['leaves siblings out', [sibling, stable(1), canary(1)], { stableWeight: 1, canaryWeight: 1, canaryPercent: 50 }],
    [
      'adds up a Service listed twice',
      [stable(1), canary(1), { name: 'shop-stable', port: 'http' }],
      { stableWeight: 2, canaryWeight: 1, canaryPercent: 100 / 3 },
    ],
    [
      'is 0 where the canary is listed at weight 0',
      [stable(5), canary(0)],
      { stableWeight: 5, canaryWeight: 0, canaryPercent: 0 },
    ],
    [
      'is 0 where both are listed at weight 0',
      [stable(0), canary(0)],
      { stableWeight: 0, canaryWeight: 0, canaryPercent: 0 },
    ],
    [
      'is 100 for the only entry of a route even at weight 0, which Traefik ignores there',
      [canary(0)],
      { canaryWeight: 1, canaryPercent: 100 },
    ],
  ])('%s', (_name, services, expected) => {
    expect(readSplit([route(...services)], pair).routes).toEqual([{ index: 0, match: 'Host(`a`)', ...expected }]);
  });

  it('reads the routes that list either service, at their own index, and reports the highest share', () => {
    const split = readSplit(
      [route(sibling), route(stable(9), canary(1)), { match: 'Host(`b`)' }, route(stable())],
      pair,
    );
    expect(split.routes.map(({ index, canaryPercent }) => [index, canaryPercent])).toEqual([
      [1, 10],
      [3, 0],
    ]);
    expect(split).toMatchObject({ canaryPercent: 10, stableListed: true, canaryListed: true });
  });

  it('reads only the given rules where there are some', () => {
    const routes = [route(stable(1), canary(1)), { match: 'Host(`b`)', services: [stable()] }];
    expect(readSplit(routes, { ...pair, rules: ['Host(`b`)'] })).toMatchObject({
      canaryPercent: 0,
      canaryListed: false,
    });
  });

  it('is empty where no route lists the pair', () => {
    expect(readSplit([route(sibling)], pair)).toEqual({
      routes: [],
      canaryPercent: 0,
      stableListed: false,
      canaryListed: false,
    });
  });
});
