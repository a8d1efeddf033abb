/** `sluice plan`: rehearses a rollout and prints what it would write, when, and what each write waits for. */
import { readFile } from 'node:fs/promises';
import { keyOf, resources } from './api/kubernetes.ts';
import type { Rollout } from './api/rollout.ts';
import { lintText } from './cli/lint-text.ts';
import { reportPlan } from './cli/plan-report.ts';
import { planText } from './cli/plan-text.ts';
import { readManifests } from './cli/read-manifests.ts';
import { systemClock, type Clock } from './clock.ts';
import { parseSettings, type ControllerSettings, type RawSettings } from './config.ts';
import { SluiceError } from './errors.ts';
import { parseFreezes } from './freezes.ts';
import { knownObjects } from './lint.ts';
import { readManifestFiles, readManifestSchema } from './manifest-files.ts';
import { readNamed } from './named-rollout.ts';
import type { KnownObject } from './reconciler/stores.ts';
import { rehearse } from './rehearsal.ts';
import { isHolding } from './rollout/status.ts';
import { planSteps } from './rollout/steps.ts';
import { readSurroundings } from './surroundings.ts';

/** PlanCall is the command line; settings are those of the controller. */
export interface PlanCall {
  readonly name?: string | undefined;
  readonly namespace?: string | undefined;
  /** filename is a file, a folder or `-`; no cluster is asked then. */
  readonly filename?: string | undefined;
  readonly output?: string | undefined;
  readonly settings: RawSettings;
}

/** PlanHost is what only the process knows. */
export interface PlanHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly readInput: () => Promise<string>;
  readonly clock?: Clock;
}

/** PlanResult is what to print; Failed says what was missing and what to do. */
export type PlanResult =
  | { readonly kind: 'Done'; readonly text: string }
  | { readonly kind: 'Failed'; readonly message: string };

interface Subject {
  readonly rollout: Rollout;
  readonly objects: readonly KnownObject[];
  readonly elsewhere: readonly string[];
}

/** runPlan rejects with ConfigInvalid for a call that cannot be meant, and with whatever the API server answers. */
export async function runPlan(call: PlanCall, host: PlanHost): Promise<PlanResult> {
  checkCall(call);
  const settings = parseSettings(call.settings);
  const subject =
    call.filename === undefined ? await readCluster(call, settings, host) : await readFiles(call, call.filename, host);
  if ('kind' in subject) return subject;
  const { rollout, objects, elsewhere } = subject;
  const name = keyOf(rollout);
  if (isHolding(rollout.status ?? {})) return { kind: 'Failed', message: holdingText(name, rollout) };
  const { freezesFile } = settings;
  const freezes = freezesFile === undefined ? [] : parseFreezes(freezesFile, await readFreezes(freezesFile));
  const nowMs = (host.clock ?? systemClock).nowMs();
  const rehearsal = rehearse({ rollout, objects, nowMs, freezes, elsewhere });
  if (rehearsal.stopped !== undefined)
    return { kind: 'Failed', message: `Rollout ${name} comes to no end: ${rehearsal.stopped}` };
  const report = reportPlan(rollout, rehearsal, planSteps(rollout.spec));
  return { kind: 'Done', text: call.output === 'json' ? JSON.stringify(report, null, 2) : planText(report) };
}

/** What comes next is no rollout of the canary, but the return of the traffic. */
function holdingText(name: string, { spec, status }: Rollout): string {
  const { stable, canary } = status?.target ?? spec;
  return `Rollout ${name} holds: ${canary.service} keeps all traffic. Next is ${stable.service}: traffic returns to it in the same steps when it has a new revision, or with a promote. There is a plan again after that.`;
}

function checkCall({ name, filename, output }: PlanCall): void {
  const problems = [
    ...(output === undefined || output === 'json' ? [] : [`-o is "${output}"; it must be json`]),
    ...(name === undefined && filename === undefined ? ['NAME of a Rollout or -f FILE is needed'] : []),
  ];
  if (problems.length > 0) throw new SluiceError('ConfigInvalid', `${problems.join('; ')}.`);
}

function readFreezes(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new SluiceError('ConfigInvalid', `The file of freezes ${file} cannot be read (${error.code ?? 'unknown'}).`);
  });
}

/** What a Rollout refers to and is not in the files may be in the cluster; only the route has to be known. */
const mayBeElsewhere = ['ServiceNotFound', 'WorkloadNotFound'];

/** assumedMiddlewares: the match route is built of those that there are. */
function assumedMiddlewares({ metadata: { namespace = '' }, spec }: Rollout): readonly KnownObject[] {
  const names = (spec.canary.middlewares ?? []).map(({ name }) => name);
  return names.map((name) => ({ kind: resources.middlewares, object: { metadata: { name, namespace } } }));
}

async function readFiles(call: PlanCall, file: string, { readInput }: PlanHost): Promise<Subject | PlanResult> {
  const { name, namespace = 'default' } = call;
  const files = await readManifestFiles([file], readInput);
  const { objects, findings } = readManifests(files, { schema: await readManifestSchema(), namespace });
  if (findings.length > 0)
    return { kind: 'Failed', message: lintText({ problems: findings, absent: [], rollouts: 0, others: 0 }) };
  const known = knownObjects(objects);
  const rollouts = known.filter(
    ({ kind, object }) => kind === resources.rollouts && (name === undefined || object.metadata.name === name),
  );
  const [found] = rollouts;
  if (found === undefined || rollouts.length > 1) {
    const which = name === undefined ? 'Rollouts' : `Rollouts of the name ${name}`;
    return { kind: 'Failed', message: `${file} has ${rollouts.length} ${which}; name the one of it that is meant.` };
  }
  const rollout = found.object as Rollout;
  const others = known.filter((one) => one !== found);
  return { rollout, objects: [...assumedMiddlewares(rollout), ...others], elsewhere: mayBeElsewhere };
}

function readCluster(
  { name, namespace }: PlanCall,
  settings: ControllerSettings,
  host: PlanHost,
): Promise<Subject | PlanResult> {
  return readNamed({ name, namespace, settings }, host, async (store, rollout) => {
    return { rollout, objects: await readSurroundings(store, rollout, host.signal), elsewhere: [] };
  });
}
