/** `sluice status`: shows a Rollout once, follows it, or waits until a release is decided. */
import { parseDuration } from './api/duration.ts';
import { parseOutput, printData } from './cli/output.ts';
import { parseRolloutName } from './cli/rollout-name.ts';
import { nextText, stepText } from './cli/status-next.ts';
import type { StatusView } from './cli/status-view.ts';
import { SluiceError } from './errors.ts';
import { follow, type FollowGoal, type StatusEnd, type StatusShow } from './follow.ts';
import { readRollout, withSource } from './get.ts';
import { readStatusView } from './read-status.ts';
import type { CommandHost, SourceCall } from './rollout-source.ts';

/** StatusCall is the command line; `wait` is true or `through-pauses`. */
export interface StatusCall extends SourceCall {
  readonly name: string;
  readonly watch?: boolean | undefined;
  readonly wait?: boolean | string | undefined;
  readonly revision?: string | undefined;
  readonly timeout?: string | undefined;
  readonly output?: string | undefined;
}

/** defaultWait is how long is waited at most. */
export const defaultWait = '30m';

/** runStatus rejects with ConfigInvalid for a call that cannot be meant, and with what the API server answers at the start. */
export async function runStatus(call: StatusCall, host: CommandHost, show: StatusShow): Promise<StatusEnd> {
  const name = parseRolloutName(call.name);
  const asked = parseCall(call);
  return withSource(call, host, async (source) => {
    const rollout = await readRollout(source, name);
    if (typeof rollout === 'string') return { kind: 'Missing', message: rollout };
    if (asked.follow !== undefined) return follow({ source, show, host, ...asked.follow }, rollout);
    const view = await readStatusView(source, rollout);
    if (asked.format === undefined) show.draw(view);
    else show.print(printData(asData(view), asked.format));
    return { kind: 'Shown' };
  });
}

interface Asked {
  readonly format: 'json' | 'yaml' | undefined;
  /** follow is undefined where one moment is shown. */
  readonly follow: FollowGoal | undefined;
}

function parseCall(call: StatusCall): Asked {
  const { watch = false, wait = false, revision, timeout = defaultWait } = call;
  const format = parseOutput(call.output, ['json', 'yaml']);
  const [problem] = findProblems(call);
  if (problem !== undefined) throw new SluiceError('ConfigInvalid', problem);
  if (wait === false)
    return { format, follow: watch ? { isDrawn: true, goal: undefined, timeoutMs: Infinity } : undefined };
  const goal = { revision, isThroughPauses: wait === 'through-pauses' };
  return { format, follow: { isDrawn: watch, goal, timeoutMs: parseDuration(timeout) } };
}

function findProblems({ watch, wait = false, revision, timeout, output }: StatusCall): readonly string[] {
  const isFollowed = watch === true || wait !== false;
  const rules: readonly (readonly [isWrong: boolean, sentence: string])[] = [
    [
      typeof wait === 'string' && wait !== 'through-pauses',
      `--wait is "${wait}"; write --wait or --wait=through-pauses.`,
    ],
    [wait === false && (revision ?? timeout) !== undefined, '--revision and --timeout go with --wait only; add it.'],
    [isFollowed && output !== undefined, '-o shows one moment; leave it out with --watch and --wait.'],
    [
      timeout !== undefined && parseDuration(timeout) === 0,
      `--timeout is "${timeout}"; write a duration like 90s, 30m or 1h30m.`,
    ],
  ];
  return rules.flatMap(([isWrong, sentence]) => (isWrong ? [sentence] : []));
}

/** asData is what the tree shows, for programs. */
function asData({ rollout, nowMs, ...parts }: StatusView): object {
  const { namespace, name } = rollout.metadata;
  return {
    namespace,
    name,
    ...parts,
    step: stepText(rollout, nowMs),
    next: nextText(rollout, nowMs),
    status: rollout.status ?? {},
  };
}
