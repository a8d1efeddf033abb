import { describe, expect, it } from 'vitest';
import type { Route, RouteService } from '../../../src/api/traefik.ts';
import { adoptBaseline, extendBaseline, matchBaseline, takeBaseline } from '../../../src/traffic/baseline.ts';
import type { Pair } from '../../../src/traffic/split.ts';

const pair: Pair = {
  namespace: 'web',
  stable: { service: 's', ports: [80] },
  canary: { service: 'c', ports: [81], nativeLB: true },
};
const route = (match: string, ...services: readonly RouteService[]): Route => ({ match, services, priority: 5 });
const sibling: RouteService = { name: 'x', port: 80 };

describe('takeBaseline', () => {
  it('keeps the services of the routes that list either service, verbatim', () => {
    const stable = { name: 's', port: 80, sticky: { cookie: {} }, weight: 3 };
    const routes = [route('A', stable, sibling), route('B', sibling), route('C', { name: 'c', port: 81 })];
    expect(takeBaseline(routes, pair)).toEqual({
      routes: [
        { match: 'A', services: [stable, sibling] },
        { match: 'C', services: [{ name: 'c', port: 81 }] },
      ],
    });
  });
});

describe('adoptBaseline', () => {
  it.each<[string, readonly RouteService[], readonly RouteService[]]>([
    [
      'gives the pair’s total to stable',
      [{ weight: 80, name: 's', port: 80 }, sibling, { name: 'c', port: 81, weight: 20 }],
      [{ weight: 100, name: 's', port: 80 }, sibling],
    ],
    [
      'gives the canary’s weight to the first of two entries of stable',
      [
        { name: 's', port: 80 },
        { name: 'c', port: 81, weight: 4 },
        { name: 's', port: 80, weight: 2 },
      ],
      [
        { name: 's', port: 80, weight: 5 },
        { name: 's', port: 80, weight: 2 },
      ],
    ],
    [
      'makes stable’s entry after the canary’s where there is none',
      [sibling, { name: 'c', kind: 'Service', port: 81, scheme: 'h2c', nativeLB: true, weight: 100 }],
      [sibling, { name: 's', kind: 'Service', port: 80, scheme: 'h2c', weight: 100 }],
    ],
    ['writes no weight where the canary had none', [{ name: 'c', port: 81 }], [{ name: 's', port: 80 }]],
    [
      'makes one entry of stable from two of the canary',
      [{ name: 'c', port: 81 }, sibling, { name: 'c', port: 81, weight: 2 }],
      [{ name: 's', port: 80, weight: 3 }, sibling],
    ],
    [
      'keeps a route that gives the canary nothing',
      [
        { name: 's', port: 80 },
        { name: 'c', port: 81, weight: 0 },
      ],
      [
        { name: 's', port: 80 },
        { name: 'c', port: 81, weight: 0 },
      ],
    ],
  ])('%s', (_name, services, expected) => {
    const [adopted] = adoptBaseline([route('A', ...services)], pair).routes;
    expect(JSON.stringify(adopted?.services)).toBe(JSON.stringify(expected));
  });
});

describe('matchBaseline', () => {
  const stable = { name: 's', port: 80 };
  const before = takeBaseline([route('A', stable), route('B', stable)], pair);

  it('finds a route by its rule, wherever it moved', () => {
    const { byIndex, unmatched } = matchBaseline([route('B', stable), route('A', stable)], pair, before);
    expect([...byIndex].map(([index, { match }]) => [index, match])).toEqual([
      [0, 'B'],
      [1, 'A'],
    ]);
    expect(unmatched).toEqual([]);
  });

  it('takes the only route and the only baseline left over for one route with an edited rule', () => {
    const { byIndex, added, unmatched } = matchBaseline([route('A', stable), route('B2', stable)], pair, before);
    expect(byIndex.get(1)?.match).toBe('B');
    expect([added, unmatched]).toEqual([[], []]);
  });

  it('guesses nothing where two rules were edited', () => {
    const { added, unmatched } = matchBaseline([route('A2', stable), route('B2', stable)], pair, before);
    expect(added.map(({ match }) => match)).toEqual(['A2', 'B2']);
    expect(unmatched).toEqual(['A', 'B']);
  });

  it('reports a rule whose route now lists neither service', () => {
    const { byIndex, unmatched } = matchBaseline([route('A', stable), route('B', sibling)], pair, before);
    expect([...byIndex.keys()]).toEqual([0]);
    expect(unmatched).toEqual(['B']);
  });

  it('keeps two routes with the same rule apart by their order', () => {
    const twins = takeBaseline([route('A', stable), route('A', stable, sibling)], pair);
    const { byIndex } = matchBaseline([route('A', stable), route('A', stable, sibling)], pair, twins);
    expect([...byIndex.values()].map(({ services }) => services.length)).toEqual([1, 2]);
  });
});

describe('extendBaseline', () => {
  const stable = { name: 's', port: 80 };

  it('returns the same object where no route is new', () => {
    const before = takeBaseline([route('A', stable)], pair);
    expect(extendBaseline([route('A', stable)], pair, before)).toBe(before);
  });

  it('adds a route that came to list the pair', () => {
    const before = takeBaseline([route('A', stable)], pair);
    expect(extendBaseline([route('A', stable), route('B', stable)], pair, before).routes).toEqual([
      { match: 'A', services: [stable] },
      { match: 'B', services: [stable] },
    ]);
  });
});
