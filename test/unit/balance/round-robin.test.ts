import { expect, test } from 'vitest';
import { PowerOfTwo } from '../../../src/balance/power-of-two.ts';
import { RoundRobin } from '../../../src/balance/round-robin.ts';
import { seededRandom } from './seeded-random.ts';

function take(balancer: { next(): string | undefined }, count: number): string {
  return Array.from({ length: count }, () => balancer.next() ?? '-').join('');
}

function robin(items: string, random: () => number): RoundRobin<string> {
  const balancer = new RoundRobin<string>(random);
  balancer.update(items.split(''));
  return balancer;
}

test('round robin goes around, and begins anywhere', () => {
  expect(
    take(
      robin('abc', () => 0),
      7,
    ),
  ).toBe('abcabca');
  expect(
    take(
      robin('abc', () => 0.5),
      7,
    ),
  ).toBe('bcabcab');
  expect(
    take(
      robin('abc', () => 0.999),
      4,
    ),
  ).toBe('cabc');
  expect(
    take(
      robin('', () => 0.5),
      2,
    ),
  ).toBe('--');
});

test('round robin goes on where it was when others come and go', () => {
  const balancer = robin('abcd', () => 0);
  expect(take(balancer, 2)).toBe('ab');
  balancer.update(['d', 'c', 'a', 'e']);
  expect(take(balancer, 4)).toBe('caed');
});

test('round robin goes on anywhere when the next one is gone', () => {
  const answers = [0, 0.99, 0.4];
  const balancer = robin('abcd', () => answers.shift() ?? 0);
  expect(take(balancer, 1)).toBe('a');
  balancer.update(['a', 'c', 'd']);
  expect(take(balancer, 3)).toBe('dac');
  balancer.update(['a', 'b']);
  expect(take(balancer, 2)).toBe('ab');
});

test('power of two takes the less busy of two, and all of equally busy ones as often', () => {
  const busy = new Map([
    ['a', 9],
    ['b', 1],
    ['c', 5],
  ]);
  const balancer = new PowerOfTwo<string>(seededRandom(2), (item) => busy.get(item) ?? 0);
  expect(take(balancer, 1)).toBe('-');
  balancer.update(['a']);
  expect(take(balancer, 2)).toBe('aa');
  balancer.update(['a', 'b', 'c']);
  const taken = take(balancer, 3000);
  // Each pair is a third: b wins two of them, c the third, a never.
  expect(taken).not.toContain('a');
  expect(taken.split('b').length - 1).toBeGreaterThan(1900);
  expect(taken.split('b').length - 1).toBeLessThan(2100);
  busy.clear();
  const even = take(balancer, 3000);
  for (const item of ['a', 'b', 'c']) {
    expect(even.split(item).length - 1).toBeGreaterThan(900);
    expect(even.split(item).length - 1).toBeLessThan(1100);
  }
});
