/** `sluice version`: the versions of this program, of the CRD and of the controller in a cluster. */
import { electionLabel, type Lease } from '../api/lease.ts';
import { parseOutput, printData } from '../cli/output.ts';
import { parseTime, systemClock, type Clock } from '../clock.ts';
import { isSluiceError } from '../errors.ts';
import { loadKubeConfig } from '../kube/config.ts';
import { startDeadline } from '../kube/deadline.ts';
import { createKubeClient } from '../kube/request.ts';
import { version } from '../version.ts';
import { ask, type Answer, type Asker } from './ask.ts';
import type { Crd } from './build.ts';
import { crdPath, isOfBuild } from './cluster.ts';
import { readLeases } from './rights.ts';

/** VersionCall is the command line; `namespace` is that of the controller. */
export interface VersionCall {
  /** client: no cluster is asked. */
  readonly client?: boolean | undefined;
  readonly namespace: string;
  readonly output?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

/** VersionHost is what only the process knows. */
export interface VersionHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** Printed is what to print, and a sentence for each thing that cannot be had. */
export interface Printed {
  readonly text: string;
  readonly notes: readonly string[];
}

/** Versions is what a cluster says; what is not known is missing, and `notes` say why. */
interface Versions {
  readonly apiServer?: string;
  readonly crd?: { readonly versions: readonly string[]; readonly isOfThisBuild: boolean };
  readonly controller?: Controller;
  readonly notes: readonly string[];
}

interface Controller {
  /** version is the tag of its image; missing where that has a digest only. */
  readonly version?: string;
  readonly image: string;
  readonly replicas: number;
  readonly availableReplicas: number;
  /** leaders are the holders of the Leases. */
  readonly leaders: readonly string[];
}

interface Deployment {
  readonly spec: {
    readonly replicas?: number;
    readonly template: {
      readonly spec: { readonly containers: readonly { readonly name: string; readonly image: string }[] };
    };
  };
  readonly status?: { readonly availableReplicas?: number };
}

/** Who asks for a version waits no longer. */
const deadlineMs = 5_000;

/** runVersion rejects with ConfigInvalid for a format that it does not know; a cluster that does not answer is a note. */
export async function runVersion(call: VersionCall, host: VersionHost): Promise<Printed> {
  const format = parseOutput(call.output, ['json', 'yaml']);
  const cluster = call.client === true ? undefined : await readCluster(call, host);
  const { notes = [], ...found } = cluster ?? {};
  const text =
    format === undefined
      ? textOf(found)
      : printData({ client: { version }, ...(cluster === undefined ? {} : { cluster: found }) }, format);
  return { text, notes };
}

async function readCluster(
  { kubeconfig, context, namespace }: VersionCall,
  { env, signal, clock = systemClock }: VersionHost,
): Promise<Versions> {
  const deadline = startDeadline(clock, deadlineMs, signal);
  try {
    const connection = await loadKubeConfig({ kubeconfig, context, env, clock });
    const client = createKubeClient(connection, { clock, version });
    try {
      return await askCluster({ client, signal: deadline.signal }, namespace, clock.nowMs());
    } finally {
      await client.close();
    }
  } catch (error) {
    if (deadline.isOver()) return { notes: [`The API server did not answer within ${deadlineMs / 1_000} s.`] };
    if (isSluiceError(error) && !signal.aborted) return { notes: [error.message] };
    throw error;
  } finally {
    deadline.close();
  }
}

async function askCluster(asker: Asker, namespace: string, nowMs: number): Promise<Versions> {
  const [server, crd, deployment, leases] = await Promise.all([
    ask<{ readonly gitVersion: string }>(asker, '/version'),
    ask<Crd>(asker, `${crdPath}/rollouts.sluice.dev`),
    ask<Deployment>(asker, `/apis/apps/v1/namespaces/${encodeURIComponent(namespace)}/deployments/sluice`),
    readLeases(asker, namespace),
  ]);
  const leaders = leases.kind === 'Found' ? leadersOf(leases.value.items, nowMs + asker.client.serverOffsetMs()) : [];
  return {
    ...(server.kind === 'Found' ? { apiServer: server.value.gitVersion } : {}),
    ...(crd.kind === 'Found' ? { crd: await describeCrd(crd.value) } : {}),
    ...(deployment.kind === 'Found' ? { controller: describeController(deployment.value, leaders) } : {}),
    notes: [
      ...missing(crd, 'CRD rollouts.sluice.dev is not installed; sluice install prints it.'),
      ...missing(deployment, `Namespace ${namespace} has no Deployment sluice; -n says where the controller is.`),
    ],
  };
}

/** leadersOf returns who holds a Lease of an election that has not run out. */
function leadersOf(leases: readonly Lease[], nowMs: number): readonly string[] {
  const held = leases.filter(({ metadata, spec }) => {
    const endsMs = (parseTime(spec?.renewTime ?? undefined) ?? 0) + (spec?.leaseDurationSeconds ?? 0) * 1_000;
    return metadata.labels?.[electionLabel] !== undefined && nowMs <= endsMs;
  });
  return [...new Set(held.map(({ spec }) => spec?.holderIdentity ?? ''))].filter((name) => name !== '');
}

function missing(answer: Answer<unknown>, sentence: string): readonly string[] {
  if (answer.kind === 'Found') return [];
  return [answer.kind === 'Missing' ? sentence : answer.message];
}

async function describeCrd({ spec }: Crd): Promise<NonNullable<Versions['crd']>> {
  const versions = spec.versions.filter(({ served }) => served === true).map(({ name }) => name);
  return { versions, isOfThisBuild: await isOfBuild(spec) };
}

function describeController({ spec, status }: Deployment, leaders: readonly string[]): Controller {
  const { containers } = spec.template.spec;
  const { image = '' } = containers.find(({ name }) => name === 'controller') ?? containers[0] ?? {};
  // A registry may have a port, and a digest stands behind the tag.
  const [, tag] = /:([\w][\w.-]*)(?:@.*)?$/.exec(image.replace(/@.*$/, '')) ?? [];
  const { availableReplicas = 0 } = status ?? {};
  const counts = { replicas: spec.replicas ?? 1, availableReplicas };
  return { ...(tag === undefined ? {} : { version: tag }), image, ...counts, leaders };
}

function textOf({ apiServer, crd, controller }: Omit<Versions, 'notes'>): string {
  const schema = crd?.isOfThisBuild === true ? 'that of this build' : 'its schema is not that of this build';
  return [
    `sluice ${version}`,
    ...(apiServer === undefined ? [] : [`API server: ${apiServer}`]),
    ...(crd === undefined ? [] : [`CRD rollouts.sluice.dev: ${crd.versions.join(', ')}, ${schema}`]),
    ...(controller === undefined ? [] : [controllerLine(controller)]),
  ].join('\n');
}

function controllerLine({ version: tag, image, replicas, availableReplicas, leaders }: Controller): string {
  const led = leaders.length === 0 ? '' : `, ${leaders.join(', ')} leads`;
  return `Controller: ${tag ?? 'version unknown'} (${image}), ${availableReplicas} of ${replicas} replicas available${led}`;
}
