/** The readiness of one endpoint, from one probe after another. */
import type { Clock } from '../clock.ts';
import { createLane, type Lane } from './lane.ts';
import { attemptProbe, type Attempt, type ProbeTarget } from './probe-attempt.ts';

/** ProbeOptions: `onResult` is called after each probe, with whether the endpoint's readiness is another than before. */
export interface ProbeOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly lanes: ProbeLanes;
  readonly onResult: (result: { readonly failure: string | undefined; readonly isChange: boolean }) => void;
}

/** Probe goes on until it is stopped. */
export interface Probe {
  /** isReady is undefined until the first result is there. */
  isReady(): boolean | undefined;
  /** stop closes what is open, and reports nothing any more. */
  stop(): void;
}

/** ProbeLanes bound how many probes are under way; what is ready does not wait behind what does not answer. */
export interface ProbeLanes {
  readonly ready: Lane;
  readonly others: Lane;
}

/** createProbeLanes allows `max` probes at once, half of them to endpoints that are ready. */
export function createProbeLanes(max: number): ProbeLanes {
  return { ready: createLane(max / 2), others: createLane(max / 2) };
}

/**
 * One failure may be a packet that was lost or a server that restarts; taking the last endpoint of a canary out ends its
 * rollout. Two in a row are found after 2 s.
 */
const failuresUntilUnready = 2;
/** retryMs: after the first failure nobody waits for a long interval to know more. */
const retryMs = 1000;

/** startProbe probes at once, then at a random time within the first interval, then at each interval. */
export function startProbe(target: ProbeTarget, { clock, random, lanes, onResult }: ProbeOptions): Probe {
  let isReady: boolean | undefined;
  let failures = 0;
  let isStopped = false;
  let attempt: Attempt | undefined;
  let cancelTimer = (): void => undefined;

  function judge(failure: string | undefined): void {
    const before = isReady;
    failures = failure === undefined ? 0 : failures + 1;
    if (failure === undefined) isReady = true;
    else if (isReady === undefined || failures >= failuresUntilUnready) isReady = false;
    onResult({ failure, isChange: isReady !== before });
  }

  /** The phase is random after the first round, and drifts: a thousand endpoints spread over the second. */
  function waitMs(isFirst: boolean): number {
    if (isFirst) return target.intervalMs * random();
    const isDoubted = isReady === true && failures > 0;
    return (isDoubted ? Math.min(target.intervalMs, retryMs) : target.intervalMs) * (0.95 + 0.1 * random());
  }

  async function probe(): Promise<void> {
    if (isStopped) return;
    const isFirst = isReady === undefined;
    const startedMs = clock.monotonicMs();
    attempt = attemptProbe(target, clock);
    const failure = await attempt.result;
    if (isStopped) return;
    judge(failure);
    wait(startedMs + waitMs(isFirst) - clock.monotonicMs());
  }

  function wait(ms: number): void {
    cancelTimer = clock.schedule(Math.max(0, ms), () => (isReady === true ? lanes.ready : lanes.others).run(probe));
  }

  wait(0);
  return {
    isReady: () => isReady,
    stop: () => {
      isStopped = true;
      cancelTimer();
      attempt?.cancel();
    },
  };
}
