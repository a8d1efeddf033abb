import { describe, expect, it } from 'vitest';
import type { Route, RouteService } from '../../../src/api/traefik.ts';
import { takeBaseline } from '../../../src/traffic/baseline.ts';
import { mergeRoutes, type MergeResult, type Ready, type Target } from '../../../src/traffic/merge.ts';
import type { Pair } from '../../../src/traffic/split.ts';

const pair: Pair = {
  namespace: 'web',
  stable: { service: 's', ports: [80, 'http'] },
  canary: { service: 'c', ports: [80, 'http'] },
};
type Services = readonly RouteService[];
const all = { stable: true, canary: true };
const split = (canaryPercent: number): Target => ({ kind: 'Split', canaryPercent });
const back: Target = { kind: 'Baseline' };
const s = (weight?: number): RouteService => ({ name: 's', port: 80, ...(weight === undefined ? {} : { weight }) });
const c = (weight?: number): RouteService => ({ name: 'c', port: 80, ...(weight === undefined ? {} : { weight }) });
const x = (weight?: number): RouteService => ({ name: 'x', port: 80, ...(weight === undefined ? {} : { weight }) });
const rule = (services: Services, match = 'A'): Route => ({ match, kind: 'Rule', services, priority: 3 });

/** merge merges `target` into `current`, whose baseline is `base`. */
function merge(
  base: Services,
  current: Services,
  target: Target,
  { ready = all, members = pair }: { readonly ready?: Ready; readonly members?: Pair } = {},
): MergeResult {
  return mergeRoutes([rule(current)], target, { pair: members, baseline: takeBaseline([rule(base)], members), ready });
}

function services(result: MergeResult): Services | undefined {
  return result.routes[0]?.services;
}

describe('mergeRoutes to a split', () => {
  it.each<[string, Services, number, Services]>([
    ['scales a pair without weights up to 100', [s()], 5, [s(95), c(5)]],
    ['keeps a total that is divisible by 100', [s(100)], 5, [s(95), c(5)]],
    ['scales no more than an integer needs', [s(150)], 1, [s(297), c(3)]],
    [
      'scales siblings with the pair',
      [x(), s(), { ...x(3), port: 81 }],
      25,
      [x(100), s(75), c(25), { ...x(300), port: 81 }],
    ],
    ['adds no weight to siblings that need no scaling', [x(), s(100)], 25, [x(), s(75), c(25)]],
    ['keeps a sibling at weight 0 there', [x(0), s()], 25, [x(0), s(75), c(25)]],
    ['takes stable’s entry out at 100', [x(), s()], 100, [x(100), c(100)]],
    ['counts a canary listed at weight 0 as nothing', [c(0), s(100)], 5, [c(5), s(95)]],
    ['counts the canary’s weight to the pair', [c(10), s(90)], 5, [c(5), s(95)]],
    ['writes a Service listed twice on its first entry', [s(1), x(), s(3)], 50, [s(50), c(50), x(25)]],
    ['takes the only entry for all traffic even at weight 0', [s(0)], 5, [s(95), c(5)]],
    ['leaves a route alone that gives the pair nothing', [s(0), x()], 5, [s(0), x()]],
    ['adds stable where only the canary was listed', [x(), c()], 25, [x(100), c(25), s(75)]],
  ])('%s', (_name, base, percent, expected) => {
    const result = merge(base, base, split(percent));
    expect(JSON.stringify(services(result))).toBe(JSON.stringify(expected));
    expect(result).toMatchObject({ complete: true, unmatched: [] });
  });

  it.each<[string, Ready, number, { services: Services; complete: boolean }]>([
    [
      'leaves the canary out while it has no endpoints',
      { stable: true, canary: false },
      25,
      { services: [x(100), s(100)], complete: false },
    ],
    [
      'keeps stable at 100 while the canary has no endpoints',
      { stable: true, canary: false },
      100,
      { services: [x(100), s(100)], complete: false },
    ],
    [
      'leaves stable out while it has no endpoints',
      { stable: false, canary: true },
      25,
      { services: [x(100), c(100)], complete: false },
    ],
    [
      'does not need stable at 100',
      { stable: false, canary: true },
      100,
      { services: [x(100), c(100)], complete: true },
    ],
    [
      'changes nothing while neither has endpoints',
      { stable: false, canary: false },
      25,
      { services: [x(), s()], complete: false },
    ],
  ])('%s', (_name, ready, percent, expected) => {
    const result = merge([x(), s()], [x(), s()], split(percent), { ready });
    expect({ services: services(result), complete: result.complete }).toEqual(expected);
  });

  it('puts a re-added stable entry where it was, in front of the canary', () => {
    expect(services(merge([x(), s(), x()], [x(100), c(100), x(100)], split(5)))).toEqual([x(100), s(95), c(5), x(100)]);
    expect(services(merge([s(), x()], [c(100), x(100)], split(5)))).toEqual([s(95), c(5), x(100)]);
  });

  it('reaches a new canary entry as stable is reached', () => {
    const stable: RouteService = {
      name: 's',
      kind: 'Service',
      namespace: 'web',
      port: 'http',
      scheme: 'https',
      serversTransport: 'internal',
      passHostHeader: false,
      responseForwarding: { flushInterval: '1ms' },
      strategy: 'p2c',
      sticky: { cookie: { name: 'pod' } },
      middlewares: [{ name: 'auth' }],
      passiveHealthCheck: { maxFailedAttempts: 3 },
      healthCheck: { path: '/' },
      nodePortLB: true,
      weight: 100,
    };
    const { healthCheck: _check, nodePortLB: _node, namespace: _namespace, ...reached } = stable;
    const result = services(
      merge([stable], [stable], split(5), { members: { ...pair, canary: { ...pair.canary, nativeLB: true } } }),
    );
    expect(result?.[0]).toEqual({ ...stable, weight: 95 });
    expect(result?.[1]).toEqual({ ...reached, name: 'c', port: 80, weight: 5, nativeLB: true });
  });

  it('writes stable’s port to a canary whose port is not known', () => {
    const members: Pair = { ...pair, canary: { service: 'c', ports: [] } };
    expect(services(merge([s()], [s()], split(5), { members }))?.[1]).toEqual(c(5));
  });

  it('leaves a sibling’s weight alone that somebody changed meanwhile', () => {
    expect(services(merge([x(), s()], [x(7), s(95), c(5)], split(10)))).toEqual([x(7), s(90), c(10)]);
  });

  it('scales the siblings again that a GitOps tool has put back', () => {
    expect(services(merge([x(), s()], [x(), s()], split(10)))).toEqual([x(100), s(90), c(10)]);
  });
});

describe('mergeRoutes back to the baseline', () => {
  it.each<[string, Services, Services, Services]>([
    ['takes the canary and the weights out', [x(), s()], [x(100), s(75), c(25)], [x(), s()]],
    ['puts stable’s entry back', [x(), s(3), x(2)], [x(100), c(300), x(200)], [x(), s(3), x(2)]],
    ['puts a second entry of the Service back', [s(1), x(), s(3)], [s(50), c(50), x(25)], [s(1), x(), s(3)]],
    ['puts a canary at weight 0 back', [c(0), s(100)], [s(100)], [c(0), s(100)]],
    ['leaves an edited sibling alone', [x(), s()], [x(7), s(75), c(25)], [x(7), s()]],
    ['leaves a new sibling alone', [s()], [s(75), c(25), x(9)], [s(), x(9)]],
    ['does not bring a removed sibling back', [x(), s()], [s(75), c(25)], [s()]],
    ['takes stable out where only the canary was listed', [x(), c()], [x(100), s(75), c(25)], [x(), c()]],
  ])('%s', (_name, base, current, expected) => {
    const result = merge(base, current, back);
    expect(JSON.stringify(services(result))).toBe(JSON.stringify(expected));
    expect(result.complete).toBe(true);
  });

  it.each<[string, Ready, { base: Services; current: Services }, { services: Services; complete: boolean }]>([
    [
      'leaves the traffic with the canary while stable has no endpoints',
      { stable: false, canary: true },
      { base: [x(), s()], current: [x(100), c(100)] },
      { services: [x(100), c(100)], complete: false },
    ],
    [
      'raises nothing while stable has no endpoints but is listed',
      { stable: false, canary: true },
      { base: [s()], current: [s(75), c(25)] },
      { services: [s(75), c(25)], complete: false },
    ],
    [
      'changes nothing while neither has endpoints',
      { stable: false, canary: false },
      { base: [s()], current: [s(75), c(25)] },
      { services: [s(75), c(25)], complete: false },
    ],
    [
      'has nothing left to do where all is as before',
      { stable: false, canary: false },
      { base: [s()], current: [s()] },
      { services: [s()], complete: true },
    ],
    [
      'withholds a canary of the baseline without endpoints and leaves its part to stable',
      { stable: true, canary: false },
      { base: [x(), s(90), c(10)], current: [x(), s(50), c(50)] },
      { services: [x(), s(100)], complete: false },
    ],
    [
      'withholds a canary at weight 0 without endpoints',
      { stable: true, canary: false },
      { base: [s(), c(0)], current: [s(75), c(25)] },
      { services: [s()], complete: false },
    ],
    [
      'takes the canary out without asking for its endpoints',
      { stable: true, canary: false },
      { base: [s()], current: [s(75), c(25)] },
      { services: [s()], complete: true },
    ],
  ])('%s', (_name, ready, { base, current }, expected) => {
    const result = merge(base, current, back, { ready });
    expect({ services: services(result), complete: result.complete }).toEqual(expected);
  });

  it('keeps what somebody edited in the entries meanwhile', () => {
    const edited = [{ ...s(75), port: 'http', scheme: 'h2c' }, c(25)];
    expect(services(merge([s()], edited, back))).toEqual([{ name: 's', port: 'http', scheme: 'h2c' }]);
  });
});

describe('mergeRoutes with more than one route', () => {
  it('returns routes without a change as the same objects', () => {
    const routes = [rule([x()], 'A'), rule([s()], 'B')];
    const result = mergeRoutes(routes, split(5), { pair, baseline: takeBaseline(routes, pair), ready: all });
    expect(result.routes[0]).toBe(routes[0]);
    expect(result.routes[1]).toEqual({ ...routes[1], services: [s(95), c(5)] });
  });

  it('touches only the given rules where there are some', () => {
    const routes = [rule([c()], 'preview'), rule([s()], 'shop')];
    const scoped = { ...pair, rules: ['shop'] };
    const result = mergeRoutes(routes, split(5), { pair: scoped, baseline: takeBaseline(routes, scoped), ready: all });
    expect(result.routes.map((route) => route.services)).toEqual([[c()], [s(95), c(5)]]);
  });

  it('follows a rule that was edited', () => {
    const baseline = takeBaseline([rule([s()], 'A'), rule([s(4)], 'B')], pair);
    const now = [rule([s(95), c(5)], 'A'), rule([s(380), c(20)], 'B edited')];
    const result = mergeRoutes(now, back, { pair, baseline, ready: all });
    expect(result.routes.map((route) => route.services)).toEqual([[s()], [s(4)]]);
    expect(result.unmatched).toEqual([]);
  });

  it('takes a route that came to list the pair as it is now, and does not scale it up again and again', () => {
    const context = { pair, baseline: takeBaseline([rule([s()], 'A')], pair), ready: all };
    const first = mergeRoutes([rule([s(95), c(5)], 'A'), rule([s(), x()], 'new')], split(5), context);
    expect(first.routes[1]?.services).toEqual([s(95), c(5), x(100)]);
    expect(mergeRoutes(first.routes, split(5), context).routes).toEqual(first.routes);
    expect(mergeRoutes(first.routes, back, context).routes[1]?.services).toEqual([s(100), x(100)]);
  });

  it('leaves a route alone whose services somebody replaced, and names its rule', () => {
    const baseline = takeBaseline([rule([s()], 'A'), rule([s()], 'B')], pair);
    const now = [rule([s(95), c(5)], 'A'), rule([{ name: 'maintenance', port: 80 }], 'B')];
    const result = mergeRoutes(now, back, { pair, baseline, ready: all });
    expect(result.routes[1]).toBe(now[1]);
    expect(result.unmatched).toEqual(['B']);
  });
});
