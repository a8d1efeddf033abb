/**
 * Many applications on a real API server, with a real Prometheus that scrapes counters of traffic that is not there. What
 * the controllers write is judged as etcd commits it.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { appName, benchNamespace, createBackdrops, createRollout, serviceLabel } from '../../bench/controller/apps.ts';
import { type Chronicle, keepChronicle } from './chronicle.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { type Counters, startCounters } from './counters.ts';
import { createJudge, type Judge } from './judge.ts';
import { putNamespace } from './objects.ts';
import { type Prometheus, startPrometheus } from './prometheus.ts';
import { installTraefikCrds } from './traefik.ts';

/** Fleet is all but the controllers. */
export interface Fleet {
  readonly cluster: Cluster;
  readonly counters: Counters;
  readonly prometheus: Prometheus;
  readonly judge: Judge;
  readonly chronicle: Chronicle;
  /** weights are the steps of every rollout. */
  readonly weights: readonly number[];
  /** release creates the Rollout of an application, with the revision r1, that has to end as `end` says. */
  release(index: number, end?: 'Succeeded' | 'Failed'): Promise<void>;
  /** expect says how a revision of an application has to end; undefined where anything is right. */
  expect(name: string, revision: string, end: 'Succeeded' | 'Failed' | undefined): void;
  /** fail makes this share of the requests to the canary of an application fail from now on. */
  fail(index: number, ratio: number): void;
  stop(): Promise<void>;
}

/** FleetOptions: every step lasts `stepDuration` after its weight is in effect. */
export interface FleetOptions {
  readonly applications: number;
  readonly weights: readonly number[];
  readonly stepDuration: string;
  readonly auditPolicy?: string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** startFleet starts the servers and creates the routes and Services of all applications. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const started: { stop(): Promise<void> }[] = [];
  const stop = async (): Promise<void> => {
    for (const part of started.splice(0).toReversed()) await part.stop();
  };
  try {
    return { ...(await startParts(options, started)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(options: FleetOptions, started: { stop(): Promise<void> }[]): Promise<Omit<Fleet, 'stop'>> {
  const { applications, weights, stepDuration, auditPolicy } = options;
  const cluster = await startCluster({
    controllerManager: false,
    ...(auditPolicy === undefined ? {} : { auditPolicy }),
  });
  started.push(cluster);
  await installTraefikCrds(cluster);
  await cluster.kubectl(['apply', '-k', path.join(root, 'manifests/base')]);
  await cluster.kubectl(['wait', '--for=condition=Established', '--timeout=30s', 'crd/rollouts.sluice.dev']);
  await putNamespace(cluster, benchNamespace);
  const indices = Array.from({ length: applications }, (_none, index) => index);
  const services = indices.flatMap((index) => [serviceLabel(index, 'stable'), serviceLabel(index, 'canary')]);
  const counters = await startCounters({ services });
  started.push(counters);
  const prometheus = await startPrometheus({ targets: counters.addresses, scrapeIntervalMs: 1000 });
  started.push(prometheus);
  const ends = new Map<string, 'Succeeded' | 'Failed' | undefined>();
  const judge = createJudge({
    namespace: benchNamespace,
    weights,
    expected: (name, revision) => ends.get(`${name} ${revision}`),
  });
  const chronicle = await keepChronicle(cluster, benchNamespace, (entry) => judge.take(entry));
  started.push(chronicle);
  await createBackdrops(cluster, applications);
  const spec = {
    steps: weights.map((weight) => ({ weight, duration: stepDuration })),
    analysis: { mode: 'Enforce', errorRatio: { maxIncrease: '10pp' }, warmup: '0s', pace: 'Time', minRequests: 30 },
    revision: 'r1',
  } as const;
  return {
    cluster,
    counters,
    prometheus,
    judge,
    chronicle,
    weights,
    release: async (index, end = 'Succeeded') => {
      ends.set(`${appName(index)} r1`, end);
      await createRollout(cluster, index, spec);
    },
    expect: (name, revision, end) => void ends.set(`${name} ${revision}`, end),
    fail: (index, ratio) => counters.fail(serviceLabel(index, 'canary'), ratio),
  };
}
