import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { WeightedRoundRobin, type WeightedItem } from '../../src/balance/weighted-round-robin.ts';
import { seededRandom } from '../unit/balance/seeded-random.ts';

const weights = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 8 });

function toItems(weights: readonly number[], scale = 1): WeightedItem<number>[] {
  return weights.map((weight, index) => ({ key: String(index), weight: weight * scale, item: index }));
}

/** Of each entry's own turns it is at most 1 away, and what the others are away shifts the count of all turns. */
function tolerance(weights: readonly number[], index: number): number {
  const share = shareOf(weights, index);
  return 1 - share + (weights.length - 1) * share + 1e-6;
}

function shareOf(weights: readonly number[], index: number): number {
  return (weights[index] ?? 0) / weights.reduce((sum, weight) => sum + weight, 0);
}

function expectShares(weights: readonly number[], taken: readonly number[], picks: number): void {
  for (const [index, count] of taken.entries()) {
    const away = Math.abs(count - picks * shareOf(weights, index));
    expect(away, `entry ${index} of ${weights.join(':')} had ${count} of ${picks}`).toBeLessThanOrEqual(
      tolerance(weights, index),
    );
  }
}

test('over any number of turns, from any time on, everybody gets its share ± 1 (± the entries), with reloads in between', () => {
  const runs = fc.array(fc.record({ picks: fc.integer({ min: 0, max: 300 }), scale: fc.integer({ min: 1, max: 7 }) }));
  fc.assert(
    fc.property(weights, runs, fc.integer(), fc.boolean(), (weights, runs, seed, isReloaded) => {
      const options = { random: seededRandom(seed), isRestarting: false, isUsable: () => true };
      const balancer = new WeightedRoundRobin<number>(options);
      balancer.update(toItems(weights));
      const history: number[] = [];
      for (const { picks, scale } of runs) {
        for (let pick = 0; pick < picks; pick += 1) history.push(balancer.next() ?? -1);
        // The same shares in other numbers, and in another order.
        if (isReloaded) balancer.update(toItems(weights, scale).reverse());
      }
      for (const [from, to] of windows(history.length, seed)) {
        const taken = weights.map(() => 0);
        for (const index of history.slice(from, to)) taken[index] = (taken[index] ?? 0) + 1;
        expectShares(weights, taken, to - from);
      }
    }),
  );
});

function windows(length: number, seed: number): readonly (readonly [from: number, to: number])[] {
  const random = seededRandom(seed + 1);
  const some = Array.from({ length: 20 }, () => [random(), random()].map((part) => Math.floor(part * (length + 1))));
  return [...some.map(([one = 0, other = 0]) => [Math.min(one, other), Math.max(one, other)] as const), [0, length]];
}

test('however some leave and return, in between everybody who is there gets its share ± 1 (± the entries): no burst, no loss', () => {
  const runs = fc.array(fc.record({ picks: fc.integer({ min: 0, max: 200 }), down: fc.array(fc.nat(7)) }));
  fc.assert(
    fc.property(weights, runs, fc.integer(), (weights, runs, seed) => {
      let down: ReadonlySet<number> = new Set();
      const isUsable = (item: number): boolean => !down.has(item);
      const balancer = new WeightedRoundRobin<number>({ random: seededRandom(seed), isRestarting: false, isUsable });
      balancer.update(toItems(weights));
      for (const run of runs) {
        down = new Set(run.down);
        const present = weights.flatMap((weight, index) => (isUsable(index) ? [{ weight, index }] : []));
        if (present.length === 0) {
          expect(balancer.next()).toBeUndefined();
          continue;
        }
        const history = Array.from({ length: run.picks }, () => balancer.next());
        const taken = present.map(({ index }) => history.filter((item) => item === index).length);
        const presentWeights = present.map(({ weight }) => weight);
        expectShares(presentWeights, taken, run.picks);
      }
    }),
  );
});

test('any change leaves everybody within one cycle of the next turn', () => {
  const changes = fc.array(fc.tuple(weights, fc.integer({ min: 0, max: 50 })), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(changes, fc.integer(), (changes, seed) => {
      const options = { random: seededRandom(seed), isRestarting: false, isUsable: () => true };
      const balancer = new WeightedRoundRobin<number>(options);
      for (const [weights, picks] of changes) {
        balancer.update(toItems(weights));
        for (let pick = 0; pick < picks; pick += 1) balancer.next();
      }
      const [last = []] = changes.at(-1) ?? [];
      // In one cycle of the smallest weight everybody else has at most a turn more than in its share of it.
      const smallest = last.indexOf(Math.min(...last));
      const longest = last.reduce((sum, weight) => sum + Math.floor(weight / (last[smallest] ?? 1)) + 1, 0);
      const next = Array.from({ length: longest }, () => balancer.next());
      expect(next).toContain(smallest);
    }),
  );
});
