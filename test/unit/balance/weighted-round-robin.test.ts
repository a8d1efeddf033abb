import { expect, test } from 'vitest';
import { WeightedRoundRobin } from '../../../src/balance/weighted-round-robin.ts';
import { seededRandom } from './seeded-random.ts';

interface Setup {
  readonly weights: Readonly<Record<string, number>>;
  readonly random?: () => number;
  readonly isRestarting?: boolean;
  /** down names what is unusable now; tests change it. */
  readonly down?: ReadonlySet<string>;
}

function items(weights: Readonly<Record<string, number>>): { key: string; weight: number; item: string }[] {
  return Object.entries(weights).map(([key, weight]) => ({ key, weight, item: key }));
}

function create({
  weights,
  random = seededRandom(1),
  isRestarting = false,
  down = new Set(),
}: Setup): WeightedRoundRobin<string> {
  const balancer = new WeightedRoundRobin<string>({ random, isRestarting, isUsable: (item) => !down.has(item) });
  balancer.update(items(weights));
  return balancer;
}

function take(balancer: WeightedRoundRobin<string>, count: number): string {
  return Array.from({ length: count }, () => balancer.next() ?? '-').join('');
}

function count(text: string, item: string): number {
  return text.split(item).length - 1;
}

test('turns are interleaved as evenly as the weights allow', () => {
  expect(take(create({ weights: { a: 3, b: 1 } }), 400)).toMatch(/^a{0,3}(baaa)+ba{0,3}$/);
  expect(take(create({ weights: { a: 1, b: 1, c: 1 } }), 9)).toMatch(/^(...)\1\1$/);
});

test('as strict as Traefik, a weight of 1 in 100 has its first turn last', () => {
  const strict = create({ weights: { a: 99, b: 1 }, isRestarting: true });
  expect(take(strict, 100).indexOf('b')).toBeGreaterThanOrEqual(98);
  expect(take(create({ weights: { a: 11, b: 3 }, isRestarting: true }), 14)).toBe('aaabaaaabaaaba');
});

test('as strict as Traefik, updates that come faster than its turns starve a small weight', () => {
  const strict = create({ weights: { a: 95, b: 5 }, isRestarting: true });
  let taken = '';
  for (let round = 0; round < 8; round += 1) {
    taken += take(strict, 15);
    strict.update(items({ a: 95, b: 5 }));
  }
  expect(count(taken, 'b')).toBe(0);
});

test('the phase of the first turn is random', () => {
  const firsts = [0, 0.25, 0.5, 0.75, 0.999].map((phase) => {
    // a begins at its weight, b somewhere in its cycle of 100.
    const answers = [0, 0, 1 - phase - 1e-9, 0];
    return take(create({ weights: { a: 99, b: 1 }, random: () => answers.shift() ?? 0 }), 100).indexOf('b');
  });
  expect(firsts).toStrictEqual([0, 24, 49, 74, 98]);
});

test('writing the same again changes nothing', () => {
  const [one, other] = [create({ weights: { a: 7, b: 2 } }), create({ weights: { a: 7, b: 2 } })];
  let again = '';
  for (let index = 0; index < 90; index += 1) {
    again += take(one, 1);
    one.update(items({ a: 7, b: 2 }));
  }
  expect(again).toBe(take(other, 90));
});

test('the same shares written with other numbers change nothing', () => {
  const [one, other] = [create({ weights: { a: 6, b: 2 } }), create({ weights: { a: 6, b: 2 } })];
  let again = '';
  for (let index = 0; index < 40; index += 1) {
    again += take(one, 1);
    one.update(items(index % 2 === 0 ? { a: 75, b: 25 } : { a: 6, b: 2 }));
  }
  expect(again).toBe(take(other, 40));
});

test('who stays keeps the place in its cycle, scaled to the new weight', () => {
  const balancer = create({ weights: { a: 90, b: 10 } });
  while (balancer.next() !== 'b');
  expect(take(balancer, 5)).toBe('aaaaa');
  // Half of a cycle has passed, and so it has in the new one, which is ten times as long.
  balancer.update(items({ a: 99, b: 1 }));
  expect(take(balancer, 60).indexOf('b')).toBeGreaterThanOrEqual(40);
  expect(take(balancer, 60)).not.toContain('b');
  balancer.update(items({ a: 50, b: 50 }));
  expect(take(balancer, 10)).toMatch(/^(ab){5}|(ba){5}$/);
});

test('who is new does not disturb the others', () => {
  const balancer = create({ weights: { a: 1, b: 1 } });
  const before = take(balancer, 3);
  balancer.update(items({ a: 1, b: 1, c: 1 }));
  const after = take(balancer, 12).replaceAll('c', '');
  expect(before + after).toMatch(/^(ab)+a?$|^(ba)+b?$/);
});

test('who cannot be used is left out, and the others share in proportion', () => {
  const down = new Set(['c']);
  const taken = take(create({ weights: { a: 2, b: 1, c: 7 }, down }), 300);
  expect([count(taken, 'a'), count(taken, 'b'), count(taken, 'c')]).toStrictEqual([200, 100, 0]);
});

test('who returns has one turn at once and no burst', () => {
  const down = new Set<string>();
  const balancer = create({ weights: { a: 50, b: 50 }, down });
  down.add('b');
  expect(take(balancer, 1000)).toBe('a'.repeat(1000));
  down.delete('b');
  expect(take(balancer, 9)).toMatch(/^b(ab){4}$/);
});

test('who is away only while its turn comes loses no more than that time', () => {
  const down = new Set<string>();
  const balancer = create({ weights: { a: 90, b: 10 }, down });
  let taken = '';
  for (let cycle = 0; cycle < 100; cycle += 1) {
    taken += take(balancer, 9).toLowerCase();
    down.add('b');
    taken += take(balancer, 1);
    down.delete('b');
  }
  // Away a tenth of the time.
  expect(count(taken, 'b')).toBeGreaterThanOrEqual(89);
  expect(count(taken, 'b')).toBeLessThanOrEqual(101);
  expect(taken).not.toContain('bb');
});

test('many who return together have one turn each', () => {
  const down = new Set(['b', 'c', 'd']);
  const balancer = create({ weights: { a: 1, b: 1, c: 1, d: 1 }, down });
  take(balancer, 100);
  down.clear();
  expect(take(balancer, 4).split('').toSorted().join('')).toMatch(/^(abcd|bcd.)$/);
  expect(count(take(balancer, 400), 'b')).toBeCloseTo(100, -1);
});

test('nobody usable is nobody, and all the same has an order when asked for', () => {
  const down = new Set(['a', 'b']);
  const balancer = create({ weights: { a: 3, b: 1 }, down });
  expect(balancer.next()).toBeUndefined();
  const all = Array.from({ length: 40 }, () => balancer.nextOfAll()).join('');
  expect(count(all, 'b')).toBe(10);
});

test('without a positive weight nobody is chosen', () => {
  expect(take(create({ weights: { a: 0, b: -1, c: Number.NaN } }), 3)).toBe('---');
  expect(create({ weights: {} }).nextOfAll()).toBeUndefined();
  expect(take(create({ weights: { a: 0, b: 1 } }), 5)).toBe('bbbbb');
});

test('weights of the same key add up', () => {
  const balancer = create({ weights: {} });
  balancer.update([...items({ a: 1, b: 2 }), ...items({ a: 1 })]);
  expect(count(take(balancer, 100), 'a')).toBe(50);
});

test('chance decides who comes first among equals, and everybody is it as often', () => {
  const random = seededRandom(7);
  for (const isRestarting of [true, false]) {
    const firsts = Array.from({ length: 3000 }, () =>
      take(create({ weights: { a: 1, b: 1, c: 1 }, random, isRestarting }), 1),
    ).join('');
    for (const item of ['a', 'b', 'c']) {
      expect(count(firsts, item)).toBeGreaterThan(900);
      expect(count(firsts, item)).toBeLessThan(1100);
    }
  }
});

test('after very many turns the shares are still right', () => {
  // One turn takes 2 ** 17 units of time here, so that it begins anew again and again.
  const balancer = create({ weights: { a: 2 ** -18, b: 3 * 2 ** -18 } });
  expect(count(take(balancer, 4000), 'a')).toBe(1000);
  balancer.update(items({ a: 2 ** -18, b: 2 ** -18, c: 2 ** -18 }));
  expect(Math.abs(count(take(balancer, 30), 'c') - 10)).toBeLessThanOrEqual(2);
});

for (const instances of [1, 4]) {
  for (const every of [1, 3, 7, 50, 99, 100, 101, 1000]) {
    test(`1 of 100 gets its share of 50,000 with an update every ${every} turns on ${instances} instances`, () => {
      const random = seededRandom(every * 10 + instances);
      const weights = [
        { canary: 1, stable: 99 },
        { stable: 990, canary: 10 },
      ];
      const balancers = Array.from({ length: instances }, () => create({ weights: { canary: 1, stable: 99 }, random }));
      let canary = 0;
      for (let turn = 0; turn < 50_000; turn += 1) {
        const balancer = balancers[Math.floor(random() * instances)];
        if (balancer?.next() === 'canary') canary += 1;
        if (turn % every !== 0) continue;
        const written = weights[(turn / every) % 2] ?? {};
        for (const one of balancers) one.update(items(written));
      }
      expect(canary).toBeGreaterThanOrEqual(400);
      expect(canary).toBeLessThanOrEqual(600);
    });
  }
}

test('1 of 100 gets its share also when it leaves and returns all the time', () => {
  const random = seededRandom(3);
  const balancer = create({ weights: { stable: 99, canary: 1 }, random });
  let canary = 0;
  for (let turn = 0; turn < 50_000; turn += 1) {
    if (turn % 10 === 0) balancer.update(items({ stable: 99 }));
    if (turn % 10 === 0) balancer.update(items({ stable: 99, canary: 1 }));
    if (balancer.next() === 'canary') canary += 1;
  }
  expect(canary).toBeGreaterThanOrEqual(400);
  expect(canary).toBeLessThanOrEqual(600);
});
