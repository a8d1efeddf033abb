import { describe, expect, test } from 'vitest';
import type { Block } from '../../src/analysis/block.ts';
import type { Place } from '../../src/analysis/finding.ts';
import type { Trials } from '../../src/api/rollout-evidence.ts';
import { addToTrials, combinedRollback, findingsOf, startTrials } from '../../src/analysis/trials.ts';
import { usualSpec } from '../support/judged-traffic.ts';

const bounds = [0.1];
/** Margins are wide, so that one request in a block is evidence. */
const spec = {
  ...usualSpec,
  margin: { factor: 1, points: 0.2 },
  slo: { errorRatio: 0.35, latency: { underSeconds: 0.1, share: 0.45 } },
};
const blockMs = 10_000;

/** Truth is what an arm does: errors among its requests, and slow ones among the good. */
interface Truth {
  readonly errors: number;
  readonly slow: number;
}

interface Answered {
  readonly counts: { readonly requests: number; readonly errors: number };
  readonly durations: { readonly total: number; readonly within: readonly number[] };
  readonly chance: number;
}

/** answersOf lists all that so many requests may come to. */
function answersOf(requests: number, { errors, slow }: Truth): readonly Answered[] {
  const all: Answered[] = [];
  for (let failed = 0; failed <= requests; failed++) {
    for (let late = 0; late <= requests - failed; late++) {
      const good = requests - failed;
      const chance =
        (factorial(requests) / (factorial(failed) * factorial(late) * factorial(good - late))) *
        errors ** failed *
        ((1 - errors) * slow) ** late *
        ((1 - errors) * (1 - slow)) ** (good - late);
      const durations = { total: good, within: [good - late] };
      if (chance > 0) all.push({ counts: { requests, errors: failed }, durations, chance });
    }
  }
  return all;
}

function factorial(n: number): number {
  return n <= 1 ? 1 : n * factorial(n - 1);
}

/** BlockKind says which tests look at a block. */
interface BlockKind {
  readonly isWarm?: boolean;
  readonly isAlone?: boolean;
  /** isTimed is false for a block without a histogram. */
  readonly isTimed?: boolean;
}

function worthOf(trials: Trials): number {
  return Math.exp(combinedRollback(findingsOf(trials)));
}

interface Next {
  readonly trials: Trials;
  readonly chance: number;
}

/** nextOf lists all that a block may lead to. */
function nextOf(trials: Trials, kind: BlockKind, stable: Truth, canary: Truth): readonly Next[] {
  const { isWarm = true, isAlone = false, isTimed = true } = kind;
  const place: Place = { spec, plannedBlocks: 3, bounds: isTimed ? bounds : [], isWarm, isAlone };
  return answersOf(isAlone ? 2 : 1, canary).flatMap((ofCanary) =>
    answersOf(isAlone ? 0 : 2, stable).map((ofStable) => {
      const arms = { canary: ofCanary.counts, stable: ofStable.counts };
      const durations = { canary: ofCanary.durations, stable: ofStable.durations };
      const block: Block = { endMs: blockMs, arms, ...(isTimed ? { durations } : {}) };
      return { trials: addToTrials(trials, block, place), chance: ofCanary.chance * ofStable.chance };
    }),
  );
}

/** greatestGain is by what factor the evidence is expected to grow with a block, at most, whatever came before. */
function greatestGain(trials: Trials, kinds: readonly BlockKind[], stable: Truth, canary: Truth): number {
  const [kind, ...rest] = kinds;
  if (kind === undefined) return 0;
  const all = nextOf(trials, kind, stable, canary);
  const gain = all.reduce((sum, next) => sum + next.chance * worthOf(next.trials), 0) / worthOf(trials);
  return Math.max(gain, ...all.map((next) => greatestGain(next.trials, rest, stable, canary)));
}

/** started knows the durations of so many requests of stable; at 200 they are compared. */
function started(requests: number): Trials {
  const durations = { total: requests, within: [Math.round(requests * 0.7)] };
  const none = { counts: { requests: 0, errors: 0 }, durations: { total: 0, within: [0] } };
  const arms = { stable: { requests, errors: Math.round(requests * 0.1) }, canary: none.counts };
  const blocks = [{ endMs: 0, arms, durations: { stable: durations, canary: none.durations } }];
  return startTrials(spec, { blocks, bounds });
}

describe('the evidence of all tests together', () => {
  /** Within every limit: 20 points more errors, at most 35 %; 6 points more slow requests, at most 55 %. */
  const truths: readonly (readonly [stable: Truth, canary: Truth])[] = [
    [
      { errors: 0.1, slow: 0.3 },
      { errors: 0.3, slow: 0.36 },
    ],
    [
      { errors: 0.15, slow: 0.48 },
      { errors: 0.35, slow: 0.54 },
    ],
    [
      { errors: 0, slow: 0.2 },
      { errors: 0.2, slow: 0.1 },
    ],
  ];
  const orders: Record<string, [number, readonly BlockKind[]]> = {
    'of a canary that warms up, is compared, and is alone': [300, [{ isWarm: false }, {}, { isAlone: true }]],
    'whose durations are compared from the second block on': [198, [{}, {}, {}]],
    'whose durations are known and limited late': [198, [{ isTimed: false }, {}, {}]],
    'whose durations are first known when it is alone': [
      300,
      [{ isTimed: false }, { isAlone: true }, { isAlone: true }],
    ],
    'that is alone between comparisons': [300, [{}, { isAlone: true }, {}]],
  };

  test.each(Object.entries(orders))(
    'is never expected to grow, %s',
    (_name, [requests, kinds]) => {
      const gains = truths.map(([stable, canary]) => greatestGain(started(requests), kinds, stable, canary));
      expect(Math.max(...gains)).toBeLessThanOrEqual(1 + 1e-9);
      expect(Math.max(...gains)).toBeGreaterThan(0.9);
    },
    60_000,
  );

  test('is expected to grow for a canary that is worse, so that the tests above can fail', () => {
    const bad: readonly [Truth, Truth] = [
      { errors: 0.1, slow: 0.3 },
      { errors: 0.9, slow: 0.3 },
    ];
    expect(greatestGain(started(300), [{}], ...bad)).toBeGreaterThan(1.1);
  });
});
