import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lastBlockEnd, sumBlocks, type Block } from '../../src/analysis/block.ts';
import { addArms, noArms, type Arms } from '../../src/analysis/sample.ts';
import { classifyCode } from '../../src/source/code-class.ts';
import { countDeltas, type Tally } from '../../src/source/deltas.ts';
import type { Series } from '../../src/source/series.ts';
import { addInstances, findTargets, type Counter } from '../../src/source/targets.ts';
import { eventOf, historyStartMs, run } from '../unit/source/history.ts';
import { timeline } from '../unit/source/timeline.ts';

const maxGapMs = -historyStartMs;
const blockMs = 20_000;
const endMs = 300_000;
const names = ['C/200', 'C/500', 'S/200', 'S/503', 'S/499'];

const event = eventOf(names);
const instances = fc.array(fc.array(event, { minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 3 });
const cuts = fc.array(fc.integer({ min: 1, max: endMs - 1 }), { maxLength: 12 });

/** call counts (sinceMs, untilMs] as the source does: from what it reads of maxGapMs before to the end of the window. */
function call(series: readonly Series[], sinceMs: number, untilMs: number, gridMs = blockMs): Tally {
  const named = (name: string): Series[] => series.filter(({ labels }) => labels['__name__'] === name);
  const instances = { up: new Map(), started: new Map() };
  addInstances(instances, named('up'), named('process_start_time_seconds'));
  const span = { fromMs: sinceMs - maxGapMs + 1, toMs: untilMs };
  const requests = named('traefik_service_requests_total');
  const outcome = findTargets({ requests, instances }, toCounter, () => span);
  if (outcome.kind === 'Refused') throw new Error(outcome.message);
  return countDeltas(outcome.targets, { sinceMs, untilMs, maxGapMs, blockMs: gridMs });
}

function toCounter({ labels, samples }: Series): Counter {
  const arm = labels['service'] === 'C' ? 'canary' : 'stable';
  return { arm, quality: classifyCode(labels['protocol'], labels['code']), samples };
}

describe('countDeltas', () => {
  test('finds the same blocks however a timeline is cut', () => {
    fc.assert(
      fc.property(instances, cuts, fc.integer({ min: 0, max: 50_000 }), (histories, cuts, startMs) => {
        const series = histories.flatMap((events, index) => timeline(`10.0.0.${index}:8080`, run(events)));
        let sinceMs = startMs;
        let discarded = 0;
        const blocks: Block[] = [];
        for (const cut of [...cuts.toSorted((left, right) => left - right), endMs]) {
          const untilMs = Math.max(sinceMs, lastBlockEnd(cut, blockMs));
          const part = call(series, sinceMs, untilMs);
          blocks.push(...part.blocks);
          discarded += part.discarded;
          sinceMs = untilMs;
        }
        expect({ blocks, discarded }).toEqual(call(series, startMs, endMs));
      }),
      { numRuns: 1_000 },
    );
  });

  test('puts each difference into the block that the later of its scrapes lies in', () => {
    fc.assert(
      fc.property(instances, (histories) => {
        const series = histories.flatMap((events, index) => timeline(`10.0.0.${index}:8080`, run(events)));
        const { blocks } = call(series, 0, endMs);
        expect(blocks).toEqual(
          Array.from({ length: endMs / blockMs }, (_, index) => (index + 1) * blockMs).flatMap((end) =>
            // The same arithmetic, on a grid so coarse that there is one block only.
            call(series, end - blockMs, end, 10 * endMs).blocks.map(({ arms }) => ({ endMs: end, arms })),
          ),
        );
      }),
    );
  });

  test('counts every request between the first and the last scrape of an instance that stays up', () => {
    const steady = event.map((one) => ({
      ...one,
      afterMs: 15_000,
      isUp: true,
      restarts: false,
      removed: [],
      glitch: false,
    }));
    fc.assert(
      fc.property(fc.array(steady, { minLength: 2, maxLength: 20 }), (events) => {
        const series = timeline('a:8080', run(events));
        const expected = events.slice(1).reduce((sum, { added }) => addArms(sum, armsOf(added)), noArms);
        const { blocks, discarded } = call(series, -maxGapMs + 15_000, endMs);
        expect({ arms: sumBlocks(blocks), discarded }).toEqual({ arms: expected, discarded: 0 });
      }),
    );
  });

  test('never counts more than was answered, whatever restarts, vanishes or is missed', () => {
    const honest = event.map((one) => ({ ...one, glitch: false }));
    fc.assert(
      fc.property(fc.array(honest, { minLength: 1, maxLength: 30 }), (events) => {
        const answered = events.reduce((sum, { added }) => addArms(sum, armsOf(added)), noArms);
        const arms = sumBlocks(call(timeline('a:8080', run(events)), -maxGapMs, endMs * 10).blocks);
        expect(arms.canary.requests).toBeLessThanOrEqual(answered.canary.requests);
        expect(arms.stable.requests).toBeLessThanOrEqual(answered.stable.requests);
        expect(arms.canary.errors).toBeLessThanOrEqual(answered.canary.errors);
        expect(arms.stable.errors).toBeLessThanOrEqual(answered.stable.errors);
      }),
      { numRuns: 500 },
    );
  });
});

function armsOf(added: Readonly<Record<string, number>>): Arms {
  const sum = (...keys: readonly string[]): number => keys.reduce((total, key) => total + (added[key] ?? 0), 0);
  return {
    stable: { requests: sum('S/200', 'S/503'), errors: sum('S/503') },
    canary: { requests: sum('C/200', 'C/500'), errors: sum('C/500') },
  };
}
