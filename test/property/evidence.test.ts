import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Block } from '../../src/analysis/block.ts';
import { addSamples, watermarkMs, type Evidence } from '../../src/analysis/evidence.ts';
import { boundsFor } from '../../src/analysis/latency-trials.ts';
import type { SamplesOutcome } from '../../src/analysis/metric-source.ts';
import {
  begin,
  blockMs,
  blocksOf,
  bounds,
  contextAt,
  outcomeOf,
  specOf,
  startMs,
  type Traffic,
} from '../support/judged-traffic.ts';

const count = 48;
const weights = [5, 25, 50, 100];

/** traffic has four steps of 12 blocks, some quiet blocks, and every test; with 2 rps there is no plan for durations at first. */
const traffic: fc.Arbitrary<Traffic> = fc
  .record({
    seed: fc.string({ minLength: 1, maxLength: 8 }),
    rps: fc.constantFrom(0.2, 2, 50, 500),
    canaryRatio: fc.constantFrom(0.005, 0.02, 1),
    slowness: fc.constantFrom(1, 2),
    warmupMs: fc.constantFrom(0, 45_000, 60_000),
    compare: fc.constantFrom('Stable' as const, 'None' as const),
    latency: fc.boolean(),
  })
  .map(({ seed, rps, canaryRatio, slowness, warmupMs, compare, latency }) => ({
    seed,
    rps,
    weightAt: (index: number) => weights[Math.floor(Math.max(0, index) / 12)] ?? 100,
    errorRatioAt: (arm: 'stable' | 'canary') => (arm === 'canary' ? canaryRatio : 0.005),
    slownessAt: (arm: 'stable' | 'canary') => (arm === 'canary' ? slowness : 1),
    spec: {
      warmupMs,
      compare,
      slo: { errorRatio: 0.05, ...(latency ? { latency: { underSeconds: 0.75, share: 0.99 } } : {}) },
    },
  }));

/** cuts are after which blocks the controller is another one. */
const cuts = fc.uniqueArray(fc.integer({ min: 1, max: count - 1 }), { maxLength: 12 });

/** answer is what a source holds after the watermark, at the bounds that are asked for. */
function answer(given: Traffic, evidence: Evidence, blocks: readonly Block[]): SamplesOutcome {
  const after = blocks.filter(({ endMs }) => endMs > watermarkMs(evidence));
  const asked = boundsFor(specOf(given), evidence.trials ?? {});
  if (asked === undefined) {
    const { bounds: _bounds, ...rest } = outcomeOf(
      given,
      after.map(({ endMs, arms }) => ({ endMs, arms })),
    );
    return rest;
  }
  if (asked === 'All') return outcomeOf(given, after);
  const indexes = asked.map((bound) => bounds.indexOf(bound));
  const picked = after.map(({ endMs, arms, durations }) => {
    const pick = (arm: 'stable' | 'canary') => ({
      total: durations?.[arm].total ?? 0,
      within: indexes.map((index) => durations?.[arm].within[index] ?? 0),
    });
    return { endMs, arms, durations: { stable: pick('stable'), canary: pick('canary') } };
  });
  return { ...outcomeOf(given, picked), bounds: asked };
}

/** follow reads the blocks up to before `until`, in windows that end after the blocks of `ends`. */
function follow(given: Traffic, from: Evidence, blocks: readonly Block[], ends: readonly number[]): Evidence {
  return ends.reduce<Evidence>((evidence, end) => {
    const outcome = answer(given, evidence, blocks.slice(0, end));
    return addSamples(evidence, outcome, contextAt(given, end - 1), startMs + end * blockMs);
  }, from);
}

/** Windows end where a step does, because a leader learns of the next one only then. */
function windows(ends: readonly number[]): readonly number[] {
  return [...new Set([...ends, 12, 24, 36, count])].toSorted((left, right) => left - right);
}
function everyBlock(from: number, until: number): readonly number[] {
  return Array.from({ length: until - from }, (_none, index) => from + index + 1);
}
function stored(evidence: Evidence): Evidence {
  return JSON.parse(JSON.stringify(evidence)) as Evidence;
}

describe('evidence', () => {
  test('is the same after a restart at every block', () => {
    fc.assert(
      fc.property(traffic, (given) => {
        const blocks = blocksOf(given, 0, count);
        const whole = follow(given, begin(given), blocks, everyBlock(0, count));
        const restarted = everyBlock(0, count).reduce<Evidence>(
          (evidence, end) => stored(follow(given, evidence, blocks, [end])),
          stored(begin(given)),
        );
        expect(restarted).toEqual(whole);
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  test('is the same however its windows are cut', () => {
    fc.assert(
      fc.property(traffic, cuts, (given, ends) => {
        const blocks = blocksOf(given, 0, count);
        const one = follow(given, begin(given), blocks, everyBlock(0, count));
        expect(follow(given, begin(given), blocks, windows(ends))).toEqual(one);
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  test('is the same for a leader that stored it some blocks ago and reads them again', () => {
    fc.assert(
      fc.property(
        traffic,
        fc.integer({ min: 0, max: count - 1 }),
        fc.integer({ min: 1, max: 11 }),
        (given, from, length) => {
          const blocks = blocksOf(given, 0, count);
          const until = Math.min(count, from + length);
          const old = follow(given, begin(given), blocks, everyBlock(0, from));
          const present = follow(given, old, blocks, everyBlock(from, until));
          // The second leader knows the step of the present only.
          const replayed = follow(given, stored(old), blocks, [until]);
          expect(replayed.trials?.errors).toEqual(present.trials?.errors);
          expect(replayed).toEqual(present);
        },
      ),
      { numRuns: 100 },
    );
  }, 60_000);

  test('does not count what it has counted, when an answer comes twice', () => {
    fc.assert(
      fc.property(traffic, fc.integer({ min: 1, max: count }), (given, end) => {
        const blocks = blocksOf(given, 0, end);
        const once = follow(
          given,
          begin(given),
          blocks,
          windows([end]).filter((at) => at <= end),
        );
        const context = contextAt(given, end - 1);
        expect(addSamples(once, outcomeOf(given, blocks), context, startMs)).toEqual(once);
      }),
      { numRuns: 30 },
    );
  });
});
