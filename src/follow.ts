/** Follows one Rollout from state to state, until it is decided, or nobody looks any more. */
import { keyOf, resources, type ObjectKey } from './api/kubernetes.ts';
import type { HistoryEntry } from './api/rollout-status.ts';
import type { Rollout } from './api/rollout.ts';
import { printTransition } from './cli/history.ts';
import type { StatusView } from './cli/status-view.ts';
import { judgeWait, type WaitEnd, type WaitGoal } from './cli/wait.ts';
import { systemClock, type Clock } from './clock.ts';
import { isSluiceError } from './errors.ts';
import { readRelease, readStatusView } from './read-status.ts';
import type { CommandHost, RolloutSource } from './rollout-source.ts';

/** StatusShow is where it is shown. */
export interface StatusShow {
  /** print writes text and a line end. */
  print(text: string): void;
  /** complain tells people what does not belong to the output. */
  complain(text: string): void;
  /** draw shows a view: once, or in the place of the last one while following. */
  draw(view: StatusView): void;
  /** canRedraw tells whether a view can be drawn in the place of another one. */
  readonly canRedraw: boolean;
}

/** StatusEnd is how the command ended; `message` is for people, and missing where everything was shown. */
export interface StatusEnd {
  readonly kind: WaitEnd['kind'] | 'Shown' | 'Missing' | 'TimedOut';
  readonly message?: string;
}

/** FollowGoal is how a Rollout is followed, and until when. */
export interface FollowGoal {
  /** isDrawn: the tree is redrawn, where that can be done, instead of a line for each transition. */
  readonly isDrawn: boolean;
  /** goal is undefined where nothing is waited for. */
  readonly goal: WaitGoal | undefined;
  readonly timeoutMs: number;
}

/** Following is what following takes. */
export interface Following extends FollowGoal {
  readonly source: RolloutSource;
  readonly show: StatusShow;
  readonly host: CommandHost;
}

/** How often the Rollout is read: a change is seen this much later at most. A tree is six reads. */
const pollMs = { lines: 1_000, tree: 2_000 } as const;

interface Context extends Following {
  readonly clock: Clock;
  readonly untilMs: number;
}

/** follow goes on from the state `first`; it throws what the API server answers and does not pass by itself. */
export async function follow(following: Following, first: Rollout): Promise<StatusEnd> {
  const { host, timeoutMs, show, source } = following;
  const { clock = systemClock, signal } = host;
  const context = { ...following, clock, untilMs: clock.monotonicMs() + timeoutMs };
  const look = following.isDrawn && show.canRedraw ? drawnBy(source, show) : startTransitions(show);
  const isOver = startGoal(source, following.goal);
  for (let rollout = first; ;) {
    await look.show(rollout);
    const end = await isOver(rollout);
    if (end !== undefined) return end;
    const leftMs = context.untilMs - clock.monotonicMs();
    if (leftMs <= 0) return { kind: 'TimedOut', message: timedOut(rollout, timeoutMs) };
    await pause(clock, Math.min(look.pollMs, leftMs), signal);
    if (signal.aborted) return { kind: 'Shown' };
    const next = await readAgain(context, rollout);
    if (next === undefined) return { kind: 'Missing', message: `Rollout ${keyOf(rollout)} was deleted.` };
    rollout = next;
  }
}

/** Look shows one state after the other. */
interface Look {
  readonly pollMs: number;
  show(rollout: Rollout): Promise<void>;
}

function drawnBy(source: RolloutSource, show: StatusShow): Look {
  return {
    pollMs: pollMs.tree,
    show: async (rollout) => show.draw(await readStatusView(source, rollout)),
  };
}

/** The release that is waited for is the one that is there when it is first known. */
function startGoal(
  source: RolloutSource,
  goal: WaitGoal | undefined,
): (rollout: Rollout) => Promise<WaitEnd | undefined> {
  let revision = goal?.revision;
  return async (rollout) => {
    if (goal === undefined) return undefined;
    revision ??= await readRelease(source, rollout);
    return judgeWait(rollout, { ...goal, revision });
  };
}

function timedOut({ metadata, status = {} }: Rollout, timeoutMs: number): string {
  const { phase = 'no status', weight = 0, message = 'Is the controller running?' } = status;
  return `${metadata.name} was not decided within ${Math.round(timeoutMs / 1000)} s: ${phase} at ${weight}%. ${message}`;
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  await clock.sleep(Math.max(0, ms), signal).catch(() => undefined);
}

/** What passes by itself: a pipeline that waits for half an hour outlives a restart of the API server. */
const passing = ['ApiUnreachable', 'ApiTimeout', 'ApiThrottled', 'ApiFailed'] as const;

async function readAgain({ source, show, clock, untilMs, host }: Context, last: Rollout): Promise<Rollout | undefined> {
  const key: ObjectKey = keyOf(last);
  for (let isTold = false; ; isTold = true) {
    try {
      return await source.get<Rollout>(resources.rollouts, key);
    } catch (error) {
      if (host.signal.aborted) return last;
      if (!isSluiceError(error, ...passing) || clock.monotonicMs() >= untilMs) throw error;
      if (!isTold) show.complain(`${error.message} It is tried again.`);
      await pause(clock, pollMs.lines, host.signal);
    }
  }
}

/** startTransitions prints where the Rollout is, and from then on each transition once. */
function startTransitions(show: StatusShow): Look {
  let last: HistoryEntry | undefined;
  let isFirst = true;
  const print = ({ status = {} }: Rollout): void => {
    const { history = [] } = status;
    const newest = history.at(-1);
    const unseen = isFirst ? presentEntry(history, status.message) : newEntries(history, last);
    isFirst = isFirst && newest === undefined;
    last = newest ?? last;
    for (const entry of unseen) show.print(printTransition(entry));
  };
  return { pollMs: pollMs.lines, show: (rollout) => Promise.resolve(print(rollout)) };
}

/** The first line says what is the matter now, with the sentence of now. */
function presentEntry(history: readonly HistoryEntry[], message: string | undefined): readonly HistoryEntry[] {
  const newest = history.at(-1);
  if (newest === undefined) return [];
  return [message === undefined ? newest : { ...newest, message }];
}

function newEntries(history: readonly HistoryEntry[], last: HistoryEntry | undefined): readonly HistoryEntry[] {
  const seen = history.findLastIndex(({ time, to, weight, reason }) => {
    return time === last?.time && to === last.to && weight === last.weight && reason === last.reason;
  });
  return seen === -1 ? history.filter(({ time }) => time > (last?.time ?? '')) : history.slice(seen + 1);
}
