import { describe, expect, test } from 'vitest';
import { addTallies, readVitestReport } from '../support/vitest-report.ts';

const file = (status: string, statuses: readonly string[], message = '') => ({
  name: '/a.test.ts',
  status,
  message,
  assertionResults: statuses.map((each) => ({
    status: each,
    fullName: `it is ${each}`,
    failureMessages: each === 'failed' ? ['expected 1 to be 2\n  at line 7'] : [],
  })),
});
const report = (...files: readonly object[]): string => JSON.stringify({ testResults: files });

describe('the report of a vitest run', () => {
  test('counts each test once and lists no problem when all is well', () => {
    const text = report(file('passed', ['passed', 'passed']), file('passed', ['passed', 'pending', 'todo']));
    expect(readVitestReport(text, 0)).toEqual({ passed: 3, failed: 0, skipped: 2, failures: [] });
  });

  test('counts failed tests without counting their file again, and tells their names and messages', () => {
    const text = report(file('failed', ['passed', 'failed'], 'expected 1 to be 2'));
    const failures = ['it is failed\nexpected 1 to be 2\n  at line 7'];
    expect(readVitestReport(text, 1)).toEqual({ passed: 1, failed: 1, skipped: 0, failures });
  });

  test.each([
    ['vitest crashed before it wrote anything', undefined, 1, 'vitest ended with 1 and no report'],
    ['vitest died while writing', '{"testResults": [', 139, 'vitest ended with 139 and no report'],
    ['the report has another shape', 'null', 0, 'vitest ended with 0 and no report'],
    ['no test ran', report(), 0, 'no test ran'],
    ['every test was skipped', report(file('passed', ['pending'])), 0, 'no test ran'],
    [
      'a file could not be imported',
      report(file('passed', ['passed']), file('failed', [], 'Cannot find module\n  at x')),
      1,
      '/a.test.ts failed outside its tests: Cannot find module\n  at x',
    ],
    [
      'a hook failed after its tests had passed',
      report(file('failed', ['passed'])),
      1,
      '/a.test.ts failed outside its tests: see its output',
    ],
    [
      'an error was thrown outside of any test',
      report(file('passed', ['passed'])),
      1,
      'vitest ended with 1 although no test failed (an unhandled error?)',
    ],
  ])('is a failure when %s', (_, text, exitCode, failure) => {
    const tally = readVitestReport(text, exitCode);
    expect(tally.failed).toBe(1);
    expect(tally.failures).toEqual([failure]);
  });
});

test('tallies add up', () => {
  const sum = addTallies([
    { passed: 1, failed: 0, skipped: 0 },
    { passed: 2, failed: 3, skipped: 4 },
  ]);
  expect(sum).toEqual({ passed: 3, failed: 3, skipped: 4 });
  expect(addTallies([])).toEqual({ passed: 0, failed: 0, skipped: 0 });
});
