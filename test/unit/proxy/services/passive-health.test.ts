import { expect, test } from 'vitest';
import { stickyValue } from '../../../../src/balance/sticky.ts';
import type { Service } from '../../../../src/proxy/configuration.ts';
import { ask, askMany, cookie, leaf, remove, set, table, weighted } from './service-builders.ts';

const passiveHealth = { failureWindowMs: 10_000, maxFailedAttempts: 3 };
const pair = leaf('a', ['a1', 'a2'], { passiveHealth });
const [a1, a2] = ['http://a1:80', 'http://a2:80'];

function watched(...services: readonly Service[]) {
  const clock = { nowMs: 1000 };
  const events: string[] = [];
  const created = table(services, {
    nowMs: () => clock.nowMs,
    onServerDown: ({ leaf, url, forMs }) => events.push(`down ${leaf} ${url} ${forMs}`),
    onServerUp: ({ leaf, url }) => events.push(`up ${leaf} ${url}`),
  });
  return { services: created, clock, events };
}

test('a server that fails too often within the window is left alone for as long', () => {
  const { services, clock, events } = watched(pair);
  for (let failure = 0; failure < 2; failure += 1) services.report('a', a1, false);
  expect(askMany(services, 'a', 10)).toStrictEqual({ a1: 5, a2: 5 });
  services.report('a', a1, false);
  expect(askMany(services, 'a', 10)).toStrictEqual({ a2: 10 });
  expect(events).toStrictEqual([`down a ${a1} 10000`]);
  clock.nowMs += 9999;
  expect(ask(services, 'a')).toBe('a2');
  clock.nowMs += 1;
  expect(askMany(services, 'a', 10)).toStrictEqual({ a1: 5, a2: 5 });
  expect(events).toStrictEqual([`down a ${a1} 10000`, `up a ${a1}`]);
});

test('an answer in between starts the count again, and so does time', () => {
  const { services, clock, events } = watched(pair);
  for (const isOk of [false, false, true, false, false]) services.report('a', a1, isOk);
  clock.nowMs += 10_001;
  for (const isOk of [false, false]) services.report('a', a1, isOk);
  expect(events).toStrictEqual([]);
  services.report('a', a1, false);
  expect(events).toHaveLength(1);
});

test('failures of requests that were under way are told once', () => {
  const { services, events } = watched(pair);
  for (let failure = 0; failure < 50; failure += 1) services.report('a', a1, false);
  expect(events).toStrictEqual([`down a ${a1} 10000`]);
});

test('with all servers down there is none, or another service is chosen', () => {
  const { services, clock } = watched(pair, leaf('b', ['b1']), weighted('route', { a: 9, b: 1 }));
  for (const url of [a1, a2]) for (let failure = 0; failure < 3; failure += 1) services.report('a', url, false);
  expect(ask(services, 'a')).toBe('503 a');
  expect(askMany(services, 'route', 10)).toStrictEqual({ b1: 10 });
  clock.nowMs += 10_000;
  expect(askMany(services, 'route', 100)['b1']).toBeLessThan(12);
});

test('what another worker found out holds here too, and is not told again', () => {
  const { services, clock, events } = watched(pair);
  services.applyHealth({ leaf: 'a', url: a2, forMs: 5000 });
  expect(askMany(services, 'a', 4)).toStrictEqual({ a1: 4 });
  expect(events).toStrictEqual([]);
  clock.nowMs += 5000;
  expect(askMany(services, 'a', 4)).toStrictEqual({ a1: 2, a2: 2 });
  services.applyHealth({ leaf: 'unknown', url: a2, forMs: 5000 });
  services.applyHealth({ leaf: 'a', url: 'http://unknown:80', forMs: 5000 });
  expect(askMany(services, 'a', 4)).toStrictEqual({ a1: 2, a2: 2 });
});

test('servers come back at their own times', () => {
  const { services, clock } = watched(leaf('a', ['a1', 'a2', 'a3'], { passiveHealth }));
  services.applyHealth({ leaf: 'a', url: a1, forMs: 2000 });
  services.applyHealth({ leaf: 'a', url: a2, forMs: 1000 });
  clock.nowMs += 1000;
  expect(askMany(services, 'a', 4)).toStrictEqual({ a2: 2, a3: 2 });
  clock.nowMs += 1000;
  expect(askMany(services, 'a', 3)).toStrictEqual({ a1: 1, a2: 1, a3: 1 });
});

test('health survives changes of the configuration, but not the end of the check', () => {
  const { services } = watched(pair);
  for (let failure = 0; failure < 3; failure += 1) services.report('a', a1, false);
  set(services, leaf('a', ['a2', 'a1', 'a3'], { passiveHealth }));
  expect(askMany(services, 'a', 10)).toStrictEqual({ a2: 5, a3: 5 });
  set(services, leaf('a', ['a1', 'a2']));
  expect(askMany(services, 'a', 10)).toStrictEqual({ a1: 5, a2: 5 });
  set(services, pair);
  expect(askMany(services, 'a', 10)).toStrictEqual({ a1: 5, a2: 5 });
});

test('without a check nothing is taken out', () => {
  const { services, events } = watched(leaf('a', ['a1']));
  for (let failure = 0; failure < 10; failure += 1) services.report('a', a1, false);
  services.applyHealth({ leaf: 'a', url: a1, forMs: 5000 });
  expect(ask(services, 'a')).toBe('a1');
  expect(events).toStrictEqual([]);
});

test('who sticks to a server that is down is chosen for anew', () => {
  const { services } = watched(leaf('a', ['a1', 'a2'], { passiveHealth, sticky: cookie('pod') }));
  const sent = `pod=${stickyValue(a1)}`;
  expect(ask(services, 'a', sent)).toBe('a1');
  services.applyHealth({ leaf: 'a', url: a1, forMs: 5000 });
  expect(ask(services, 'a', sent)).toBe('a2');
});

test('a leaf that is gone while its server is down is forgotten', () => {
  const { services, clock, events } = watched(pair, leaf('b', ['b1']));
  for (let failure = 0; failure < 3; failure += 1) services.report('a', a1, false);
  remove(services, 'a');
  clock.nowMs += 10_000;
  expect(ask(services, 'b')).toBe('b1');
  expect(events).toHaveLength(1);
});
