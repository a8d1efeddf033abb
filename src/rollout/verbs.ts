/** Commands that people give a rollout by annotation. */
import type { Rollout } from '../api/rollout.ts';

/** commandAnnotation carries `<verb> <nonce> <uid> <revision>`; the controller removes it when handled. */
export const commandAnnotation = 'sluice.dev/command';
/** commandByAnnotation says who gave the command. */
export const commandByAnnotation = 'sluice.dev/command-by';

const verbs = ['promote', 'promote-full', 'abort', 'retry', 'pause', 'resume'] as const;

/**
 * Verb is what can be commanded: `promote` ends a step, a pause or a Hold, `promote-full` all of them; `abort` rolls back;
 * `retry` starts a failed revision again; `pause` stops raising until `resume`.
 */
export type Verb = (typeof verbs)[number];

/** Command is a command as found: to be executed, stale (meant for another object or revision), or already handled. */
export interface Command {
  readonly state: 'New' | 'Stale' | 'Handled';
  readonly verb: string;
  readonly nonce: string;
  readonly who: string | undefined;
  /** problem says why a Stale command is not executed. */
  readonly problem: string | undefined;
}

/** readCommand returns the command on a Rollout, if there is one. */
export function readCommand(rollout: Rollout): Command | undefined {
  const text = rollout.metadata.annotations?.[commandAnnotation];
  if (text === undefined) return undefined;
  const [verb = '', written = '', uid, revision] = text.trim().split(/\s+/);
  // Without a nonce the verb stands in for it, so that the refusal too can be marked as handled.
  const nonce = written === '' ? `no-nonce:${verb}` : written;
  const command = { verb, nonce, who: rollout.metadata.annotations?.[commandByAnnotation] };
  if (nonce === rollout.status?.handledCommand) return { ...command, state: 'Handled', problem: undefined };
  const problem = findProblem({ rollout, verb, nonce: written, uid, revision });
  return { ...command, state: problem === undefined ? 'New' : 'Stale', problem };
}

function findProblem(command: {
  rollout: Rollout;
  verb: string;
  nonce: string;
  uid: string | undefined;
  revision: string | undefined;
}): string | undefined {
  const { rollout, verb } = command;
  if (!(verbs as readonly string[]).includes(verb)) return `"${verb}" is not one of ${verbs.join(', ')}`;
  if (command.nonce === '') return 'it has no nonce; write "<verb> <nonce> <uid> <revision>"';
  if (command.uid !== rollout.metadata.uid)
    return `it is meant for the object with uid ${command.uid ?? '(none)'}, this one has ${rollout.metadata.uid}`;
  const revision = rollout.status?.revision ?? '';
  if (command.revision !== revision)
    return `it is meant for revision ${command.revision ?? '(none)'}, the present one is ${revision || '(none)'}`;
  return undefined;
}
