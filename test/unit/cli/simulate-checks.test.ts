import { describe, expect, test } from 'vitest';
import type { CheckSpec } from '../../../src/analysis/check.ts';
import { decodeChecks } from '../../../src/analysis/check-text.ts';
import type { QueryOutcome } from '../../../src/analysis/metric-source.ts';
import { addPastChecks, checkLines, readChecks, reportCheck } from '../../../src/cli/simulate-checks.ts';
import type { Grid } from '../../../src/source/prometheus-api.ts';
import { begin } from '../../support/judged-traffic.ts';

const signal = new AbortController().signal;
const check: CheckSpec = {
  name: 'queue',
  query: 'max(queue)',
  max: 100,
  intervalMs: 30_000,
  consecutiveFailureLimit: 2,
  consecutiveErrorLimit: 4,
  onNoData: 'Hold',
};

/** answering returns a source that answers the points of a grid with these values, and then with nothing. */
function answering(values: readonly (number | undefined)[]) {
  const asked: Grid[] = [];
  const queryOver = async (_promql: string, grid: Grid): Promise<readonly QueryOutcome[]> => {
    asked.push(grid);
    return Array.from({ length: Math.floor((grid.toMs - grid.fromMs) / grid.stepMs) + 1 }, (_none, index) => {
      const value = values[index];
      return value === undefined ? { kind: 'NoData', message: '' } : { kind: 'Value', value };
    });
  };
  return { asked, queryOver };
}

async function past(values: readonly (number | undefined)[], untilMs = values.length * 30_000) {
  const [read] = await readChecks(answering(values), [check], { fromMs: 0, untilMs }, signal);
  if (read === undefined) throw new Error('nothing was read');
  return read;
}

describe('the past of a check', () => {
  test('is asked at its own interval, and not more often than ten thousand times', async () => {
    const source = answering([]);
    const often = { ...check, intervalMs: 1_000 };
    await readChecks(source, [check, often], { fromMs: 0, untilMs: 24 * 3_600_000 }, signal);
    expect(source.asked.map(({ fromMs, stepMs }) => [fromMs, stepMs])).toEqual([
      [30_000, 30_000],
      [8_640, 8_640],
    ]);
  });

  test.each([
    ['passed 3 times.', [1, 2, 100]],
    ['failed 3 of 6 times, at most 2 in a row.', [1, 101, 102, 1, 103, 1]],
    [
      'failed 3 of 5 times, at most 3 in a row, once without data; that is a rollback, whatever the canary does.',
      [101, 102, undefined, 103, 1],
    ],
    ['no data at any time; is it about the canary, which was not there?', [undefined, undefined]],
    ['passed once, once it could not be evaluated.', [1, Infinity]],
  ])('is told in a sentence: %s', async (sentence, values) => {
    expect(checkLines([reportCheck(await past(values))], []).slice(1)).toEqual([`  queue: ${sentence}`]);
  });

  test('is told with what is wrong, and not at all where there are no checks', () => {
    expect(checkLines([], ['spec.analysis.checks "a": no.']).at(-1)).toBe('  spec.analysis.checks "a": no.');
    expect(checkLines([], [])).toEqual([]);
  });

  test('becomes evidence in the order of time, each result once', async () => {
    const checks = [check, { ...check, name: 'lag', intervalMs: 45_000 }];
    const read = await readChecks(answering([101, 102, 103]), checks, { fromMs: 0, untilMs: 90_000 }, signal);
    let evidence = begin({ seed: 'checks', rps: 1 });
    evidence = addPastChecks(evidence, read, { sinceMs: 0, untilMs: 60_000 });
    expect(decodeChecks(checks, evidence.checks)).toMatchObject([
      { failures: 2, value: 102, atMs: 60_000 },
      { failures: 1, value: 101, atMs: 45_000 },
    ]);
    evidence = addPastChecks(evidence, read, { sinceMs: 60_000, untilMs: 200_000 });
    expect(decodeChecks(checks, evidence.checks)).toMatchObject([
      { failures: 3, atMs: 90_000 },
      { failures: 2, atMs: 90_000 },
    ]);
  });
});
