import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Router } from '../../src/proxy/configuration.ts';
import { createPrefixTree } from '../../src/proxy/routing/prefix-tree.ts';
import { createRouteTable, type RouteTable } from '../../src/proxy/routing/route-table.ts';
import { finish } from '../../src/proxy/steps.ts';
import { compileRule } from '../../src/rule/compile.ts';
import { parseRule } from '../../src/rule/parse.ts';
import { createRegexpCache } from '../../src/rule/regexp.ts';
import type { RuleRequest } from '../../src/rule/request.ts';
import { createRuleRequest } from '../../src/rule/rule-request.ts';
import { parseTarget } from '../../src/rule/target.ts';
import { anyRequest, anyRule } from '../contract/rules/generators.ts';

const regexps = createRegexpCache();

/** What the comparison with Traefik cannot have: the wildcards of 3.7. */
const hostMatcher = fc.constantFrom(
  'Host(`*.a.test`)',
  'Host(`www.a.test`)',
  'Host(`*`)',
  'HostRegexp(`^[a-zA-Z0-9-]+\\.a\\.test$`)',
  '!Host(`a.test`)',
  'HostRegexp(`^www`)',
);
const wildcardRule = fc
  .tuple(hostMatcher, fc.constantFrom('&&', '||'), hostMatcher)
  .map(([a, operator, b]) => ({ text: `${a} ${operator} ${b}`, syntax: 'v3' as const }));

/** Few names, priorities and dates, so that routers replace each other and tie. */
const router: fc.Arbitrary<Router> = fc
  .record({
    name: fc.integer({ min: 0, max: 30 }).map((number) => `r${number}`),
    entryPoints: fc.constantFrom(['web'], ['web'], ['web', 'other'], ['other']),
    rule: fc.oneof({ weight: 4, arbitrary: anyRule }, { weight: 1, arbitrary: wildcardRule }),
    priority: fc.integer({ min: -1, max: 4 }),
    precedence: fc.constantFrom(0, 0, 1),
    createdAt: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
    isTls: fc.constantFrom(false, false, true),
    status: fc.constantFrom('enabled' as const, 'enabled' as const, 'warning' as const, 'disabled' as const),
  })
  .map(({ rule, ...rest }) => ({
    ...rest,
    rule: rule.text,
    syntax: rule.syntax,
    service: 's',
    middlewares: [],
    errors: [],
  }));

/** Names of nobody, which make a change so large that a new table is built for it. */
const nobodies = Array.from({ length: 150 }, (_, index) => `nobody${index}`);

const batch = fc
  .record({
    set: fc.uniqueArray(router, { selector: ({ name }) => name, maxLength: 20 }),
    gone: fc.uniqueArray(
      router.map(({ name }) => name),
      { maxLength: 8 },
    ),
    more: fc.constantFrom([], nobodies),
  })
  .map(({ set, gone, more }) => {
    const removed = [...gone.filter((name) => set.every((router) => router.name !== name)), ...more];
    return { kind: 'Batch' as const, changes: { set, removed } };
  });

const change = fc.oneof(
  { weight: 5, arbitrary: router.map((router) => ({ kind: 'Set' as const, router })) },
  { weight: 2, arbitrary: router.map(({ name }) => ({ kind: 'Remove' as const, name })) },
  { weight: 1, arbitrary: batch },
);

type Change = typeof change extends fc.Arbitrary<infer C> ? C : never;

/** A batch is prepared while the table is used as it was. */
function applyTo(table: RouteTable<string>, each: Change, request: RuleRequest | undefined): void {
  if (each.kind === 'Set') return table.set(each.router);
  if (each.kind === 'Remove') return table.remove(each.name);
  const find = (): unknown => (request === undefined ? undefined : table.find('web', false, request)?.router);
  const before = find();
  const takeOver = finish(table.applying(each.changes));
  expect(find()).toBe(before);
  takeOver();
}

function applyToModel(model: Map<string, Router>, each: Change): void {
  const { set, removed } =
    each.kind === 'Batch'
      ? each.changes
      : { set: each.kind === 'Set' ? [each.router] : [], removed: each.kind === 'Remove' ? [each.name] : [] };
  for (const name of removed) model.delete(name);
  for (const router of set) model.set(router.name, router);
}

const ruleRequest: fc.Arbitrary<RuleRequest> = anyRequest
  .map(({ method, target, headers }) => {
    const parsed = parseTarget(target);
    if (parsed === 'Bad') return undefined;
    const authority = parsed.authority ?? headers[1] ?? '';
    return createRuleRequest({ ...parsed, authority, method, clientIp: '127.0.0.1', headers });
  })
  .filter((request) => request !== undefined);

/** The definition: all routers in order, the first that matches. */
function scan(routers: Iterable<Router>, entryPoint: string, isTls: boolean, request: RuleRequest): string | undefined {
  return [...routers]
    .filter(
      (router) => router.status !== 'disabled' && router.isTls === isTls && router.entryPoints.includes(entryPoint),
    )
    .sort(
      (a, b) =>
        b.priority - a.priority ||
        (b.precedence ?? 0) - (a.precedence ?? 0) ||
        compare(a.createdAt, b.createdAt) ||
        compare(a.name, b.name),
    )
    .find(({ rule, syntax }) => {
      const parsed = parseRule(rule, syntax, regexps);
      return parsed.kind === 'Rule' && compileRule(parsed, regexps)(request);
    })?.name;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

test('the table finds what a scan by priority, precedence, age and name finds, after any changes', () => {
  let found = 0;
  fc.assert(
    fc.property(
      fc.array(change, { minLength: 5, maxLength: 60 }),
      fc.array(ruleRequest, { minLength: 20, maxLength: 20 }),
      (changes, requests) => {
        const table = createRouteTable(({ name }) => name, regexps);
        const model = new Map<string, Router>();
        for (const each of changes) {
          applyTo(table, each, requests[0]);
          applyToModel(model, each);
        }
        for (const request of requests) {
          for (const [entryPoint, isTls] of [
            ['web', false],
            ['web', true],
            ['other', false],
          ] as const) {
            const route = table.find(entryPoint, isTls, request);
            expect(route?.handle).toBe(scan(model.values(), entryPoint, isTls, request));
            if (route !== undefined) found += 1;
          }
        }
      },
    ),
    { numRuns: 200 },
  );
  expect(found).toBeGreaterThan(3000);
});

test('a tree of prefixes finds all prefixes of a text, shortest first, after any changes', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 8 });
  const step = fc.record({ isRemoval: fc.boolean(), prefix: text });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.array(text, { minLength: 5 }), (steps, texts) => {
      const tree = createPrefixTree<string>();
      const model = new Set<string>();
      for (const { isRemoval, prefix } of steps) {
        if (isRemoval) tree.remove(prefix);
        else expect(tree.at(prefix, () => prefix)).toBe(prefix);
        if (isRemoval) model.delete(prefix);
        else model.add(prefix);
        expect(tree.isEmpty()).toBe(model.size === 0);
      }
      for (const each of texts) {
        const found: string[] = [];
        tree.walk(each, found);
        expect(found).toEqual([...model].filter((prefix) => each.startsWith(prefix)).sort());
        expect(tree.get(each)).toBe(model.has(each) ? each : undefined);
      }
    }),
    { numRuns: 2000 },
  );
});
