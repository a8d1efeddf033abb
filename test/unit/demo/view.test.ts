import { stripVTControlCharacters } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RolloutStatus } from '../../../src/api/rollout-status.ts';
import { stories } from '../../../src/demo/stories.ts';
import type { HostTally } from '../../../src/demo/tally.ts';
import { widthOf, type Screen } from '../../../src/cli/text.ts';
import { frame, type DemoView } from '../../../src/demo/view.ts';

const sentence =
  'Canary 1/612 bad (0.16%), stable 7/2388 (0.29%). Excess -1.1..+1.2 points (95%, tolerated +2). Latency p99 <=0.3s ' +
  'against 0.1-0.3s, tolerated +100%. Rollback evidence 0%, safety evidence 41%. About 6 s at 20% to a verdict.';

const progressing: RolloutStatus = {
  phase: 'Progressing',
  reason: 'StepStarted',
  step: '2/3',
  weight: 50,
  message: `The canary goes from 20% to 50% (step 2 of 3). ${sentence}`,
  history: [
    { time: '2026-11-21T10:00:00.600Z', from: '', to: 'Pending', weight: 0, reason: 'NewRevision' },
    { time: '2026-11-21T10:00:01Z', from: 'Pending', to: 'Progressing', weight: 20, reason: 'StepStarted' },
    { time: '2026-11-21T10:00:10Z', from: 'Progressing', to: 'Progressing', weight: 50, reason: 'StepStarted' },
  ],
};

const failed: RolloutStatus = {
  phase: 'Failed',
  reason: 'MoreErrors',
  weight: 0,
  message: `The canary has more errors than stable and the margin together. ${sentence} Rolled back at 20% (step 1/3).`,
  history: [
    { time: '2026-11-21T10:00:01Z', from: 'Pending', to: 'Progressing', weight: 20, reason: 'StepStarted' },
    { time: '2026-11-21T10:00:09.700Z', from: 'Progressing', to: 'Failed', weight: 0, reason: 'MoreErrors' },
  ],
};

const healthy = { requests: 2388, errors: 7, totalMs: 2388 * 101, firstMs: 1, lastMs: 2 };
const good: HostTally = { stable: healthy, canary: { ...healthy, requests: 612, errors: 1, totalMs: 61_000 }, lost: 0 };
const bad: HostTally = { ...good, canary: { ...healthy, requests: 431, errors: 52, totalMs: 66_000 }, lost: 2 };

const releasedAtMs = Date.parse('2026-11-21T10:00:00Z');

function viewOf(change: Partial<DemoView> = {}): DemoView {
  const [first, second] = stories;
  return {
    seconds: 14.4,
    seed: 4711,
    rate: 600.4,
    releasedAtMs,
    stories: [
      { story: first!, status: progressing, tally: good, observed: 0.4967 },
      { story: second!, status: failed, tally: bad, observed: 0 },
    ],
    ...change,
  };
}

const screen: Screen = { width: 80, rows: 40, isColored: false, isUnicode: true };

describe('the view', () => {
  test('stands one story below the other on 80 columns', () => {
    expect(frame(viewOf(), screen).join('\n')).toMatchInlineSnapshot(`
      "sluice demo: 600 requests/s through the proxy, seed 4711                    14 s
      To end in a minute, unlike the defaults (in brackets): steps 20% 10s, 50% 6s (5%
      5m, 25% 10m, 50% 10m), errorRatio.maxIncrease 2pp (0.5pp), latency.maxIncrease
      100% (20%), warmup 2s (60s), minStep 4s (60s), scrape interval 1s (2s).

      good.localhost: v2 is like v1                              Progressing, step 2/3
        weight    ██████████████████████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░    50%
        observed  █████████████████████████████▊░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  49.7%
        stable v1 2,388 answers, 7 errors (0.29%), 101 ms on average
        canary v2 612 answers, 1 error (0.16%), 100 ms on average
        after the release: 20% at 1 s, 50% at 10 s
        Canary 1/612 bad (0.16%), stable 7/2388 (0.29%). Excess -1.1..+1.2 points
        (95%, tolerated +2). Latency p99 <=0.3s against 0.1-0.3s, tolerated +100%.
        Rollback evidence 0%, safety evidence 41%. About 6 s at 20% to a verdict.


      bad.localhost: v2 answers 15% with 500, takes 50% longer                  Failed
        weight    ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░     0%
        observed  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░     0%
        stable v1 2,388 answers, 7 errors (0.29%), 101 ms on average, 2 answered by...
        canary v2 431 answers, 52 errors (12.1%), 153 ms on average
        after the release: 20% at 1 s, Failed at 10 s
        The canary has more errors than stable and the margin together. Canary 1/612
        bad (0.16%), stable 7/2388 (0.29%). Excess -1.1..+1.2 points (95%, tolerated
        +2). Latency p99 <=0.3s against 0.1-0.3s, tolerated +100%. Rollback evidence
        0%, safety evidence 41%. About 6 s at 20% to a verdict. Rolled back at 20% ..."
    `);
  });

  test('stands them beside each other on 200 columns', () => {
    expect(frame(viewOf(), { ...screen, width: 200 }).join('\n')).toMatchInlineSnapshot(`
      "sluice demo: 600 requests/s through the proxy, seed 4711                                                                                                                                            14 s
      To end in a minute, unlike the defaults (in brackets): steps 20% 10s, 50% 6s (5% 5m, 25% 10m, 50% 10m), errorRatio.maxIncrease 2pp (0.5pp), latency.maxIncrease 100% (20%), warmup 2s (60s), minStep 4s
      (60s), scrape interval 1s (2s).

      good.localhost: v2 is like v1                                                Progressing, step 2/3   bad.localhost: v2 answers 15% with 500, takes 50% longer                                    Failed
        weight    ██████████████████████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░    50%                        weight    ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░     0%
        observed  █████████████████████████████▊░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  49.7%                        observed  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░     0%
        stable v1 2,388 answers, 7 errors (0.29%), 101 ms on average                                         stable v1 2,388 answers, 7 errors (0.29%), 101 ms on average, 2 answered by nobody
        canary v2 612 answers, 1 error (0.16%), 100 ms on average                                            canary v2 431 answers, 52 errors (12.1%), 153 ms on average
        after the release: 20% at 1 s, 50% at 10 s                                                           after the release: 20% at 1 s, Failed at 10 s
        Canary 1/612 bad (0.16%), stable 7/2388 (0.29%). Excess -1.1..+1.2 points (95%, tolerated +2).       The canary has more errors than stable and the margin together. Canary 1/612 bad (0.16%), stable
        Latency p99 <=0.3s against 0.1-0.3s, tolerated +100%. Rollback evidence 0%, safety evidence 41%.     7/2388 (0.29%). Excess -1.1..+1.2 points (95%, tolerated +2). Latency p99 <=0.3s against
        About 6 s at 20% to a verdict.                                                                       0.1-0.3s, tolerated +100%. Rollback evidence 0%, safety evidence 41%. About 6 s at 20% to a
                                                                                                             verdict. Rolled back at 20% (step 1/3).
                                                                                                           "
    `);
  });

  test('keeps to 24 rows', () => {
    expect(frame(viewOf(), { ...screen, rows: 24 })).toHaveLength(23);
  });

  test('says that the release is to come before it came', () => {
    const empty = { requests: 0, errors: 0, totalMs: 0, firstMs: undefined, lastMs: undefined };
    const waiting = stories.map((story) => ({
      story,
      status: {},
      tally: { stable: empty, canary: empty, lost: 0 },
      observed: undefined,
    }));
    const text = frame(viewOf({ stories: waiting, releasedAtMs: undefined }), screen)
      .join(' ')
      .replaceAll(/ +/g, ' ');
    expect(text).toContain('In a moment v2, the canary, is released.');
    expect(text).toContain('observed is what it gets.');
    expect(text).not.toContain('NaN');
    expect(text).not.toContain('undefined');
  });

  test('has no colours unless asked, and the same text with them', () => {
    const plain = frame(viewOf(), screen);
    const colored = frame(viewOf(), { ...screen, isColored: true });
    expect(plain.join('')).not.toContain('\u001b');
    expect(colored.join('')).toContain('\u001b[31m');
    expect(colored.map(stripVTControlCharacters)).toEqual(plain);
  });

  test('draws bars of plain characters where blocks are not to be had', () => {
    expect(frame(viewOf(), { ...screen, isUnicode: false }).join('')).toMatch(/^[ -~]*$/);
  });

  test('never is wider than a screen of 8 columns or more, whatever a status says', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 8, max: 260 }),
        fc.integer({ min: 5, max: 80 }),
        fc.string({ unit: 'grapheme-ascii', maxLength: 400 }),
        fc.boolean(),
        (width, rows, message, isColored) => {
          const view = viewOf({
            stories: viewOf().stories.map((one) => ({ ...one, status: { ...one.status, message } })),
          });
          const lines = frame(view, { width, rows, isColored, isUnicode: true });
          for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width);
        },
      ),
    );
  });
});
