/** Which server gets a request: routes, weights, stickiness, endpoints. */
import { createHash } from 'node:crypto';
import type { KubernetesObject } from '../../../src/api/kubernetes.ts';
import type { At, Case, CaseGroup } from '../../support/data-plane/case.ts';
import type { Answer } from '../../support/data-plane/http1-client.ts';
import { namespace, routeObjects, serviceObjects, traefikObject } from '../../support/data-plane/objects.ts';
import type { Ports } from '../../support/data-plane/upstream.ts';
import { differs, get, serverOf, spread } from './requests.ts';

const service = (name: string, more: object = {}): object => ({ name, port: 80, ...more });
const weighted = (...weights: readonly (number | undefined)[]): readonly object[] =>
  weights.map((weight, index) => service(['a', 'b', 'c'][index] ?? '', weight === undefined ? {} : { weight }));
const kind = 'TraefikService';
const serving = { ready: true, serving: true, terminating: false };
const unready = { ready: false, serving: false, terminating: false };
const leaving = { ready: false, serving: true, terminating: true };

function objects(ports: Ports): readonly KubernetesObject[] {
  const services = [
    { name: 'a', endpoints: [2] },
    { name: 'b', endpoints: [3] },
    { name: 'c', endpoints: [4] },
    { name: 'pods', endpoints: [5, 6, 7] },
    { name: 'in-turn', endpoints: [5, 6, 7] },
    {
      name: 'mixed',
      endpoints: [
        { at: 5, conditions: serving },
        { at: 6, conditions: unready },
        { at: 7, conditions: leaving },
      ],
    },
    { name: 'leaving', endpoints: [{ at: 7, conditions: leaving }] },
    { name: 'unready', endpoints: [{ at: 6, conditions: unready }] },
    {
      name: 'half',
      endpoints: [
        { at: 6, conditions: { ready: false } },
        { at: 5, conditions: {} },
      ],
    },
    { name: 'empty' },
  ].flatMap((each) => serviceObjects(ports, each));
  const routes = [
    { name: 'plain', services: [service('a')] },
    { name: 'paths', services: [service('b')], match: 'Host(`paths.test`) && PathPrefix(`/api`)' },
    { name: 'paths-low', services: [service('a')], match: 'Host(`paths.test`)' },
    { name: 'paths-first', services: [service('c')], match: 'PathPrefix(`/api/first`)', more: { priority: 1000 } },
    { name: 'canary', services: [service('a')], match: 'Host(`canary.test`)' },
    { name: 'canary-header', services: [service('b')], match: 'Host(`canary.test`) && Header(`X-Canary`, `yes`)' },
    {
      name: 'canary-query',
      services: [service('c')],
      match: 'Host(`canary.test`) && Query(`v`, `2`) && !Method(`POST`)',
    },
    { name: 'web-only', services: [service('a')], entryPoints: ['web'] },
    { name: 'no-weights', services: weighted(undefined, undefined) },
    { name: 'three-one', services: weighted(3, 1) },
    { name: 'one-without', services: weighted(9, undefined) },
    { name: 'with-zero', services: weighted(1, 0) },
    { name: 'all-zero', services: weighted(0, 0) },
    { name: 'nested', services: [{ name: 'split-within', kind }, service('c')] },
    { name: 'nested-zero', services: [{ name: 'split-zero', kind, weight: 1 }, service('c', { weight: 1 })] },
    { name: 'one-split', services: [{ name: 'split', kind }] },
    { name: 'in-turn', services: [service('in-turn')] },
    { name: 'sticky-pods', services: [service('pods', { sticky: { cookie: { name: 'pod' } } })] },
    {
      name: 'sticky-full',
      services: [
        service('pods', {
          sticky: {
            cookie: {
              name: 'full',
              secure: true,
              httpOnly: true,
              sameSite: 'lax',
              maxAge: 60,
              path: '/app',
              domain: 'a.test',
            },
          },
        }),
      ],
    },
    { name: 'sticky-default', services: [service('pods', { sticky: { cookie: {} } })] },
    { name: 'sticky-split', services: [{ name: 'split-sticky', kind }] },
    { name: 'sticky-both', services: [{ name: 'split-both', kind }] },
    { name: 'sticky-mixed', services: [service('mixed', { sticky: { cookie: { name: 'pod' } } })] },
    { name: 'mixed', services: [service('mixed')] },
    { name: 'leaving', services: [service('leaving')] },
    { name: 'unready', services: [service('unready')] },
    { name: 'half', services: [service('half')] },
    { name: 'empty', services: [service('empty')] },
    { name: 'beside-empty', services: [service('a'), service('empty')] },
    { name: 'beside-missing', services: [service('a'), service('missing', { weight: 0 })] },
    { name: 'beside-leaving', services: [service('a'), service('leaving')] },
    { name: 'missing', services: [service('missing')] },
    { name: 'wrong-port', services: [{ name: 'a', port: 81 }] },
    { name: 'named-port', services: [{ name: 'a', port: 'main' }] },
    { name: 'wrong-name', services: [{ name: 'a', port: 'other' }] },
    { name: 'external', services: [{ name: 'outside', port: ports.http }] },
    { name: 'bad-rule', services: [service('a')], match: 'Host(`bad-rule.test`) && Nothing(`x`)' },
    { name: 'circle', services: [{ name: 'circle', kind }] },
    { name: 'far', services: [service('a', { namespace: 'sluice-system' })] },
  ].flatMap((each) => routeObjects(each));
  const external = {
    metadata: { namespace, name: 'outside' },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  };
  return [
    ...services,
    ...routes,
    { apiVersion: 'v1', kind: 'Service', ...external },
    traefikObject(kind, 'split', { weighted: { services: weighted(1, 3) } }),
    traefikObject(kind, 'split-within', { weighted: { services: weighted(1, 3) } }),
    traefikObject(kind, 'split-zero', { weighted: { services: weighted(0, 0) } }),
    traefikObject(kind, 'split-sticky', {
      weighted: { sticky: { cookie: { name: 'version' } }, services: weighted(1, 1) },
    }),
    traefikObject(kind, 'split-both', {
      weighted: {
        sticky: { cookie: { name: 'version' } },
        services: [service('pods', { sticky: { cookie: { name: 'pod' } } }), service('c')],
      },
    }),
    traefikObject(kind, 'circle', { weighted: { services: [{ name: 'circle', kind }, service('a')] } }),
  ];
}

/** A case of one request, whose server counts. */
function goesTo(name: string, host: string, server: string, options: Parameters<typeof get>[2] = {}): Case {
  return { name, run: async (at) => ({ server: serverOf(await get(at, host, options)) }), traefik: { server } };
}

function spreads(name: string, host: string, counts: Readonly<Record<string, number>>): Case {
  const requests = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return { name, run: (at) => spread(at, host, requests), traefik: counts };
}

function cookiesOf({ fields }: Answer): readonly string[] {
  return fields['set-cookie'] ?? [];
}

function cookieHeader(answer: Answer): string {
  return `Cookie: other=1; ${cookiesOf(answer)
    .map((text) => text.split(';', 1)[0])
    .join('; ')}\r\n`;
}

/** follow takes the cookies of one data plane to another five times. */
async function follow(from: Pick<At, 'plane'>, to: Pick<At, 'plane'>, host: string): Promise<object> {
  const first = await get(from, host);
  const headers = cookieHeader(first);
  const answers: Answer[] = [];
  for (let index = 0; index < 5; index += 1) answers.push(await get(to, host, { headers }));
  return {
    names: cookiesOf(first).map((text) => text.split('=', 1)[0]),
    isSame: answers.every((answer) => serverOf(answer) === serverOf(first)),
    newCookies: answers.flatMap(cookiesOf),
  };
}

function sticks(level: string, host: string, names: readonly string[]): readonly Case[] {
  const traefik = { names, isSame: true, newCookies: [] };
  return [
    { name: `${level}: a cookie keeps its server`, run: (at) => follow(at, at, host), traefik },
    {
      name: `${level}: a cookie of Traefik is understood`,
      run: (at) => follow({ plane: at.traefik }, at, host),
      traefik,
    },
    {
      name: `${level}: a cookie is understood by Traefik`,
      run: (at) => follow(at, { plane: at.traefik }, host),
      traefik,
    },
  ];
}

const cases: readonly Case[] = [
  goesTo('a host', 'plain', '2'),
  goesTo('a host over TLS', 'plain', '2', { entry: 'websecure' }),
  goesTo('a host that no rule has', 'unknown', '404'),
  goesTo('the longer rule wins', 'paths', '3', { target: '/api/x' }),
  goesTo('a priority wins over a longer rule', 'paths', '4', { target: '/api/first' }),
  goesTo('the shorter rule takes the rest', 'paths', '2', { target: '/x' }),
  goesTo('a header', 'canary', '3', { headers: 'x-canary: yes\r\n' }),
  goesTo('another value of the header', 'canary', '2', { headers: 'x-canary: no\r\n' }),
  goesTo('a query', 'canary', '4', { target: '/?v=2' }),
  goesTo('a query with a method that is excluded', 'canary', '2', {
    target: '/?v=2',
    method: 'POST',
    headers: 'Content-Length: 0\r\n',
  }),
  goesTo('an entry point without the route', 'web-only', '404', { entry: 'trusting' }),
  goesTo('a route without TLS, over TLS', 'web-only', '404', { entry: 'websecure' }),
  goesTo('a rule that cannot be read', 'bad-rule', '404'),
  spreads('services without weights share alike', 'no-weights', { 2: 4, 3: 4 }),
  spreads('weights 3 and 1', 'three-one', { 2: 6, 3: 2 }),
  spreads('a service without weight counts 1', 'one-without', { 2: 18, 3: 2 }),
  spreads('a weight of 0 gets nothing', 'with-zero', { 2: 4 }),
  spreads('weights that are all 0', 'all-zero', { 503: 4 }),
  spreads('one TraefikService', 'one-split', { 2: 2, 3: 6 }),
  spreads('a TraefikService beside a Service', 'nested', { 2: 1, 3: 3, 4: 4 }),
  spreads('several pods share alike', 'in-turn', { 5: 3, 6: 3, 7: 3 }),
  differs(
    spreads('a TraefikService whose weights are all 0, beside a Service', 'nested-zero', { 503: 4, 4: 4 }),
    'A service without servers',
    { 4: 8 },
  ),
  ...sticks('pods', 'sticky-pods', ['pod']),
  ...sticks('default name', 'sticky-default', ['_a49df']),
  ...sticks('versions', 'sticky-split', ['version']),
  {
    name: 'all attributes of a cookie',
    run: async (at) => ({
      cookie: cookiesOf(await get(at, 'sticky-full', {})).map((text) => text.replace(/=[0-9a-f]{16}/, '=ID')),
    }),
    traefik: { cookie: ['full=ID; Path=/app; Domain=a.test; Max-Age=60; HttpOnly; Secure; SameSite=Lax'] },
  },
  {
    name: 'cookies of both levels',
    run: async (at) => {
      for (;;) {
        const answer = await get(at, 'sticky-both');
        if (serverOf(answer) === '4') continue;
        const again = await get(at, 'sticky-both', { headers: cookieHeader(answer) });
        return {
          names: cookiesOf(answer).map((text) => text.split('=', 1)[0]),
          isSame: serverOf(again) === serverOf(answer),
        };
      }
    },
    traefik: { isSame: true },
  },
  {
    name: 'a cookie that names nobody',
    run: async (at) => {
      const answer = await get(at, 'sticky-pods', { headers: 'Cookie: pod=0000000000000000\r\n' });
      return { status: answer.status, cookies: cookiesOf(answer).length };
    },
    traefik: { status: 200, cookies: 1 },
  },
  goesTo('a pod that terminates, for who sticks to it', 'sticky-mixed', '7', {
    headers: `Cookie: pod=${createHash('sha256').update('http://10.77.0.7:8080').digest('hex').slice(0, 16)}\r\n`,
  }),
  spreads('only pods that are ready and stay get new requests', 'mixed', { 5: 4 }),
  goesTo('only pods that terminate', 'leaving', '503'),
  differs(goesTo('no pod is ready', 'unready', '404'), 'A broken service', { server: '503' }),
  differs(spreads('conditions without `serving`', 'half', { 5: 2, 6: 2 }), 'Endpoints without `serving`', { 5: 4 }),
  differs(goesTo('no pod at all', 'empty', '404'), 'A broken service', { server: '503' }),
  differs(spreads('a service without pods beside another', 'beside-empty', { 404: 4 }), 'A broken service', { 2: 4 }),
  differs(spreads('a missing Service of weight 0 beside another', 'beside-missing', { 404: 4 }), 'A broken service', {
    2: 4,
  }),
  differs(
    spreads('a service whose pods terminate beside another', 'beside-leaving', { 2: 2, 503: 2 }),
    'A service without servers',
    { 2: 4 },
  ),
  differs(goesTo('a missing Service', 'missing', '404'), 'A broken service', { server: '503' }),
  differs(goesTo('a port that the Service does not have', 'wrong-port', '404'), 'A broken service', { server: '503' }),
  goesTo('the name of a port', 'named-port', '2'),
  differs(goesTo('the name of no port', 'wrong-name', '404'), 'A broken service', { server: '503' }),
  differs(goesTo('a service in another namespace', 'far', '404'), 'A broken service', { server: '503' }),
  differs(goesTo('a TraefikService within itself', 'circle', '404'), 'A broken service', { server: '503' }),
  {
    name: 'an ExternalName',
    run: async (at) => ({ status: (await get(at, 'external')).status }),
    traefik: { status: 200 },
  },
];

/** routing is about which server gets a request. */
export const routing: CaseGroup = { name: 'routing', objects, cases };
