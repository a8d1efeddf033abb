/** What the clients of the demo saw: counts by host and by the version that answered. */
import { stories, type Arm, type StoryName } from './stories.ts';

/** Answers are those of one version of one host. */
export interface Answers {
  readonly requests: number;
  /** errors are answers of 500 and above. */
  readonly errors: number;
  /** totalMs is how long all of them took together. */
  readonly totalMs: number;
  /** firstMs and lastMs are when the first and the last one came, on the clock of who counts; undefined before. */
  readonly firstMs: number | undefined;
  readonly lastMs: number | undefined;
}

/** HostTally is what the clients of one host saw. */
export interface HostTally extends Readonly<Record<Arm, Answers>> {
  /** lost are requests that no version answered: an answer of the proxy itself, or none at all. */
  readonly lost: number;
}

/** Tally holds what the clients saw so far. */
export interface Tally extends Readonly<Record<StoryName, HostTally>> {
  /** atMs is when it was taken, on the same clock. */
  readonly atMs: number;
}

/** Answer is one answer as a client got it; `service` is undefined where no version gave one. */
export interface Answer {
  readonly host: StoryName;
  readonly service: string | undefined;
  readonly isError: boolean;
  readonly tookMs: number;
  readonly atMs: number;
}

const noAnswers: Answers = { requests: 0, errors: 0, totalMs: 0, firstMs: undefined, lastMs: undefined };

/** noTally is what is known before the first request. */
export const noTally: Tally = Object.freeze({
  atMs: 0,
  good: { stable: noAnswers, canary: noAnswers, lost: 0 },
  bad: { stable: noAnswers, canary: noAnswers, lost: 0 },
});

/** addAnswer returns the tally with one more answer. */
export function addAnswer(tally: Tally, answer: Answer): Tally {
  const { host, service, isError, tookMs, atMs } = answer;
  const before = tally[host];
  const arm = armOf(service);
  if (arm === undefined) return { ...tally, atMs, [host]: { ...before, lost: before.lost + 1 } };
  const { requests, errors, totalMs, firstMs = atMs } = before[arm];
  const after: Answers = {
    requests: requests + 1,
    errors: errors + (isError ? 1 : 0),
    totalMs: totalMs + tookMs,
    firstMs,
    lastMs: atMs,
  };
  return { ...tally, atMs, [host]: { ...before, [arm]: after } };
}

/** Who plays on may put the version of one story behind the host of the other: only its part there counts. */
function armOf(service: string | undefined): Arm | undefined {
  return (['stable', 'canary'] as const).find((arm) => service?.endsWith(`-${arm}`));
}

/** canaryShare returns what part of the requests between two tallies the canary answered, 0 to 1; undefined without any. */
export function canaryShare(before: HostTally, after: HostTally): number | undefined {
  const canary = after.canary.requests - before.canary.requests;
  const total = canary + after.stable.requests - before.stable.requests;
  return total > 0 ? canary / total : undefined;
}

/** requestsOf returns how many requests have been answered on all hosts. */
export function requestsOf(tally: Tally): number {
  return stories.reduce((sum, { name }) => {
    const { stable, canary, lost } = tally[name];
    return sum + stable.requests + canary.requests + lost;
  }, 0);
}
