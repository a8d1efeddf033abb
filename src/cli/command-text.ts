/** The texts of commands: the annotations that give one, and the sentences about it. */
import type { JsonPatchOperation } from '../api/object-store.ts';
import type { HistoryEntry } from '../api/rollout-status.ts';
import type { Rollout } from '../api/rollout.ts';
import { commandAnnotation, commandByAnnotation, readCommand, type Verb } from '../rollout/verbs.ts';

/** Given is a command to give. */
export interface Given {
  readonly verb: Verb;
  readonly nonce: string;
  readonly who: string;
}

/** annotationsOf are what gives the command to just this object and revision. */
export function annotationsOf({ metadata, status }: Rollout, { verb, nonce, who }: Given): Record<string, string> {
  return {
    [commandByAnnotation]: who,
    [commandAnnotation]: `${verb} ${nonce} ${metadata.uid ?? ''} ${status?.revision ?? ''}`,
  };
}

/** commandPatch writes them if the object still is as it was read. */
export function commandPatch(rollout: Rollout, given: Given): readonly JsonPatchOperation[] {
  const { annotations, resourceVersion = '' } = rollout.metadata;
  const pairs = Object.entries(annotationsOf(rollout, given));
  return [
    { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion },
    ...(annotations === undefined ? [{ op: 'add', path: '/metadata/annotations', value: {} } as const] : []),
    ...pairs.map(([key, value]) => {
      return { op: 'add', path: `/metadata/annotations/${key.replaceAll('/', '~1')}`, value } as const;
    }),
  ];
}

/** findObstacle says why a command cannot be given now; only an abort takes the place of one that was not handled yet. */
export function findObstacle(rollout: Rollout, verb: Verb): string | undefined {
  const { name } = rollout.metadata;
  if (rollout.status?.revision === undefined)
    return `Rollout ${name} has no revision yet, and a command is for one; is the controller running?`;
  const before = readCommand(rollout);
  if (before === undefined || before.state === 'Handled' || verb === 'abort') return undefined;
  const whose = before.who === undefined ? '' : ` of ${before.who}`;
  return `The ${before.verb}${whose} was not handled yet, and would be lost; is the controller running? Only abort takes its place.`;
}

/** isHandled tells whether the controller has taken the command. */
export function isHandled({ status }: Rollout, { nonce }: Given): boolean {
  return status?.handledCommand === nonce;
}

/** isReplaced tells whether another command stands where this one was. */
export function isReplaced(rollout: Rollout, given: Given): boolean {
  const present = readCommand(rollout);
  return present !== undefined && present.nonce !== given.nonce && !isHandled(rollout, given);
}

/** findExecution returns what history says of a command that was carried out: the first entry after `last` that somebody asked for. */
export function findExecution({ status }: Rollout, last: HistoryEntry | undefined): HistoryEntry | undefined {
  return status?.history?.find(({ time, who }) => who !== undefined && time > (last?.time ?? ''));
}

/** executedText is the answer to a command that was carried out. */
export function executedText({ reason, message, weight }: HistoryEntry): string {
  return message ?? `${reason}, the canary gets ${weight}%.`;
}
