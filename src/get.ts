/** `sluice get` and `sluice history`: read Rollouts and print what is asked of them. */
import { resources, type ObjectKey } from './api/kubernetes.ts';
import type { Rollout } from './api/rollout.ts';
import { noteOn, printIdle, readIdle, type IdleFormat } from './cli/get-idle.ts';
import { getFormats, printRollouts } from './cli/get-rollouts.ts';
import { printHistory } from './cli/history.ts';
import { parseOutput, printData } from './cli/output.ts';
import { parseRolloutName } from './cli/rollout-name.ts';
import { SluiceError } from './errors.ts';
import { openSource, type CommandHost, type RolloutSource, type SourceCall } from './rollout-source.ts';

/** GetCall is the command line. */
export interface GetCall extends SourceCall {
  readonly names: readonly string[];
  readonly allNamespaces?: boolean | undefined;
  readonly selector?: string | undefined;
  readonly output?: string | undefined;
  /** headers is false for --no-headers. */
  readonly headers?: boolean | undefined;
  readonly idle?: boolean | undefined;
}

/** GetResult is what to print; `note` is for people only. Failed says what was found and what to do. */
export type GetResult =
  | { readonly kind: 'Done'; readonly text: string; readonly note: string | undefined }
  | { readonly kind: 'Failed'; readonly message: string };

const idleFormats: Readonly<Record<string, IdleFormat>> = { name: 'Name', json: 'Json', yaml: 'Yaml' };

/** runGet rejects with ConfigInvalid for a call that cannot be meant, and with whatever the API server answers. */
export async function runGet(call: GetCall, host: CommandHost): Promise<GetResult> {
  const names = call.names.map(parseRolloutName);
  if (call.idle === true) return getIdle(call, names, host);
  const format = parseOutput(call.output, getFormats);
  const isAll = call.allNamespaces === true;
  if (names.length > 0 && (isAll || call.selector !== undefined))
    throw new SluiceError('ConfigInvalid', 'NAME says which Rollouts; leave -A and -l out, or the names.');
  return withSource(call, host, async (source) => {
    const namespace = isAll ? undefined : source.namespace;
    const found = await readRollouts(source, { names, namespace, selector: call.selector });
    if (!Array.isArray(found)) return { kind: 'Failed', message: found as string };
    const isEmpty = found.length === 0 && format !== 'json' && format !== 'yaml';
    const where = isAll ? '' : ` in ${source.namespace} namespace`;
    if (isEmpty) return { kind: 'Done', text: '', note: `No Rollouts found${where}.` };
    const how = { format, hasNamespaces: isAll, hasHeaders: call.headers !== false, isSingle: names.length === 1 };
    return { kind: 'Done', text: printRollouts(found, { ...how, nowMs: source.nowMs() }), note: undefined };
  });
}

interface Asked {
  readonly names: readonly string[];
  readonly namespace: string | undefined;
  readonly selector: string | undefined;
}

async function readRollouts(source: RolloutSource, { names, ...where }: Asked): Promise<readonly Rollout[] | string> {
  if (names.length === 0) return source.list<Rollout>(resources.rollouts, where);
  const found: Rollout[] = [];
  for (const name of names) {
    const rollout = await readRollout(source, name);
    if (typeof rollout === 'string') return rollout;
    found.push(rollout);
  }
  return found;
}

/** readRollout returns the Rollout `name`, or the sentence that it does not exist. */
export async function readRollout(source: RolloutSource, name: string): Promise<Rollout | string> {
  const key: ObjectKey = `${source.namespace}/${name}`;
  const rollout = await source.get<Rollout>(resources.rollouts, key);
  return rollout ?? `Rollout ${key} does not exist; sluice get -A lists all.`;
}

/** withSource closes the source when the work is done, however it ends. */
export async function withSource<T>(
  call: SourceCall,
  host: CommandHost,
  work: (source: RolloutSource) => Promise<T>,
): Promise<T> {
  const source = await openSource(call, host);
  try {
    return await work(source);
  } finally {
    await source.close();
  }
}

async function getIdle(call: GetCall, [name, ...others]: readonly string[], host: CommandHost): Promise<GetResult> {
  if (name === undefined || others.length > 0)
    throw new SluiceError('ConfigInvalid', 'sluice get --idle takes the name of one Rollout.');
  const format = call.output === undefined ? 'Table' : idleFormats[call.output];
  if (format === undefined) parseOutput(call.output, Object.keys(idleFormats));
  return withSource(call, host, async (source) => {
    const rollout = await readRollout(source, name);
    const report = typeof rollout === 'string' ? rollout : readIdle(rollout);
    if (typeof report === 'string') return { kind: 'Failed', message: report };
    return { kind: 'Done', text: printIdle(report, format ?? 'Table'), note: noteOn(report) };
  });
}

/** HistoryCall is the command line of `sluice history`. */
export interface HistoryCall extends SourceCall {
  readonly name: string;
  readonly output?: string | undefined;
  readonly headers?: boolean | undefined;
}

/** runHistory rejects as runGet does. */
export async function runHistory(call: HistoryCall, host: CommandHost): Promise<GetResult> {
  const name = parseRolloutName(call.name);
  const format = parseOutput(call.output, ['json', 'yaml']);
  return withSource(call, host, async (source) => {
    const rollout = await readRollout(source, name);
    if (typeof rollout === 'string') return { kind: 'Failed', message: rollout };
    const history = rollout.status?.history ?? [];
    if (format !== undefined) return { kind: 'Done', text: printData(history, format), note: undefined };
    if (history.length === 0) return { kind: 'Done', text: '', note: `Nothing has happened to ${name} yet.` };
    return { kind: 'Done', text: printHistory(rollout, { hasHeaders: call.headers !== false }), note: undefined };
  });
}
