/** How the stories ended: the sentences at the end and the last line of `--json`. */
import type { DemoView, StoryView } from './view.ts';
import type { StoryName } from './stories.ts';
import { requestsOf, type Tally } from './tally.ts';
import { grouped, percent } from '../cli/text.ts';

/** StoryResult is how one story ended. */
export interface StoryResult {
  readonly phase: string;
  readonly reason: string;
  /** requests were answered on this host, by either version. */
  readonly requests: number;
  /** badAnswers are those of the canary with an error, and requests that nobody answered. */
  readonly badAnswers: number;
  /** secondsToRollback is from the first to the last answer of a canary that was taken back, as the clients saw it. */
  readonly secondsToRollback?: number;
  /** secondsToPromotion is from the first answer of the canary until nobody else answered. */
  readonly secondsToPromotion?: number;
}

/** DemoResult is what `--json` prints. */
export interface DemoResult extends Readonly<Record<StoryName, StoryResult>> {
  readonly seed: number;
  readonly seconds: number;
  readonly requests: number;
}

/** resultOf returns what is known at the end. */
export function resultOf(view: DemoView, tally: Tally): DemoResult {
  const of = (name: StoryName): StoryResult => {
    const found = view.stories.find(({ story }) => story.name === name);
    return found === undefined ? { phase: '', reason: '', requests: 0, badAnswers: 0 } : storyResult(found);
  };
  return {
    good: of('good'),
    bad: of('bad'),
    seed: view.seed,
    seconds: rounded(view.seconds),
    requests: requestsOf(tally),
  };
}

/** isAsTold tells whether every story ended as it should. */
export function isAsTold({ stories }: DemoView): boolean {
  return stories.every(({ story, status }) => status.phase === story.ending);
}

/** hasEnded tells whether a story goes no further by itself. */
export function hasEnded({ status }: Pick<StoryView, 'status'>): boolean {
  return status.phase === 'Succeeded' || status.phase === 'Failed';
}

function storyResult({ status, tally }: StoryView): StoryResult {
  const { stable, canary, lost } = tally;
  const { phase = 'Pending', reason = '' } = status;
  return {
    phase,
    reason,
    requests: stable.requests + canary.requests + lost,
    badAnswers: canary.errors + lost,
    ...(phase === 'Failed' ? { secondsToRollback: secondsBetween(canary.firstMs, canary.lastMs) } : {}),
    ...(phase === 'Succeeded' ? { secondsToPromotion: secondsBetween(canary.firstMs, stable.lastMs) } : {}),
  };
}

function secondsBetween(fromMs: number | undefined, toMs: number | undefined): number {
  return fromMs === undefined || toMs === undefined ? 0 : rounded(Math.max(0, toMs - fromMs) / 1000);
}

function rounded(seconds: number): number {
  return Number(seconds.toFixed(1));
}

/** tellEnding says in a sentence for each story how it ended. */
export function tellEnding(view: DemoView): readonly string[] {
  return view.stories.map((one) => {
    const { name, ending } = one.story;
    const { phase, requests, badAnswers, secondsToRollback, secondsToPromotion } = storyResult(one);
    const share = `${grouped(badAnswers)} of ${grouped(requests)} answers (${percent(badAnswers / Math.max(1, requests))})`;
    if (phase !== ending)
      return `${name}: ${phase}, which is not how it should end (${ending}). ${one.status.message ?? ''}`;
    return phase === 'Succeeded'
      ? `${name}: v2 was promoted; ${secondsToPromotion} s after its first request it answered everything.`
      : `${name}: v2 was taken back ${secondsToRollback} s after its first request; ${share} were its errors.`;
  });
}
