import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createChunkSize, cutChunks, groupByDistance, type Wanted } from '../../../src/source/chunks.ts';

function wanted(index: number, sinceMs: number, untilMs: number, askedUntilMs = untilMs): Wanted {
  const services = new Map([[`service-${index}`, 'stable' as const]]);
  const span = { fromMs: sinceMs - 35_000, toMs: untilMs };
  return { index, services, sinceMs, untilMs, askedUntilMs, span };
}

const any = fc.record({
  sinceMs: fc.integer({ min: -5_000_000, max: 0 }),
  lengthMs: fc.integer({ min: 0, max: 5_000_000 }),
});

describe('groupByDistance', () => {
  test('puts everyone in one group, whose span holds that of each member and is at most twice as long', () => {
    fc.assert(
      fc.property(fc.array(any, { maxLength: 60 }), (given) => {
        const all = given.map(({ sinceMs, lengthMs }, index) =>
          wanted(index, sinceMs, Math.min(sinceMs + lengthMs, sinceMs + 3_600_000), sinceMs + lengthMs),
        );
        const groups = groupByDistance(all, 50_000);
        const indexes = groups.flatMap(({ members }) => members.map(({ index }) => index));
        expect(indexes.toSorted((left, right) => left - right)).toEqual(all.map(({ index }) => index));
        for (const { span, members, isReplay } of groups) {
          for (const member of members) {
            expect(member.span.fromMs).toBeGreaterThanOrEqual(span.fromMs);
            expect(member.span.toMs).toBeLessThanOrEqual(span.toMs);
            const ownMs = member.span.toMs - member.span.fromMs;
            expect(span.toMs - span.fromMs).toBeLessThanOrEqual(2 * Math.max(ownMs, 50_000));
            expect(member.untilMs < member.askedUntilMs).toBe(isReplay);
          }
        }
      }),
    );
  });

  test('makes few groups however far a thousand rollouts are apart, and reads the freshest first', () => {
    const nowMs = 10_000_000;
    const all = Array.from({ length: 1_000 }, (_, index) => wanted(index, nowMs - index * 3_500, nowMs));
    const groups = groupByDistance(all, 50_000);
    expect(groups.length).toBeLessThanOrEqual(7);
    expect(groups[0]?.members[0]?.index).toBe(0);
    expect(groups.at(-1)?.members.at(-1)?.index).toBe(999);
  });
});

describe('cutChunks', () => {
  test('counts a service once that several rollouts share', () => {
    const shared = new Map([['shared', 'stable' as const]]);
    const members = Array.from({ length: 20 }, (_, index) => ({ ...wanted(index, 0, 1), services: shared }));
    expect(cutChunks(members, 4)).toEqual([members]);
  });

  test('cuts by the length of the expression as well, and never leaves anybody out', () => {
    const members = Array.from({ length: 10 }, (_, index) => ({
      ...wanted(index, 0, 1),
      services: new Map([[`${index}${'.'.repeat(8_000)}`, 'stable' as const]]),
    }));
    // Each dot is escaped: two names fill the 32 KiB.
    expect(cutChunks(members, 256).map((chunk) => chunk.map(({ index }) => index))).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
      [6, 7],
      [8, 9],
    ]);
    const many = { ...wanted(0, 0, 1), services: new Map(['a', 'b', 'c'].map((name) => [name, 'stable' as const])) };
    expect(cutChunks([many, wanted(1, 0, 1)], 2)).toHaveLength(2);
  });
});

describe('createChunkSize', () => {
  test('doubles to 256 while answers are small, and shrinks to what fits when one is large', () => {
    const size = createChunkSize();
    expect(size.maxNames).toBe(64);
    for (const grown of [128, 256, 256]) {
      size.learn(size.maxNames, 1_000);
      expect(size.maxNames).toBe(grown);
    }
    size.learn(256, 8 * 576 * 1024);
    expect(size.maxNames).toBe(32);
    size.learn(20, 1_000);
    expect(size.maxNames).toBe(64);
  });

  test('stays where it is on answers of about the right size, and of chunks that were not full', () => {
    const size = createChunkSize();
    size.learn(64, 800_000);
    size.learn(10, 100);
    expect(size.maxNames).toBe(64);
  });

  test('halves what was too much, down to four names, and tries more again only after a thousand answers', () => {
    const size = createChunkSize();
    size.halve(64);
    expect(size.maxNames).toBe(32);
    for (let count = 0; count < 999; count += 1) size.learn(32, 1_000);
    expect(size.maxNames).toBe(32);
    size.learn(32, 1_000);
    expect(size.maxNames).toBe(64);
    for (let count = 0; count < 20; count += 1) size.halve(size.maxNames);
    expect(size.maxNames).toBe(4);
  });
});
