import { describe, expect, test } from 'vitest';
import type { CanaryRef } from '../../../src/api/rollout.ts';
import type { IngressRoute, Route } from '../../../src/api/traefik.ts';
import {
  buildMatchRoute,
  isAsWanted,
  isOwnedBy,
  matchRouteKeyOf,
  rolloutKeyOf,
} from '../../../src/rollout/match-route.ts';
import { rollout, shopPair } from '../../support/rollout-builders.ts';

const always = [{ headers: { 'X-Canary': { exact: 'always' } } }];
const rule = 'Host(`shop.example`)';
const stable = { name: 'shop-stable', port: 80 };
const canary = { name: 'shop-canary', port: 80, weight: 5 };
const shop: Route = { match: rule, kind: 'Rule', services: [{ ...stable, weight: 95 }, canary] };

function base(
  routes: readonly Route[],
  spec: object = {},
  annotations?: Readonly<Record<string, string>>,
): IngressRoute {
  const metadata = { name: 'shop', namespace: 'web', ...(annotations === undefined ? {} : { annotations }) };
  return { metadata, spec: { entryPoints: ['web'], ...spec, routes } };
}

function build(routes: readonly Route[], over: Partial<CanaryRef> = {}, on: IngressRoute = base(routes)) {
  const { spec } = rollout();
  return buildMatchRoute(rollout({ canary: { ...spec.canary, match: always, ...over } }), on, shopPair);
}

function routesOf(routes: readonly Route[], over: Partial<CanaryRef> = {}): readonly Route[] {
  const { wanted, problems } = build(routes, over);
  expect(problems).toEqual([]);
  return wanted?.spec.routes ?? [];
}

const messagesOf = (routes: readonly Route[], over: Partial<CanaryRef> = {}): readonly string[] => {
  const { wanted, problems } = build(routes, over);
  expect(wanted).toBeUndefined();
  expect(problems.map(({ reason }) => reason)).toEqual(problems.map(() => 'MatchInvalid'));
  return problems.map(({ message }) => message);
};

describe('the match route', () => {
  test('is an IngressRoute of the Rollout, for the same entry points, certificates and Traefik as the route', () => {
    const tls = { secretName: 'shop-tls', options: { name: 'modern' } };
    const annotations = { 'kubernetes.io/ingress.class': 'internal', 'meta.helm.sh/release-name': 'shop' };
    const spec = { entryPoints: ['websecure'], tls, ingressClassName: 'internal' };
    expect(build([shop], {}, base([shop], spec, annotations)).wanted).toEqual({
      apiVersion: 'traefik.io/v1alpha1',
      kind: 'IngressRoute',
      metadata: {
        name: 'shop-canary-match',
        namespace: 'web',
        labels: { 'app.kubernetes.io/managed-by': 'sluice' },
        annotations: { 'kubernetes.io/ingress.class': 'internal' },
        ownerReferences: [
          {
            apiVersion: 'sluice.dev/v1alpha1',
            kind: 'Rollout',
            name: 'shop',
            uid: 'rollout-uid',
            controller: true,
          },
        ],
      },
      spec: {
        ...spec,
        routes: [
          {
            match: `(${rule}) && (Header("X-Canary", "always"))`,
            kind: 'Rule',
            priority: rule.length + 1,
            services: [{ name: 'shop-canary', port: 80 }],
          },
        ],
      },
    });
  });

  test('has the entry of the canary as the route has it, but alone and without its weight', () => {
    const entry = { ...canary, scheme: 'https', serversTransport: 'mtls', nativeLB: true };
    expect(routesOf([{ ...shop, services: [entry, stable] }])[0]?.services).toEqual([
      { name: 'shop-canary', port: 80, scheme: 'https', serversTransport: 'mtls', nativeLB: true },
    ]);
  });

  test.each([
    { title: 'none: the length of the rule and 1', priority: undefined, expected: rule.length + 1 },
    { title: '0, which Traefik takes for none', priority: 0, expected: rule.length + 1 },
    { title: 'one of its own', priority: 7, expected: 8 },
    { title: 'a negative one', priority: -3, expected: -2 },
  ])('comes just before the rule: $title', ({ priority, expected }) => {
    const route = priority === undefined ? shop : { ...shop, priority };
    expect(routesOf([route])[0]?.priority).toBe(expected);
  });

  test('counts the length of a rule in bytes, as Traefik does', () => {
    expect(routesOf([{ ...shop, match: 'Path(`/ü`)' }])[0]?.priority).toBe(12);
  });

  test('goes through the middlewares of its rule, and then through those of the Rollout', () => {
    const middlewares = [{ name: 'auth', namespace: 'edge' }, { name: 'strip' }];
    const own = { middlewares: [{ name: 'canary-headers' }] };
    expect(routesOf([{ ...shop, middlewares }], own)[0]?.middlewares).toEqual([
      ...middlewares,
      { name: 'canary-headers' },
    ]);
    expect(routesOf([{ ...shop, middlewares }])[0]?.middlewares).toEqual(middlewares);
    expect(routesOf([shop], own)[0]?.middlewares).toEqual([{ name: 'canary-headers' }]);
    expect(routesOf([shop])[0]).not.toHaveProperty('middlewares');
  });

  test('keeps what else a rule says, known or not', () => {
    const observability = { accessLogs: false };
    expect(routesOf([{ ...shop, observability, future: [1] }])[0]).toMatchObject({ observability, future: [1] });
  });

  test('is one rule for each that gives the canary something, and for no other', () => {
    const other = { match: 'Host(`other.example`)', services: [{ name: 'other', port: 80 }] };
    const resting = { match: 'Host(`rest.example`)', services: [stable, { ...canary, weight: 0 }] };
    const second = { match: 'PathPrefix(`/b`)', services: [canary] };
    expect(routesOf([other, shop, resting, second]).map(({ match }) => match)).toEqual([
      `(${rule}) && (Header("X-Canary", "always"))`,
      '(PathPrefix(`/b`)) && (Header("X-Canary", "always"))',
    ]);
  });

  test('is not there where nobody asks for one, or no rule gives the canary anything', () => {
    expect(buildMatchRoute(rollout(), base([shop]), shopPair)).toEqual({ wanted: undefined, problems: [] });
    expect(build([{ ...shop, services: [stable] }])).toEqual({ wanted: undefined, problems: [] });
    expect(build([])).toEqual({ wanted: undefined, problems: [] });
  });

  test.each([
    {
      title: 'headers and cookies of one entry together',
      match: [{ headers: { A: { exact: 'x' }, B: { prefix: 'y.' } }, cookies: { c: { exact: 'z+' } } }],
      v3: '(Header("A", "x") && HeaderRegexp("B", "^y\\\\.") && HeaderRegexp("Cookie", "(?:^|;) *c=z\\\\+ *(?:;|$)"))',
      v2: '(Headers("A", "x") && HeadersRegexp("B", "^y\\\\.") && HeadersRegexp("Cookie", "(?:^|;) *c=z\\\\+ *(?:;|$)"))',
    },
    {
      title: 'one entry or the other',
      match: [{ headers: { A: { regex: '^v[0-9]+$' } } }, { cookies: { c: { prefix: 'z' } } }],
      v3: 'HeaderRegexp("A", "^v[0-9]+$") || HeaderRegexp("Cookie", "(?:^|;) *c=z")',
      v2: 'HeadersRegexp("A", "^v[0-9]+$") || HeadersRegexp("Cookie", "(?:^|;) *c=z")',
    },
    {
      title: 'a regex of a cookie, as the whole value',
      match: [{ cookies: { 'c.d': { regex: 'a|b' } } }],
      v3: 'HeaderRegexp("Cookie", "(?:^|;) *c\\\\.d=(?:a|b) *(?:;|$)")',
      v2: 'HeadersRegexp("Cookie", "(?:^|;) *c\\\\.d=(?:a|b) *(?:;|$)")',
    },
    {
      title: 'a value that would end the rule',
      match: [{ headers: { A: { exact: '`) || PathPrefix("/\\\n' } } }],
      v3: 'Header("A", "`) || PathPrefix(\\"/\\\\\\U0000000a")',
      v2: 'Headers("A", "`) || PathPrefix(\\"/\\\\\\U0000000a")',
    },
  ])('asks for $title', ({ match, v3, v2 }) => {
    expect(routesOf([shop], { match })[0]?.match).toBe(`(${rule}) && (${v3})`);
    expect(routesOf([{ ...shop, syntax: 'v2' }], { match })[0]).toMatchObject({
      match: `(${rule}) && (${v2})`,
      syntax: 'v2',
    });
  });

  test('takes a rule that ends with a line break', () => {
    expect(routesOf([{ ...shop, match: `${rule}\n` }])[0]?.match).toBe(`(${rule}) && (Header("X-Canary", "always"))`);
  });
});

describe('a match that cannot be', () => {
  const resting = { ...shop, services: [stable] };

  test.each([
    { field: 'headers', name: 'X-V', regex: '(?=a)' },
    { field: 'cookies', name: 'v', regex: 'a)|(b' },
  ])('is a problem at rest already, which names the field: $field', ({ field, name, regex }) => {
    const match = [...always, { [field]: { [name]: { regex } } }];
    const [message = '', ...others] = messagesOf([resting], { match });
    expect(others).toEqual([]);
    expect(message).toMatch(
      new RegExp(
        `^spec\\.canary\\.match\\[1\\]\\.${field}\\.${name}\\.regex is no regular expression of RE2: .+\\. Correct it\\.$`,
      ),
    );
  });

  test('names the rule that is none, and one that cannot stand in parentheses', () => {
    const start = 'spec.canary.match cannot be added to the rule ';
    expect(messagesOf([{ ...resting, match: 'Host(`a`)) || (PathPrefix(`/`)' }])).toEqual([
      `${start}Host(\`a\`)) || (PathPrefix(\`/\`) of IngressRoute shop: at character 10: expected &&, || or the end, found ).`,
    ]);
    expect(messagesOf([{ ...resting, match: 'Host(`a`, `b`)' }])).toEqual([
      `${start}Host(\`a\`, \`b\`) of IngressRoute shop: at character 1: Host: takes 1 argument, not 2.`,
    ]);
    expect(messagesOf([{ ...resting, match: 'Host(`a`) // shop' }])).toHaveLength(1);
    expect(messagesOf([{ ...resting, match: 'Host(`a`) /* ( */' }, resting])).toEqual([]);
  });

  test('names a priority after which there is none', () => {
    expect(messagesOf([{ ...resting, priority: Number.MAX_SAFE_INTEGER }])).toEqual([
      'spec.canary.match cannot be added to the rule Host(`shop.example`) of IngressRoute shop: its priority is greater than 9007199254740990.',
    ]);
  });

  test('names a Rollout whose name is too long', () => {
    const named = (length: number) => {
      const subject = rollout({ canary: { ...rollout().spec.canary, match: always } });
      const long = { ...subject, metadata: { ...subject.metadata, name: 'r'.repeat(length) } };
      return buildMatchRoute(long, base([shop]), shopPair);
    };
    expect(named(240).wanted?.metadata.name).toHaveLength(253);
    expect(named(241).wanted).toBeUndefined();
    expect(named(241).problems[0]?.message).toContain('give the Rollout a name of at most 240 letters');
  });
});

describe('two match routes', () => {
  const wanted = build([shop]).wanted as IngressRoute;

  test('are the same if their spec and their class are, whatever else others have written', () => {
    const labelled = { ...wanted, metadata: { ...wanted.metadata, labels: {}, resourceVersion: '9' } };
    expect(isAsWanted(labelled, wanted)).toBe(true);
    expect(isAsWanted({ ...wanted, spec: { ...wanted.spec, entryPoints: [] } }, wanted)).toBe(false);
    const annotations = { 'kubernetes.io/ingress.class': 'other' };
    expect(isAsWanted({ ...wanted, metadata: { ...wanted.metadata, annotations } }, wanted)).toBe(false);
  });

  test('are of one Rollout only, and not of one that had its name before', () => {
    const subject = rollout();
    expect(isOwnedBy(wanted, subject)).toBe(true);
    expect(isOwnedBy(wanted, { ...subject, metadata: { ...subject.metadata, uid: 'another' } })).toBe(false);
    expect(isOwnedBy({ metadata: { name: 'shop-canary-match' }, spec: {} }, subject)).toBe(false);
  });

  test('are found by the name of their Rollout, and it by theirs', () => {
    expect(matchRouteKeyOf(rollout())).toBe('web/shop-canary-match');
    expect(rolloutKeyOf('web/shop-canary-match')).toBe('web/shop');
    expect(rolloutKeyOf('web/shop')).toBeUndefined();
  });
});
