/** What a person has put in the way of any raise; analysis, guards and rollback go on under it. */
import { formatTime } from '../clock.ts';
import { isAsked, running, statusOf, unchanged, wait, whoAsked, type Question } from './answer.ts';
import type { Notice } from './decision.ts';
import type { Observation } from './observation.ts';

/** Brake stops raising; `text` is the subject of a sentence, like "spec.paused". */
export interface Brake {
  readonly reason: 'PausedBySpec' | 'PausedByCommand';
  readonly text: string;
}

/** findBrake returns what stops a raise; the two are separate: each is taken away where it was set. */
export function findBrake(observation: Observation): Brake | undefined {
  if (observation.rollout.spec.paused) return { reason: 'PausedBySpec', text: 'spec.paused' };
  const { pause } = statusOf(observation);
  if (pause === undefined) return undefined;
  return { reason: 'PausedByCommand', text: `The pause by ${pause.who ?? 'an unknown person'}` };
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

function ignored(observation: Observation, message: string): ReturnType<typeof wait> {
  const notice: Notice = { type: 'Warning', reason: 'CommandIgnored', message };
  return wait(observation, { ...unchanged(observation), command: true }, { notices: [notice] });
}
