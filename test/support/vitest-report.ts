/** Reading vitest's JSON report so that nothing that went wrong can look like a success. */

/** Tally counts checks. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** VitestTally also says what failed: a test with its file, name and message, or what failed without being a test. */
export interface VitestTally extends Tally {
  readonly failures: readonly string[];
}

interface TestResult {
  readonly status: string;
  readonly fullName?: string;
  readonly failureMessages?: readonly string[];
}

interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly TestResult[];
  }[];
}

/**
 * readVitestReport counts the tests of one vitest run from its JSON report and exit code. Besides failed tests, one
 * failure each is: no readable report (vitest crashed), a file that failed outside its tests (an import, a hook), no
 * test at all, and an exit code that says failure where the report does not (an unhandled error).
 */
export function readVitestReport(text: string | undefined, exitCode: number): VitestTally {
  const report = parseReport(text);
  if (!report) return { passed: 0, failed: 1, skipped: 0, failures: [`vitest ended with ${exitCode} and no report`] };
  const statuses = report.testResults.flatMap((file) => file.assertionResults.map((test) => test.status));
  const passed = statuses.filter((status) => status === 'passed').length;
  const failures = report.testResults.flatMap(failuresOf);
  if (passed + failures.length === 0) failures.push('no test ran');
  if (exitCode !== 0 && failures.length === 0) {
    failures.push(`vitest ended with ${exitCode} although no test failed (an unhandled error?)`);
  }
  const skipped = statuses.filter((status) => status !== 'passed' && status !== 'failed').length;
  return { passed, failed: failures.length, skipped, failures };
}

function failuresOf(file: VitestReport['testResults'][number]): readonly string[] {
  const failed = file.assertionResults.filter((test) => test.status === 'failed');
  if (failed.length > 0)
    return failed.map((test) => `${test.fullName}\n${test.failureMessages?.join('\n') ?? ''}`.trim());
  if (file.status !== 'failed') return [];
  return [`${file.name} failed outside its tests: ${file.message || 'see its output'}`];
}

/** addTallies returns the sum of `tallies`. */
export function addTallies(tallies: readonly Tally[]): Tally {
  return {
    passed: tallies.reduce((sum, tally) => sum + tally.passed, 0),
    failed: tallies.reduce((sum, tally) => sum + tally.failed, 0),
    skipped: tallies.reduce((sum, tally) => sum + tally.skipped, 0),
  };
}

function parseReport(text: string | undefined): VitestReport | undefined {
  try {
    const report = JSON.parse(text ?? '') as Partial<VitestReport> | null;
    return Array.isArray(report?.testResults) ? (report as VitestReport) : undefined;
  } catch {
    return undefined;
  }
}
