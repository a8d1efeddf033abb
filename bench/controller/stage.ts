/** The stage of the bench: a real kube-apiserver and etcd, the stand-in for Prometheus, and the controller under its real rights. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { startCluster, type Cluster } from '../../test/support/cluster.ts';
import { putNamespace } from '../../test/support/objects.ts';
import { freePort, startServer } from '../../test/support/processes.ts';
import { installTraefikCrds } from '../../test/support/traefik.ts';
import { benchNamespace } from './apps.ts';
import { AuditLog, auditPolicyFor } from './audit-log.ts';
import type { BenchOptions } from './options.ts';
import { buildProgram, startController, type Controller } from './program.ts';
import type { BreachAnswers, BreachOrder, StandInStats } from './stand-in.ts';
import { programOf } from './usage.ts';

/** StandInClient talks to the stand-in beside its API of Prometheus. */
export interface StandInClient {
  stats(): Promise<StandInStats>;
  /** breach lets canaries fail from the next scrape of the first pod on, and returns its time. */
  breach(order: BreachOrder): Promise<number>;
  breachAnswers(): Promise<BreachAnswers>;
}

/** Stage is all that a mode needs. */
export interface Stage {
  readonly cluster: Cluster;
  readonly audit: AuditLog;
  readonly standIn: StandInClient;
  /** processes are the servers and the bench itself, by name. */
  readonly processes: ReadonlyMap<string, number>;
  startController(...flags: readonly string[]): Promise<Controller>;
  stop(): Promise<void>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const account = { namespace: 'sluice-system', name: 'sluice' } as const;

/** startStage builds the program and starts everything but the controller. */
export async function startStage(options: BenchOptions, say: (text: string) => void): Promise<Stage> {
  const program = options.program ?? (await buildProgram());
  say('starting etcd and kube-apiserver');
  const cluster = await startCluster({
    controllerManager: false,
    auditPolicy: auditPolicyFor(`system:serviceaccount:${account.namespace}:${account.name}`),
  });
  const audit = new AuditLog(path.join(cluster.dataDir, 'audit.log'));
  const started: { stop(): Promise<unknown> }[] = [{ stop: () => audit.close() }, cluster];
  const stop = async (): Promise<void> => {
    for (const part of started.splice(0).toReversed()) await part.stop();
  };
  try {
    await installTraefikCrds(cluster);
    await cluster.kubectl(['apply', '-k', path.join(root, 'manifests/base')]);
    await cluster.kubectl(['wait', '--for=condition=Established', '--timeout=30s', 'crd/rollouts.sluice.dev']);
    await putNamespace(cluster, benchNamespace);
    const standIn = await startStandIn(cluster.dataDir, options.rollouts);
    started.push(standIn);
    const token = await cluster.serviceAccountToken(account.namespace, account.name);
    const { url: serverUrl, caFile } = cluster;
    return {
      cluster,
      audit,
      standIn,
      processes: await nameProcesses(cluster, standIn.pid),
      startController: async (...flags) => {
        const controller = await startController({
          program: path.resolve(program),
          account: { serverUrl, token, caFile, namespace: account.namespace },
          prometheusUrl: standIn.url,
          directory: cluster.dataDir,
          profileDirectory: options.profileDirectory,
          nodeFlags: options.nodeFlags,
          flags,
        });
        started.push(controller);
        return controller;
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function nameProcesses(cluster: Cluster, standInPid: number): Promise<ReadonlyMap<string, number>> {
  const servers = await Promise.all(cluster.pids().map(async (pid) => [await programOf(pid), pid] as const));
  return new Map([...servers, ['stand-in', standInPid], ['bench', process.pid]]);
}

interface RunningStandIn extends StandInClient {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

async function startStandIn(directory: string, rollouts: number): Promise<RunningStandIn> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const read = async (route: string): Promise<unknown> => (await request(`${url}/bench/${route}`)).body.json();
  const server = await startServer({
    name: 'stand-in',
    command: process.execPath,
    directory,
    args: [fileURLToPath(new URL('stand-in.ts', import.meta.url)), String(port), String(rollouts)],
    isReady: async () => (await read('stats')) !== undefined,
  });
  return {
    url,
    pid: server.pid,
    stop: () => server.stop(0),
    stats: async () => (await read('stats')) as StandInStats,
    breachAnswers: async () => (await read('answers')) as BreachAnswers,
    breach: async (order) => {
      const answer = await request(`${url}/bench/breach`, { method: 'POST', body: JSON.stringify(order) });
      return ((await answer.body.json()) as { readonly atMs: number }).atMs;
    },
  };
}
