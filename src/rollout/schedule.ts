/** When traffic may be raised: windows by cron, freezes by dates. Pure: the moment is an argument. */
import { Cron } from 'croner';
import { fnv1a } from '../api/hash.ts';
import { parseDuration } from '../api/duration.ts';
import type { Schedule, Window } from '../api/rollout.ts';
import { formatTime, parseTime } from '../clock.ts';

/** FrozenTime is a time at which nothing is raised; `toMs` is its end, at which raising may go on. */
export interface FrozenTime {
  readonly fromMs: number;
  readonly toMs: number;
  readonly reason: string | undefined;
}

/**
 * Calendar is what the schedule says of a moment. `openedMs` is when raising was last allowed again, undefined where it
 * always was; `opensMs` is undefined where it never will be. `text` is the subject of a sentence.
 */
export type Calendar =
  | { readonly kind: 'Open'; readonly openedMs: number | undefined }
  | {
      readonly kind: 'Closed';
      readonly reason: 'Frozen' | 'OutsideWindow';
      readonly text: string;
      readonly opensMs: number | undefined;
    };

/** Freezes and windows that follow each other without a gap are walked through, but not for ever. */
const maxJumps = 200;

/** calendarAt says whether a rollout with this schedule may be raised, under the freezes of the whole organisation. */
export function calendarAt(nowMs: number, schedule: Schedule | undefined, everywhere: readonly FrozenTime[]): Calendar {
  const freezes = [...everywhere, ...freezesOf(schedule)];
  const freeze = freezeAt(nowMs, freezes);
  const windows = windowsOf(schedule);
  const opened = windows === undefined ? undefined : openSince(nowMs, windows);
  if (freeze === undefined && (windows === undefined || opened !== undefined))
    return { kind: 'Open', openedMs: latest(opened, thawedAt(nowMs, freezes)) };
  const opensMs = nextOpening(nowMs, windows, freezes);
  if (freeze === undefined) return { kind: 'Closed', reason: 'OutsideWindow', text: 'spec.schedule', opensMs };
  const why = freeze.reason === undefined ? '' : ` (${freeze.reason})`;
  return { kind: 'Closed', reason: 'Frozen', text: `The freeze${why}`, opensMs };
}

/** A thousand rollouts that one window has held must not start in the same second. */
const maxJitterMs = 60_000;

/** jitterOf is how long after an opening a rollout starts, at most 60 s, always the same for one object. */
export function jitterOf(uid: string): number {
  return fnv1a(uid) % maxJitterMs;
}

/** scheduleProblems says which windows cannot be meant: a sentence each, with the path of the field. */
export function scheduleProblems(schedule: Schedule | undefined): readonly string[] {
  return (readWindows(schedule) ?? []).flatMap((found, index) =>
    typeof found === 'string' ? [`spec.schedule.windows[${index}]${found}`] : [],
  );
}

interface ReadWindow {
  readonly cron: Cron;
  readonly durationMs: number;
}

/** readWindow returns the window, or what is wrong with it, beginning with the field. */
function readWindow({ cron, duration, timeZone }: Window): ReadWindow | string {
  if (parseDuration(duration) <= maxJitterMs)
    return `.duration: "${duration}" is too short for the starts, which are spread over a minute; write one like 8h`;
  if (!isTimeZone(timeZone)) return `.timeZone: "${timeZone}" is no time zone; write one like Europe/Paris`;
  try {
    const found = new Cron(cron, { timezone: timeZone, mode: '5-part', paused: true });
    if (found.nextRun(formatTime(0)) === null) return `.cron: "${cron}" never comes round`;
    return { cron: found, durationMs: parseDuration(duration) };
  } catch {
    return `.cron: "${cron}" is no cron expression; write minute, hour, day of month, month and day of week, like "0 9 * * 1-5"`;
  }
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** Each look at a rollout asks twice; a spec in the caches stays the same object until it is edited. */
const read = new WeakMap<Schedule, readonly (ReadWindow | string)[]>();

function readWindows(schedule: Schedule | undefined): readonly (ReadWindow | string)[] | undefined {
  if (schedule?.windows === undefined) return undefined;
  const known = read.get(schedule) ?? schedule.windows.map(readWindow);
  read.set(schedule, known);
  return known;
}

/** windowsOf leaves out those that cannot be meant: where none is right nothing is ever open. */
function windowsOf(schedule: Schedule | undefined): readonly ReadWindow[] | undefined {
  return readWindows(schedule)?.filter((window) => typeof window !== 'string');
}

function freezesOf(schedule: Schedule | undefined): readonly FrozenTime[] {
  return (schedule?.freezes ?? []).map(({ from, to, reason }) => {
    return { fromMs: parseTime(from) ?? 0, toMs: parseTime(to) ?? Infinity, reason };
  });
}

/** freezeAt is the freeze that ends last of those at a moment. */
function freezeAt(atMs: number, freezes: readonly FrozenTime[]): FrozenTime | undefined {
  return freezes
    .filter(({ fromMs, toMs }) => fromMs <= atMs && atMs < toMs)
    .toSorted((one, other) => other.toMs - one.toMs)[0];
}

function thawedAt(atMs: number, freezes: readonly FrozenTime[]): number | undefined {
  return latest(...freezes.filter(({ toMs }) => toMs <= atMs).map(({ toMs }) => toMs));
}

/** openSince is when the window opened that is open now; of several the one that was first. */
function openSince(atMs: number, windows: readonly ReadWindow[]): number | undefined {
  const openings = windows.flatMap(({ cron, durationMs }) => {
    const opening = cron.nextRun(formatTime(atMs - durationMs))?.getTime();
    return opening !== undefined && opening <= atMs ? [opening] : [];
  });
  return openings.length === 0 ? undefined : Math.min(...openings);
}

function nextOpening(
  nowMs: number,
  windows: readonly ReadWindow[] | undefined,
  freezes: readonly FrozenTime[],
): number | undefined {
  let atMs: number | undefined = nowMs;
  for (let jump = 0; jump < maxJumps && atMs !== undefined; jump += 1) {
    const freeze = freezeAt(atMs, freezes);
    if (freeze !== undefined) atMs = Number.isFinite(freeze.toMs) ? freeze.toMs : undefined;
    else if (windows === undefined || openSince(atMs, windows) !== undefined) return atMs;
    else atMs = nextRun(atMs, windows);
  }
  return undefined;
}

function nextRun(atMs: number, windows: readonly ReadWindow[]): number | undefined {
  const times = windows.flatMap(({ cron }) => cron.nextRun(formatTime(atMs))?.getTime() ?? []);
  return times.length === 0 ? undefined : Math.min(...times);
}

function latest(...times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}
