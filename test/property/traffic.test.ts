import jsonPatch, { deepClone } from 'fast-json-patch';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resources } from '../../src/api/kubernetes.ts';
import type { JsonPatchOperation } from '../../src/api/object-store.ts';
import type { Route, RouteService } from '../../src/api/traefik.ts';
import { adoptBaseline, takeBaseline, type Baseline } from '../../src/traffic/baseline.ts';
import { mergeRoutes, type Ready, type Target } from '../../src/traffic/merge.ts';
import { buildPatch } from '../../src/traffic/patch.ts';
import { asRoute, type RouteResource, type RouteSource } from '../../src/traffic/route-object.ts';
import { listsPair, pairWeight, readSplit, roleOf, type Pair } from '../../src/traffic/split.ts';

const pair: Pair = {
  namespace: 'web',
  stable: { service: 'shop-stable', ports: [80, 'http'] },
  canary: { service: 'shop-canary', ports: [80, 'http'], nativeLB: true },
};
const bothReady: Ready = { stable: true, canary: true };
const back: Target = { kind: 'Baseline' };

const fields = fc.record(
  {
    scheme: fc.constantFrom('http', 'https', 'h2c'),
    sticky: fc.record({ cookie: fc.record({ name: fc.string({ maxLength: 4 }), secure: fc.boolean() }) }),
    // Through JSON, which has no -0.
    'x~y/z': fc.jsonValue({ maxDepth: 1 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown),
    passHostHeader: fc.boolean(),
    strategy: fc.constantFrom('wrr', 'p2c'),
    middlewares: fc.array(fc.record({ name: fc.constantFrom('auth', 'gzip') }), { minLength: 1, maxLength: 2 }),
  },
  { requiredKeys: [] },
);
const weights = fc.oneof(
  { weight: 1, arbitrary: fc.constant(undefined) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 250 }) },
);

/** entryOf makes entries with their weight, if any, in any place among the keys. */
function entryOf(names: fc.Arbitrary<string>): fc.Arbitrary<RouteService> {
  const parts = fc.record({
    name: names,
    port: fc.constantFrom(80, 'http'),
    weight: weights,
    kind: fc.constantFrom(undefined, 'Service'),
    namespace: fc.constantFrom(undefined, 'web'),
    fields,
    order: fc.array(fc.nat(9), { minLength: 8, maxLength: 8 }),
  });
  return parts.map(({ fields, order, ...entry }) => {
    const written = Object.entries({ ...entry, ...fields }).filter(([, value]) => value !== undefined);
    const shuffled = written.map((field, index) => ({ field, key: order[index % order.length] ?? 0 }));
    return Object.fromEntries(
      shuffled.toSorted((a, b) => a.key - b.key).map(({ field }) => field),
    ) as unknown as RouteService;
  });
}

const siblings = fc.array(entryOf(fc.constantFrom('legacy', 'shop', 'beta')), { maxLength: 3 });
const stables = fc.array(entryOf(fc.constant('shop-stable')), { minLength: 1, maxLength: 2 });
const canaries = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 1, arbitrary: fc.array(entryOf(fc.constant('shop-canary')), { minLength: 1, maxLength: 2 }) },
);
const withPair = fc
  .tuple(siblings, stables, canaries)
  .chain(([a, b, c]) => fc.shuffledSubarray([...a, ...b, ...c], { minLength: a.length + b.length + c.length }));
const canaryOnly = fc
  .tuple(siblings, entryOf(fc.constant('shop-canary')))
  .chain(([a, c]) => fc.shuffledSubarray([...a, c], { minLength: a.length + 1 }));
const services = fc.oneof(
  { weight: 6, arbitrary: withPair },
  { weight: 1, arbitrary: canaryOnly },
  { weight: 1, arbitrary: siblings },
);

/** routesArb makes objects of one to three rules, some of which do not list the pair. */
const routesArb: fc.Arbitrary<readonly Route[]> = fc
  .array(fc.record({ priority: fc.nat(9), services, kind: fc.constant('Rule') }), { minLength: 1, maxLength: 3 })
  .map((routes) => routes.map((route, index) => ({ match: `Host(\`${index}\`)`, ...route })));
const percents = fc.oneof(
  { weight: 1, arbitrary: fc.constant(100) },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 100 }) },
);
const readyArb: fc.Arbitrary<Ready> = fc.record({ stable: fc.boolean(), canary: fc.boolean() });
const targets: fc.Arbitrary<Target> = fc.oneof(
  { weight: 3, arbitrary: percents.map((canaryPercent) => ({ kind: 'Split' as const, canaryPercent })) },
  { weight: 1, arbitrary: fc.constant(back) },
);

interface Step {
  readonly target: Target;
  readonly ready: Ready;
}
const steps = fc.array(fc.record({ target: targets, ready: readyArb }), { maxLength: 4 });

function splitTo(canaryPercent: number): Target {
  return { kind: 'Split', canaryPercent };
}

function merge(current: readonly Route[], baseline: Baseline, { target, ready }: Step): readonly Route[] {
  return mergeRoutes(current, target, { pair, baseline, ready }).routes;
}

/** play merges one step after the other, as a rollout with endpoints that come and go does. */
function play(routes: readonly Route[], played: readonly Step[]): readonly Route[] {
  const baseline = takeBaseline(routes, pair);
  return played.reduce((current, step) => merge(current, baseline, step), routes);
}

function written(value: unknown): string {
  return JSON.stringify(value);
}

function weightless({ weight: _weight, ...rest }: RouteService): object {
  return rest;
}

function siblingsOf(route: Route): readonly RouteService[] {
  return (route.services ?? []).filter((entry) => roleOf(entry, pair) === undefined);
}

/** others is all of `routes` that a merge must not touch. */
function others(routes: readonly Route[]): string {
  return written(
    routes.map((route) => {
      if (!listsPair(route, pair)) return route;
      const { services: _services, ...rest } = route;
      return [Object.keys(route), rest, siblingsOf(route).map(weightless)];
    }),
  );
}

const runs = { numRuns: 300 };

describe('mergeRoutes', () => {
  it('gives the byte-equal original back after any steps', () => {
    fc.assert(
      fc.property(routesArb, steps, (routes, played) => {
        const result = play(routes, [...played, { target: back, ready: bothReady }]);
        expect(written(result)).toBe(written(routes));
      }),
      runs,
    );
  });

  it('leaves everything but the pair and the weights of siblings byte-equal', () => {
    fc.assert(
      fc.property(routesArb, steps, (routes, played) => {
        expect(others(play(routes, played))).toBe(others(routes));
      }),
      runs,
    );
  });

  it('changes nothing about an entry of the pair that stays listed but its weight', () => {
    fc.assert(
      fc.property(routesArb, percents, (routes, percent) => {
        const result = play(routes, [{ target: splitTo(percent), ready: bothReady }]);
        for (const [index, route] of result.entries()) {
          const before = (routes[index]?.services ?? []).map((entry) => written(weightless(entry)));
          const kept = (route.services ?? []).filter((entry) => roleOf(entry, pair) === 'stable');
          const hadStable = (routes[index]?.services ?? []).some((entry) => roleOf(entry, pair) === 'stable');
          if (hadStable) for (const entry of kept) expect(before).toContain(written(weightless(entry)));
        }
      }),
      runs,
    );
  });

  it('gives the canary its part of the pair, never more, and leaves the siblings exactly theirs', () => {
    fc.assert(
      fc.property(routesArb, percents, (routes, percent) => {
        const result = play(routes, [{ target: splitTo(percent), ready: bothReady }]);
        for (const [index, route] of result.entries()) expectShares(routes[index] ?? route, route, percent);
      }),
      runs,
    );
  });

  it('lists no entry of the pair at weight 0 or without ready endpoints in a split', () => {
    fc.assert(
      fc.property(routesArb, steps, percents, readyArb, (routes, played, percent, ready) => {
        fc.pre(ready.stable || ready.canary);
        const result = play(routes, [...played, { target: splitTo(percent), ready }]);
        for (const [index, route] of result.entries()) {
          const services = route.services ?? [];
          // A route that gives the pair nothing has nothing to split and stays the user's.
          if (pairWeight(routes[index]?.services ?? [], pair) === 0) continue;
          for (const entry of services) {
            const role = roleOf(entry, pair);
            expect(role === undefined || (ready[role] && entry.weight !== 0 && entry.weight !== undefined)).toBe(true);
          }
          expect(services.length).toBeGreaterThan(0);
        }
      }),
      runs,
    );
  });

  it('lists no entry of the pair without ready endpoints when it goes back, unless it changes nothing', () => {
    fc.assert(
      fc.property(routesArb, steps, readyArb, (routes, played, ready) => {
        const current = play(routes, played);
        const result = merge(current, takeBaseline(routes, pair), { target: back, ready });
        for (const [index, route] of result.entries()) {
          if (route === current[index]) continue;
          for (const entry of route.services ?? []) {
            const role = roleOf(entry, pair);
            expect(role === undefined || ready[role]).toBe(true);
          }
          expect(route.services?.length).toBeGreaterThan(0);
        }
      }),
      runs,
    );
  });

  it('never raises the canary on the way back to a baseline that gives it nothing', () => {
    fc.assert(
      fc.property(routesArb, steps, readyArb, (routes, played, ready) => {
        const baseline = adoptBaseline(routes, pair);
        const current = played.reduce((now, step) => merge(now, baseline, step), routes);
        const result = merge(current, baseline, { target: back, ready });
        const before = readSplit(current, pair).routes;
        for (const { index, canaryPercent } of readSplit(result, pair).routes) {
          const previous = before.find((share) => share.index === index)?.canaryPercent ?? 0;
          expect(canaryPercent).toBeLessThanOrEqual(previous);
        }
      }),
      runs,
    );
  });

  it('changes nothing when its result is merged again', () => {
    fc.assert(
      fc.property(routesArb, steps, targets, readyArb, (routes, played, target, ready) => {
        const baseline = takeBaseline(routes, pair);
        const once = merge(play(routes, played), baseline, { target, ready });
        expect(written(merge(once, baseline, { target, ready }))).toBe(written(once));
      }),
      runs,
    );
  });

  it('changes nothing when its result is merged again without a baseline', () => {
    fc.assert(
      fc.property(routesArb, targets, readyArb, (routes, target, ready) => {
        const once = merge(routes, { routes: [] }, { target, ready });
        expect(written(merge(once, { routes: [] }, { target, ready }))).toBe(written(once));
      }),
      runs,
    );
  });

  it('ends any chain of splits as the last one alone', () => {
    fc.assert(
      fc.property(routesArb, steps, percents, (routes, played, percent) => {
        const last = { target: splitTo(percent), ready: bothReady };
        expect(written(play(routes, [...played, last]))).toBe(written(play(routes, [last])));
      }),
      runs,
    );
  });

  it('keeps what users write into entries and routes meanwhile', () => {
    fc.assert(
      fc.property(routesArb, steps, targets, fc.nat(), (routes, played, target, seed) => {
        const baseline = takeBaseline(routes, pair);
        const edited = play(routes, played).map((route) => ({
          ...route,
          services: (route.services ?? []).map((entry, place) => ({
            ...entry,
            passHostHeader: false,
            note: seed + place,
          })),
          observability: { metrics: seed % 2 === 0 },
        }));
        const result = merge(edited, baseline, { target, ready: bothReady });
        for (const [index, route] of result.entries()) {
          expect(route.observability).toEqual({ metrics: seed % 2 === 0 });
          expectEditsKept(edited[index]?.services ?? [], route.services ?? []);
        }
      }),
      runs,
    );
  });

  it('is complete exactly where it is what it would be with all endpoints ready', () => {
    fc.assert(
      fc.property(routesArb, steps, targets, readyArb, (routes, played, target, ready) => {
        const current = play(routes, played);
        const baseline = takeBaseline(routes, pair);
        const { routes: result, complete } = mergeRoutes(current, target, { pair, baseline, ready });
        expect(complete).toBe(written(result) === written(merge(current, baseline, { target, ready: bothReady })));
      }),
      runs,
    );
  });
});

/** expectShares compares the shares of a route as fractions of integers. */
function expectShares(before: Route, after: Route, percent: number): void {
  const total = pairWeight(before.services ?? [], pair);
  if (total === 0) return;
  const [share] = readSplit([after], pair).routes;
  const canary = share?.canaryWeight ?? 0;
  const sum = canary + (share?.stableWeight ?? 0);
  expect(Number.isSafeInteger(canary) && Number.isSafeInteger(sum)).toBe(true);
  // Beside siblings a weight of 100 and more is fine enough: theirs are left alone, and the canary gets the integer below.
  const isLeftAlone = total >= 100 && siblingsOf(before).length > 0;
  expect(isLeftAlone ? Math.floor((sum * percent) / 100) : (sum * percent) / 100).toBe(canary);
  if (isLeftAlone) expect(sum).toBe(total);
  expectSiblingShares(before, after, { total, sum });
}

function expectSiblingShares(before: Route, after: Route, { total, sum }: { total: number; sum: number }): void {
  for (const [place, sibling] of siblingsOf(after).entries()) {
    const own = siblingsOf(before)[place];
    expect((sibling.weight ?? 1) * total).toBe((own?.weight ?? 1) * sum);
  }
}

/** expectEditsKept finds every edited entry that is still listed; entries made anew carry no note. */
function expectEditsKept(edited: readonly RouteService[], result: readonly RouteService[]): void {
  const siblingCount = (services: readonly RouteService[]) =>
    services.filter((entry) => roleOf(entry, pair) === undefined).length;
  expect(siblingCount(result)).toBe(siblingCount(edited));
  for (const role of ['stable', 'canary'] as const) {
    const now = result.filter((entry) => roleOf(entry, pair) === role);
    const had = edited.filter((entry) => roleOf(entry, pair) === role);
    const kept = now.filter((entry) => 'note' in entry);
    expect(kept.length).toBe(Math.min(now.length, had.length));
  }
  for (const entry of result.filter((one) => 'note' in one)) {
    const own = edited.find((one) => one['note'] === entry['note']);
    expect(written(weightless(entry))).toBe(written(own === undefined ? undefined : weightless(own)));
  }
}

/** PatchedKind is a kind of object in which the routes stand. */
interface PatchedKind {
  readonly resource: RouteResource;
  readonly routes: fc.Arbitrary<readonly Route[]>;
  readonly object: (routes: readonly Route[]) => RouteSource;
  readonly changed: RegExp;
}

const metadata = { name: 'shop', namespace: 'web', resourceVersion: '7', annotations: { 'a/b~c': 'd' } };
const sticky = { cookie: { name: 'shop', httpOnly: true } };

const patchedKinds: readonly PatchedKind[] = [
  {
    resource: resources.ingressRoutes,
    routes: routesArb,
    object: (routes) => ({ metadata, spec: { entryPoints: ['web'], routes, tls: {} } }),
    changed: /^\/spec\/routes\/\d+\/services\/\d+(\/weight)?$/,
  },
  {
    resource: resources.traefikServices,
    routes: services.map((services) => [{ match: '', services }]),
    object: ([route]) => ({ metadata, spec: { weighted: { sticky, services: route?.services ?? [] } } }),
    changed: /^\/spec\/weighted\/services\/\d+(\/weight)?$/,
  },
];

describe.each(patchedKinds)('buildPatch of $resource.kind', ({ resource, routes: routesOfKind, object, changed }) => {
  const applied = (source: RouteSource, patch: readonly JsonPatchOperation[]): RouteSource =>
    jsonPatch.applyPatch(deepClone(source) as RouteSource, deepClone(patch) as JsonPatchOperation[], true).newDocument;

  it('gives exactly the merged routes, and is empty exactly where nothing differs', () => {
    const insistences = fc.constantFrom('Version' as const, 'Entries' as const, 'Names' as const);
    fc.assert(
      fc.property(routesOfKind, steps, steps, insistences, (routes, a, b, insistence) => {
        const current = play(routes, a);
        const desired = play(routes, [...a, ...b]);
        const patch = buildPatch(asRoute(resource, object(current)), desired, insistence);
        expect(applied(object(current), patch)).toEqual(object(desired));
        expect(patch.length === 0).toBe(written(current) === written(desired));
      }),
      runs,
    );
  });

  it('gives the byte-equal original back after any steps, each of them patched', () => {
    fc.assert(
      fc.property(routesOfKind, steps, (routes, played) => {
        const baseline = takeBaseline(routes, pair);
        const ended = [...played, { target: back, ready: bothReady }].reduce((source, step) => {
          const current = asRoute(resource, source);
          return applied(source, buildPatch(current, merge(current.routes, baseline, step), 'Version'));
        }, object(routes));
        expect(written(asRoute(resource, ended).routes)).toBe(written(asRoute(resource, object(routes)).routes));
        expect(ended).toEqual(object(routes));
      }),
      runs,
    );
  });

  it('changes only weights and entries, after all of its tests, and writes no null', () => {
    fc.assert(
      fc.property(routesOfKind, targets, readyArb, (routes, target, ready) => {
        const patch = buildPatch(asRoute(resource, object(routes)), play(routes, [{ target, ready }]), 'Names');
        const changes = patch.filter(({ op }) => op !== 'test');
        expect(patch.slice(patch.length - changes.length)).toEqual(changes);
        for (const change of changes) {
          expect(change.path).toMatch(changed);
          if (change.op !== 'remove') expect(change.value ?? null).not.toBeNull();
        }
      }),
      runs,
    );
  });

  it('fails its own tests where somebody moved the entries it counts on', () => {
    fc.assert(
      fc.property(routesOfKind, percents, (routes, percent) => {
        const desired = play(routes, [{ target: splitTo(percent), ready: bothReady }]);
        const patch = buildPatch(asRoute(resource, object(routes)), desired, 'Names');
        fc.pre(patch.length > 0);
        const newcomer = { name: 'newcomer', port: 80 };
        const moved = routes.map((route) => ({ ...route, services: [newcomer, ...(route.services ?? [])] }));
        expect(() => applied(object(moved), patch)).toThrow('TEST_OPERATION_FAILED');
      }),
      runs,
    );
  });
});
