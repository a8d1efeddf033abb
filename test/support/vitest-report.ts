/** Reading vitest's JSON report so that nothing that went wrong can look like a success. */

/** Tally counts checks. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** VitestTally also says, in one line each, what failed without being a test. */
export interface VitestTally extends Tally {
  readonly problems: readonly string[];
}

interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/**
 * readVitestReport counts the tests of one vitest run from its JSON report and exit code. Besides failed tests, one
 * failure each is: no readable report (vitest crashed), a file that failed outside its tests (an import, a hook), no
 * test at all, and an exit code that says failure where the report does not (an unhandled error).
 */
export function readVitestReport(text: string | undefined, exitCode: number): VitestTally {
  const report = parseReport(text);
  if (!report) return { passed: 0, failed: 1, skipped: 0, problems: [`vitest ended with ${exitCode} and no report`] };
  const statuses = report.testResults.flatMap((file) => file.assertionResults.map((test) => test.status));
  const passed = statuses.filter((status) => status === 'passed').length;
  const failed = statuses.filter((status) => status === 'failed').length;
  const problems = report.testResults
    .filter((file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'))
    .map((file) => `${file.name} failed outside its tests: ${file.message?.split('\n')[0] || 'see above'}`);
  if (passed + failed === 0) problems.push('no test ran');
  if (exitCode !== 0 && failed + problems.length === 0) {
    problems.push(`vitest ended with ${exitCode} although no test failed (an unhandled error?)`);
  }
  return { passed, failed: failed + problems.length, skipped: statuses.length - passed - failed, problems };
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
