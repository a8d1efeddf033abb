import { expect, test } from 'vitest';
import { stickyValue } from '../../../../src/balance/sticky.ts';
import type { Choice } from '../../../../src/proxy/services/choice.ts';
import { ask, askMany, cookie, leaf, remove, set, table, weighted } from './service-builders.ts';

function cookiesOf(choice: Choice): readonly string[] {
  return choice.kind === 'Server' ? choice.setCookies : ['none'];
}

const toServer = (host: string, name = 'pod'): string => `${name}=${stickyValue(`http://${host}:80`)}`;
const toService = (service: string, name = 'version'): string => `${name}=${stickyValue(service)}`;

test('who is new gets a cookie, and comes back to the same server with it', () => {
  const services = table([leaf('a', ['a1', 'a2', 'a3'], { sticky: cookie('pod') })]);
  const first = services.choose('a', 'other=1');
  const [set = ''] = cookiesOf(first);
  expect(set).toMatch(/^pod=[0-9a-f]{16}; Path=\/$/);
  for (let index = 0; index < 5; index += 1) {
    const again = services.choose('a', `other=1; ${set.slice(0, 20)}`);
    expect(again).toMatchObject({ kind: 'Server', setCookies: [] });
    expect(again).toHaveProperty('server', first.kind === 'Server' ? first.server : undefined);
  }
});

test('a cookie of a terminating server still goes there, and nobody new does', () => {
  const services = table([leaf('a', ['!a1', 'a2'], { sticky: cookie('pod') })]);
  expect(ask(services, 'a', toServer('a1'))).toBe('a1');
  expect(askMany(services, 'a', 10)).toStrictEqual({ a2: 10 });
});

test('a cookie of a server that is gone or unknown is replaced', () => {
  const services = table([leaf('a', ['a1', 'a2'], { sticky: cookie('pod') })]);
  remove(services, 'b');
  set(services, leaf('a', ['a2'], { sticky: cookie('pod') }));
  for (const sent of [toServer('a1'), 'pod=', 'pod=0000000000000000']) {
    expect(services.choose('a', sent)).toMatchObject({ server: { host: 'a2' } });
    expect(cookiesOf(services.choose('a', sent))).toStrictEqual([`${toServer('a2')}; Path=/`]);
  }
});

test('a weighted service sticks to a version by the name that Traefik hashes', () => {
  const services = table([
    weighted(
      'route@kubernetescrd',
      { 'default-stable-80@kubernetescrd': 1, 'default-canary-80@kubernetescrd': 0.001 },
      cookie('version'),
    ),
    leaf('default-stable-80@kubernetescrd', ['s1', 's2']),
    leaf('default-canary-80@kubernetescrd', ['c1', 'c2']),
  ]);
  for (let index = 0; index < 10; index += 1) {
    const choice = services.choose('route@kubernetescrd', 'version=6d929ddad0f78623');
    expect(choice).toMatchObject({ leaf: { name: 'default-canary-80@kubernetescrd' }, setCookies: [] });
  }
});

test('a child of weight 0, gone or without servers is chosen anew, with a new cookie', () => {
  const route = (weights: Readonly<Record<string, number>>) => weighted('route', weights, cookie('version'));
  const services = table([route({ a: 1, b: 1 }), leaf('a', ['a1']), leaf('b', ['b1'])]);
  const sent = toService('b');
  expect(ask(services, 'route', sent)).toBe('b1');
  const expectNew = (): void => {
    expect(services.choose('route', sent)).toMatchObject({ server: { host: 'a1' } });
    expect(cookiesOf(services.choose('route', sent))).toStrictEqual([`${toService('a')}; Path=/`]);
  };
  set(services, route({ a: 1, b: 0 }));
  expectNew();
  set(services, route({ a: 1 }));
  expectNew();
  set(services, route({ a: 1, b: 1 }), leaf('b', []));
  expectNew();
  remove(services, 'b');
  expectNew();
  set(services, leaf('b', ['b1']));
  expect(ask(services, 'route', sent)).toBe('b1');
});

test('both levels stick, and both cookies are set, the outer one first', () => {
  const services = table([
    weighted('route', { a: 1, b: 1 }, cookie('version')),
    leaf('a', ['a1', 'a2'], { sticky: cookie('pod') }),
    leaf('b', ['b1', 'b2'], { sticky: cookie('pod') }),
  ]);
  const first = cookiesOf(services.choose('route', undefined));
  expect(first).toHaveLength(2);
  expect(first[0]).toMatch(/^version=/);
  expect(first[1]).toMatch(/^pod=/);
  const both = `${toService('b')}; ${toServer('b2')}`;
  expect(services.choose('route', both)).toMatchObject({ server: { host: 'b2' }, setCookies: [] });
  // The version is kept, the pod is of the other one.
  expect(cookiesOf(services.choose('route', `${toService('a')}; ${toServer('b2')}`))).toHaveLength(1);
});

test('a version whose last server is terminating keeps the clients of that server only', () => {
  const services = table([
    weighted('outer', { route: 1 }, cookie('side')),
    weighted('route', { a: 1, b: 1 }, cookie('version')),
    leaf('a', ['a1']),
    leaf('b', ['!b1'], { sticky: cookie('pod') }),
  ]);
  expect(ask(services, 'route', `${toService('b')}; ${toServer('b1')}`)).toBe('b1');
  expect(ask(services, 'outer', `${toService('route', 'side')}; ${toService('b')}; ${toServer('b1')}`)).toBe('b1');
  expect(ask(services, 'route', toService('b'))).toBe('a1');
  set(services, leaf('a', []));
  expect(ask(services, 'outer', `${toService('route', 'side')}; ${toService('b')}; ${toServer('b1')}`)).toBe('b1');
});

test('as strict as Traefik, who sticks to a version without servers is told so', () => {
  const services = table([weighted('route', { a: 1, b: 1 }, cookie('version')), leaf('a', ['a1']), leaf('b', [])], {
    isStrict: true,
  });
  expect(ask(services, 'route', toService('b'))).toBe('503 b');
  expect(ask(services, 'route', toService('a'))).toBe('a1');
});
