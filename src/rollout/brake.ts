/** What a person has put in the way of any raise; analysis, guards and rollback go on under it. */
import { formatTime } from '../clock.ts';
import { isAsked, running, statusOf, unchanged, wait, whoAsked, type Question } from './answer.ts';
import type { Notice } from './decision.ts';
import type { Observation } from './observation.ts';

/** Brake stops raising; `text` is the subject of a sentence, like "spec.paused"; `untilMs` is when it ends by itself. */
export interface Brake {
  readonly reason: 'PausedBySpec' | 'PausedByCommand' | 'Frozen' | 'OutsideWindow' | 'WindowOpened';
  readonly text: string;
  readonly untilMs: number | undefined;
}

/** findBrake returns what stops a raise; they are separate: each is taken away where it was set. All the way is only what a promote-full goes. */
export function findBrake(
  observation: Observation,
  isFull = statusOf(observation).progress?.full === true,
): Brake | undefined {
  if (observation.rollout.spec.paused) return { reason: 'PausedBySpec', text: 'spec.paused', untilMs: undefined };
  const { pause } = statusOf(observation);
  if (pause !== undefined)
    return { reason: 'PausedByCommand', text: `The pause by ${pause.who ?? 'an unknown person'}`, untilMs: undefined };
  return findClosed(observation, isFull);
}

/** findClosed returns the freeze or the closed window, which stops whatever a person says; all the way goes past a window. */
export function findClosed({ calendar }: Observation, isFull: boolean): Brake | undefined {
  if (calendar.kind === 'Open' || (isFull && calendar.reason === 'OutsideWindow')) return undefined;
  return { reason: calendar.reason, text: calendar.text, untilMs: calendar.opensMs };
}

/** braked is the status under a brake: it says what holds the canary where, and until when. */
export function braked({ reason, text, untilMs }: Brake, what: string): BrakedChange {
  const until = untilMs === undefined ? '' : ` until ${formatTime(untilMs)}`;
  return {
    reason,
    message: `${text} holds ${what}${until}`,
    opensAt: untilMs === undefined ? undefined : formatTime(untilMs),
  };
}

/** BrakedChange is the part of a status that a brake decides; the sentence has no end yet. */
export interface BrakedChange {
  readonly reason: Brake['reason'];
  readonly message: string;
  readonly opensAt: string | undefined;
}

/** untilOpen looks again when the brake ends by itself. */
export function untilOpen({ nowMs }: Observation, { untilMs }: Brake): { readonly requeueAfterMs?: number } {
  return untilMs === undefined ? {} : { requeueAfterMs: untilMs - nowMs };
}

/** pauseAsked sets the brake of a command, also at rest: it stays until resumed, whatever is released meanwhile. */
export const pauseAsked: Question = (observation) => {
  if (!isAsked(observation, 'pause')) return undefined;
  const { pause, weight = 0 } = statusOf(observation);
  if (pause !== undefined) return ignored(observation, `The rollout is paused since ${pause.since} already.`);
  const who = whoAsked(observation);
  const change = { pause: { who, since: formatTime(observation.nowMs) }, command: true } as const;
  const message = `${who} paused the rollout at ${weight}%; analysis and rollback go on until resume.`;
  if (isWalking(observation))
    return wait(observation, { phase: 'Paused', reason: 'PausedByCommand', message, ...change });
  return heard(observation, change, { reason: 'PausedByCommand', message });
};

/** resumeAsked takes away the brake of a command, and no other. */
export const resumeAsked: Question = (observation) => {
  if (!isAsked(observation, 'resume')) return undefined;
  const { pause, weight = 0 } = statusOf(observation);
  const { paused } = observation.rollout.spec;
  if (pause === undefined) {
    const why = paused ? 'spec.paused is true; change it there.' : 'No command has paused the rollout.';
    return ignored(observation, `${why} A pause of the steps ends by promote.`);
  }
  const also = paused ? ' spec.paused still holds it.' : '';
  const message = `${whoAsked(observation)} resumed the rollout at ${weight}%.${also}`;
  const change = { pause: null, command: true } as const;
  if (isWalking(observation)) return wait(observation, { phase: 'Progressing', reason: 'Resumed', message, ...change });
  return heard(observation, change, { reason: 'Resumed', message });
};

/** isWalking: nothing else decides about the phase of a rollout on its way. */
function isWalking(observation: Observation): boolean {
  const found = running(observation, 'Forward');
  return found !== undefined && found.progress.hold === undefined && !observation.rollout.spec.paused;
}

/** heard answers a command that changes no phase: history and an event say that it was carried out. */
function heard(
  observation: Observation,
  change: object,
  said: { readonly reason: string; readonly message: string },
): ReturnType<typeof wait> {
  const notice: Notice = { type: 'Normal', ...said };
  return wait(observation, { ...unchanged(observation), ...change, heard: said }, { notices: [notice] });
}

/** ignored refuses a command with an event that says why. */
export function ignored(observation: Observation, message: string): ReturnType<typeof wait> {
  const notice: Notice = { type: 'Warning', reason: 'CommandIgnored', message };
  return wait(observation, { ...unchanged(observation), command: true }, { notices: [notice] });
}
