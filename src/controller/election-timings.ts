/** ElectionTimings are the three constants of client-go's leader election (tools/leaderelection). */
export interface ElectionTimings {
  /** leaseDurationMs is how long others wait after the last change of a Lease that they saw. */
  readonly leaseDurationMs: number;
  /** renewDeadlineMs is how long a leader leads after the start of its last successful renewal. */
  readonly renewDeadlineMs: number;
  /** retryPeriodMs lies between two renewals; who looks for a Lease waits 1 to 2.2 times as long. */
  readonly retryPeriodMs: number;
}

/** defaultElectionTimings are those of client-go and of the controllers of Kubernetes. */
export const defaultElectionTimings: ElectionTimings = {
  leaseDurationMs: 15_000,
  renewDeadlineMs: 10_000,
  retryPeriodMs: 2000,
};

/** jitterFactor is client-go's: a poll comes after retryPeriodMs × [1, 1 + jitterFactor). */
export const jitterFactor = 1.2;

/** electionTimingProblems returns a sentence for each thing that is wrong with `timings`; none is right. */
export function electionTimingProblems(timings: ElectionTimings): readonly string[] {
  const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = timings;
  const problems = Object.entries(timings)
    .filter(([, ms]: readonly [string, number]) => !(Number.isFinite(ms) && ms > 0))
    .map(([field, ms]) => `${field} is ${ms}: give a positive number of milliseconds.`);
  if (problems.length > 0) return problems;
  if (leaseDurationMs <= renewDeadlineMs) {
    const found = `leaseDurationMs (${leaseDurationMs}) is not longer than renewDeadlineMs (${renewDeadlineMs})`;
    problems.push(`${found}: others could take over from a leader that still leads.`);
  }
  if (renewDeadlineMs <= jitterFactor * retryPeriodMs) {
    const found = `renewDeadlineMs (${renewDeadlineMs}) is not longer than ${jitterFactor} times retryPeriodMs`;
    problems.push(`${found} (${retryPeriodMs}): a leader could not renew in time.`);
  }
  return problems;
}

/** marginMsOf returns how long before the end of its Lease a leader's last write has to be over. */
export function marginMsOf(timings: ElectionTimings): number {
  return Math.min(1000, timings.leaseDurationMs / 15);
}

/** callDeadlineMsOf returns the deadline of one request: 5 s, and never so long that only one fits before the renew deadline. */
export function callDeadlineMsOf(timings: ElectionTimings): number {
  return Math.min(5000, timings.renewDeadlineMs / 2);
}
