/** `sluice promote`, `pause`, `resume`, `abort` and `retry`: give a command, and wait for the answer. */
import { randomUUID } from 'node:crypto';
import { readFile, realpath, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseDuration } from './api/duration.ts';
import { keyOf, resources, splitKey } from './api/kubernetes.ts';
import type { Rollout } from './api/rollout.ts';
import {
  annotationsOf,
  commandPatch,
  executedText,
  findExecution,
  findObstacle,
  isHandled,
  isReplaced,
  type Given,
} from './cli/command-text.ts';
import { parseRolloutName, printRolloutName } from './cli/rollout-name.ts';
import { systemClock } from './clock.ts';
import { SluiceError } from './errors.ts';
import { readRollout, withSource } from './get.ts';
import { askWho, findRefusal } from './command-api.ts';
import type { Verb } from './rollout/verbs.ts';
import type { CommandHost, RolloutSource, SourceCall } from './rollout-source.ts';
import { annotateManifest } from './standalone/annotate-manifest.ts';

/** CommandCall is the command line. */
export interface CommandCall extends SourceCall {
  readonly name: string;
  readonly verb: Verb;
  /** wait is `false` where the answer is not waited for. */
  readonly wait?: boolean | string | undefined;
  readonly timeout?: string | undefined;
}

/** CommandEnd is what became of it; `message` is a sentence. */
export interface CommandEnd {
  readonly kind: 'Executed' | 'Given' | 'Refused' | 'TimedOut';
  readonly message: string;
}

/** defaultCommandWait is how long the answer is waited for: a controller that runs gives it within a second or two. */
export const defaultCommandWait = '30s';
const pollMs = 300;
/** A busy controller writes the status between our read and our write; it does not do so for ever. */
const maxTries = 10;

/** runCommand rejects with ConfigInvalid for a call that cannot be meant, and with what the API server answers, e.g. that a right is missing. */
export async function runCommand(call: CommandCall, host: CommandHost): Promise<CommandEnd> {
  const name = parseRolloutName(call.name);
  const timeoutMs = parseDuration(call.timeout ?? defaultCommandWait);
  const { wait = true } = call;
  if (!['true', 'false'].includes(String(wait)))
    throw new SluiceError('ConfigInvalid', `--wait is "${String(wait)}"; write --wait=true or --wait=false.`);
  if (timeoutMs === 0)
    throw new SluiceError('ConfigInvalid', `--timeout is "${call.timeout}"; write a duration like 30s or 5m.`);
  return withSource(call, host, async (source) => {
    const given = { verb: call.verb, nonce: randomUUID().slice(0, 13), who: await askWho(source, host) };
    const found = await give(source, name, given);
    if (typeof found === 'string') return { kind: 'Refused', message: found };
    if (String(wait) === 'false')
      return { kind: 'Given', message: `${printRolloutName(name)}: ${call.verb} was given.` };
    return untilAnswered({ source, given, host, timeoutMs }, found);
  });
}

/** give returns the Rollout as it was when the command was given to it, or why it was not given. */
async function give(source: RolloutSource, name: string, given: Given): Promise<Rollout | string> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    const rollout = await readRollout(source, name);
    if (typeof rollout === 'string') return rollout;
    const obstacle = findObstacle(rollout, given.verb);
    if (obstacle !== undefined) return obstacle;
    if (await write(source, rollout, given)) return rollout;
  }
  return `Rollout ${name} was changed by somebody else each time; try again.`;
}

/** write returns false where the object has changed since it was read. */
async function write({ backing }: RolloutSource, rollout: Rollout, given: Given): Promise<boolean> {
  if (backing.kind === 'Cluster') {
    const operations = commandPatch(rollout, given);
    const outcome = await backing.store.patch(resources.rollouts, keyOf(rollout), operations);
    return outcome.kind === 'Written';
  }
  const file = await backing.state.fileOf(resources.rollouts, keyOf(rollout));
  await writeFolder(path.join(backing.directory, file ?? ''), rollout, given);
  return true;
}

/** In standalone mode the annotation stands in the file of the Rollout, where the user could write it himself. */
async function writeFolder(file: string, rollout: Rollout, given: Given): Promise<void> {
  const annotations = annotationsOf(rollout, given);
  try {
    const real = await realpath(file);
    const text = await readFile(real, 'utf8');
    const edited = annotateManifest(text, { kind: 'Rollout', ...splitKey(keyOf(rollout)) }, annotations);
    if (edited === undefined) throw new Error('its metadata is not written plainly enough to be edited');
    await writeFile(real, edited);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const line = `annotations: ${JSON.stringify(annotations)}`;
    throw new SluiceError(
      'ConfigInvalid',
      `${file} cannot be edited (${code ?? message}); write this under its metadata yourself: ${line}`,
    );
  }
}

interface Waiting {
  readonly source: RolloutSource;
  readonly given: Given;
  readonly host: CommandHost;
  readonly timeoutMs: number;
}

async function untilAnswered(waiting: Waiting, before: Rollout): Promise<CommandEnd> {
  const { source, given, host, timeoutMs } = waiting;
  const { clock = systemClock, signal } = host;
  const { verb } = given;
  const { name } = before.metadata;
  const untilMs = clock.monotonicMs() + timeoutMs;
  while (clock.monotonicMs() < untilMs && !signal.aborted) {
    const rollout = await readRollout(source, name);
    if (typeof rollout === 'string') return { kind: 'Refused', message: rollout };
    if (isHandled(rollout, given)) return answer(waiting, before, rollout);
    if (isReplaced(rollout, given))
      return { kind: 'Refused', message: `Another command took the place of ${verb} before it was handled.` };
    await clock.sleep(pollMs, signal).catch(() => undefined);
  }
  const message = `${verb} was given to ${name} and not handled within ${timeoutMs / 1000} s; is the controller running? It is executed when one does, unless the revision has changed.`;
  return { kind: 'TimedOut', message };
}

/** Who carries a command out notes it in the history; who refuses it says why in an event. */
async function answer({ source, given, host }: Waiting, before: Rollout, after: Rollout): Promise<CommandEnd> {
  const { name } = after.metadata;
  const executed = findExecution(after, before.status?.history?.at(-1));
  if (executed !== undefined)
    return { kind: 'Executed', message: `${printRolloutName(name)}: ${executedText(executed)}` };
  const why = await findRefusal(source, after, host);
  const { phase = '', message = '' } = after.status ?? {};
  const said = why ?? `${phase}. ${message}`;
  return { kind: 'Refused', message: `${given.verb} was not carried out: ${said}` };
}
