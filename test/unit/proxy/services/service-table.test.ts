import { expect, test } from 'vitest';
import { defaultTransport } from '../../../../src/proxy/services/service-table.ts';
import { seededRandom } from '../../balance/seeded-random.ts';
import { ask, askMany, leaf, nothing, remove, server, set, table, weighted } from './service-builders.ts';

test('requests are shared out by weight, and then among the servers', () => {
  const services = table([
    leaf('stable@k', ['s1', 's2', 's3']),
    leaf('canary@k', ['c1', 'c2']),
    weighted('route@k', { 'stable@k': 90, 'canary@k': 10 }),
  ]);
  expect(askMany(services, 'route@k', 1000)).toStrictEqual({ s1: 300, s2: 300, s3: 300, c1: 50, c2: 50 });
  expect(services.choose('route@k', undefined)).toMatchObject({
    kind: 'Server',
    leaf: { name: expect.stringContaining('@k') as string },
    setCookies: [],
  });
});

test('a service that nobody knows has no server', () => {
  const services = table([weighted('route', { missing: 1 }), weighted('nothing', { a: 0 }), leaf('a', ['a1'])]);
  expect(ask(services, 'unknown')).toBe('503 -');
  expect(ask(services, 'route')).toBe('503 missing');
  expect(ask(services, 'nothing')).toBe('503 -');
});

test('services may be nested, and a child may come after its parent', () => {
  const services = table([weighted('outer', { inner: 3, c: 1 }), weighted('inner', { a: 2, b: 1 })]);
  expect(ask(services, 'outer')).toMatch(/^503 [abc]$/);
  set(services, leaf('a', ['a1']), leaf('b', ['b1']), leaf('c', ['c1']));
  const { a1 = 0, b1 = 0, c1 = 0 } = askMany(services, 'outer', 1200);
  expect([a1, b1, c1].map((count) => Math.round(count / 100))).toStrictEqual([6, 3, 3]);
});

test('a service without usable servers is skipped, near and far', () => {
  const services = table([
    weighted('outer', { inner: 50, c: 50 }),
    weighted('inner', { a: 1, b: 1 }),
    leaf('a', []),
    leaf('b', ['!b1']),
    leaf('c', ['c1']),
  ]);
  expect(askMany(services, 'outer', 100)).toStrictEqual({ c1: 100 });
  set(services, leaf('b', ['!b1', 'b2']));
  expect(askMany(services, 'outer', 100)).toStrictEqual({ b2: 50, c1: 50 });
});

test('where no service has a server, 503s are told by their shares', () => {
  const services = table([weighted('route', { a: 90, b: 10 }), leaf('a', []), leaf('b', ['!b1'])]);
  expect(askMany(services, 'route', 100)).toStrictEqual({ '503 a': 90, '503 b': 10 });
});

test('as strict as Traefik, a service without servers keeps its share, and the 503s are its own', () => {
  const services = table([weighted('route', { a: 80, b: 20 }), leaf('a', ['a1']), leaf('b', [])], { isStrict: true });
  expect(askMany(services, 'route', 100)).toStrictEqual({ a1: 80, '503 b': 20 });
});

test('as strict as Traefik, any change begins all cycles again', () => {
  const services = [weighted('route', { a: 95, b: 5 }), leaf('a', ['a1']), leaf('b', ['b1'])];
  const [strict, kind] = [table(services, { isStrict: true }), table(services)];
  const counts = [strict, kind].map((services) => {
    let canary = 0;
    for (let round = 0; round < 200; round += 1) {
      canary += askMany(services, 'route', 15)['b1'] ?? 0;
      set(services, leaf('unrelated', [`u${round}`]));
    }
    return canary;
  });
  expect(counts[0]).toBe(0);
  expect(counts[1]).toBeGreaterThanOrEqual(149);
  expect(counts[1]).toBeLessThanOrEqual(151);
});

test('a child that fails is broken alone', () => {
  const services = table([
    weighted('route', { a: 1, b: 1 }),
    leaf('a', ['a1']),
    leaf('b', ['b1'], { status: 'disabled', errors: ['port not defined'] }),
  ]);
  expect(askMany(services, 'route', 10)).toStrictEqual({ a1: 10 });
  remove(services, 'a');
  expect(ask(services, 'route')).toMatch(/^503 [ab]$/);
});

test('services that contain themselves are refused, and nobody else', () => {
  const services = table([
    weighted('loop', { loop: 1, a: 1 }),
    weighted('one', { two: 1, a: 1 }),
    weighted('two', { three: 1, a: 1 }),
    weighted('three', { one: 1, a: 1 }),
    weighted('user', { one: 1, loop: 1, a: 1 }),
    leaf('a', ['a1']),
  ]);
  for (const name of ['loop', 'one', 'two', 'three']) expect(ask(services, name)).toBe('503 -');
  expect(askMany(services, 'user', 10)).toStrictEqual({ a1: 10 });
  set(services, weighted('three', { a: 1 }));
  for (const name of ['one', 'two', 'three']) expect(askMany(services, name, 10)).toStrictEqual({ a1: 10 });
  expect(ask(services, 'loop')).toBe('503 -');
});

test('a tree with very many ways to its leaves is no work', () => {
  const levels = Array.from({ length: 60 }, (_, level) =>
    weighted(`l${level}`, { [`l${level + 1}`]: 1, [`m${level + 1}`]: 1 }),
  );
  const twins = levels.map((level, index) => ({ ...level, name: `m${index}` }));
  const services = table([...levels, ...twins, leaf('l60', []), leaf('m60', [])]);
  expect(ask(services, 'l0')).toMatch(/^503 [lm]60$/);
  set(services, leaf('m60', ['m']));
  expect(ask(services, 'l0')).toBe('m');
});

test('what a leaf was at survives changes: its turn, its weights, its open exchanges', () => {
  const services = table([weighted('route', { a: 1, b: 1 }), leaf('a', ['a1', 'a2']), leaf('b', ['b1', 'b2'])]);
  const seen = Array.from({ length: 12 }, () => {
    set(services, weighted('route', { a: 1, b: 1 }), leaf('a', ['a1', 'a2']), leaf('b', ['b2', 'b1']));
    return ask(services, 'route');
  });
  expect(seen.slice(0, 4).toSorted()).toStrictEqual(['a1', 'a2', 'b1', 'b2']);
  expect(seen).toStrictEqual([...seen.slice(0, 4), ...seen.slice(0, 4), ...seen.slice(0, 4)]);
});

test('a name may become another kind of service', () => {
  const services = table([leaf('a', ['a1']), leaf('x', ['x1'])]);
  set(services, weighted('a', { x: 1 }));
  expect(ask(services, 'a')).toBe('x1');
  set(services, leaf('a', ['a2']));
  expect(ask(services, 'a')).toBe('a2');
});

test('many tables that begin together do not all ask the same server first', () => {
  const random = seededRandom(9);
  const firsts = Array.from({ length: 300 }, () => ask(table([leaf('a', ['1', '2', '3'])], { random }), 'a'));
  for (const host of ['1', '2', '3']) expect(firsts.filter((first) => first === host).length).toBeGreaterThan(60);
});

test('open exchanges are counted until the last one closes, also of leaves that are gone', () => {
  const services = table([leaf('a', ['a1', 'a2']), leaf('b', ['b1'])]);
  services.opened('a', 'http://a1:80');
  services.opened('a', 'http://a2:80');
  services.opened('b', 'http://b1:80');
  services.closed('b', 'http://b1:80');
  expect(services.openStreams()).toStrictEqual([['a', 2]]);
  remove(services, 'a');
  expect(ask(services, 'a')).toBe('503 -');
  services.closed('a', 'http://a1:80');
  expect(services.openStreams()).toStrictEqual([['a', 1]]);
  set(services, leaf('a', ['a3']));
  expect(services.openStreams()).toStrictEqual([['a', 1]]);
  services.closed('a', 'http://a2:80');
  expect(services.openStreams()).toStrictEqual([]);
  remove(services, 'a');
  services.closed('a', 'http://a2:80');
  expect(services.openStreams()).toStrictEqual([]);
});

test('with PowerOfTwo the server with less open exchanges is asked', () => {
  const services = table([leaf('a', ['a1', 'a2'], { strategy: 'PowerOfTwo' })]);
  services.opened('a', 'http://a1:80');
  expect(askMany(services, 'a', 20)).toStrictEqual({ a2: 20 });
  services.opened('a', 'http://a2:80');
  services.opened('a', 'http://a2:80');
  expect(askMany(services, 'a', 20)).toStrictEqual({ a1: 20 });
  set(services, leaf('a', ['a1', 'a2']));
  expect(askMany(services, 'a', 20)).toStrictEqual({ a1: 10, a2: 10 });
});

test('a transport is found by its name, and without one it is Traefik’s default', () => {
  const services = table([]);
  const own = { ...defaultTransport, name: 'default-own@kubernetescrd', isInsecure: true };
  services.apply({ ...nothing, transports: { set: [own], removed: [] } });
  expect(services.transport(own.name)).toBe(own);
  expect(services.transport(undefined)).toMatchObject({
    dialTimeoutMs: 30_000,
    idleTimeoutMs: 90_000,
    maxIdlePerHost: 200,
    responseHeaderTimeoutMs: 0,
  });
  services.apply({ ...nothing, transports: { set: [], removed: [own.name] } });
  expect(services.transport(own.name)).toBe(defaultTransport);
});

test('a ServerSet that changes is used by all leaves that lead to it, and one that goes leaves them without servers', () => {
  const sets = { serverSet: 'shared' };
  const services = table([leaf('a', [], sets), leaf('b', [], sets), weighted('route', { b: 1 })]);
  const setTo = (...hosts: readonly string[]): void => {
    services.apply({ ...nothing, serverSets: { set: [{ name: 'shared', servers: hosts.map(server) }], removed: [] } });
  };
  setTo('s1');
  expect(['a', 'b', 'route'].map((name) => ask(services, name))).toEqual(['s1', 's1', 's1']);
  setTo('s2');
  expect(['a', 'b', 'route'].map((name) => ask(services, name))).toEqual(['s2', 's2', 's2']);
  services.apply({ ...nothing, serverSets: { set: [], removed: ['shared'] } });
  expect(['a', 'b', 'route'].map((name) => ask(services, name))).toEqual(['503 a', '503 b', '503 b']);
});
