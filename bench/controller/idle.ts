/**
 * Every Rollout is at rest: its revision went all the way and traffic is back on stable, with the status that such a
 * Rollout has, its twenty transitions included. The controller completes the conditions once and is started anew, so
 * that what is measured is a start with caches to fill, and then nothing to do.
 */
import { resources } from '../../src/api/kubernetes.ts';
import type { Rollout } from '../../src/api/rollout.ts';
import type { RolloutStatus } from '../../src/api/rollout-status.ts';
import { apiPathOf } from '../../test/support/objects.ts';
import type { Cluster } from '../../test/support/cluster.ts';
import {
  appName,
  benchNamespace,
  createBackdrops,
  createRollout,
  inParallel,
  listAll,
  ruleOf,
  stableEntry,
} from './apps.ts';
import type { BenchOptions } from './options.ts';
import type { Controller } from './program.ts';
import type { Stage } from './stage.ts';
import type { Outcome } from './summary.ts';
import { followAudit, measureWindow } from './window.ts';

const revision = '2026.11.3';

const spec = {
  revision,
  steps: [
    { weight: 5, duration: '5m' },
    { weight: 25, duration: '10m' },
    { weight: 50, duration: '10m' },
  ],
  analysis: {},
} as const;

/** runIdle lets all Rollouts rest, and measures. */
export async function runIdle(
  stage: Stage,
  { rollouts, seconds }: BenchOptions,
  say: (text: string) => void,
): Promise<Outcome> {
  say(`creating ${rollouts} applications with Rollouts at rest`);
  const routeUids = await createBackdrops(stage.cluster, rollouts);
  await inParallel(rollouts, async (index) => {
    await createRollout(stage.cluster, index, spec);
    await writeStatus(stage.cluster, index, routeUids[index] ?? '');
  });
  say('starting the controller for the first time');
  const first = await stage.startController();
  const isComplete = await untilComplete(stage, first, rollouts);
  await first.stop();
  say('starting it again');
  const controller = await stage.startController();
  say(`ready after ${Math.round(controller.readyMs)} ms`);
  const isQuiet = await untilQuiet(stage, controller);
  say(`measuring ${seconds} s`);
  const window = await measureWindow(stage, controller, seconds);
  const stopMs = await controller.stop();
  const lists = window.requests.filter(({ verb }) => verb === 'list').length;
  return {
    window,
    readyMs: controller.readyMs,
    stopMs,
    stepsDue: 0,
    stepsMade: 0,
    stepDelaysMs: [],
    breachDelaysMs: [],
    // The audit of the caches is a list now and then; a watch that has to list anew shows among the lists.
    isCounted: ({ verb, resource }) => resource !== 'leases' && verb !== 'list',
    details: { lists },
    problems: [
      ...(isComplete ? [] : ['not every status was completed by the first start']),
      ...(isQuiet ? [] : ['the controller did not become quiet']),
    ],
  };
}

/** Longer than it takes to claim a Lease: before that nothing is reconciled. */
const quietMs = 30_000;

/** untilComplete waits until the controller has looked at every Rollout and written its conditions. */
async function untilComplete(stage: Stage, controller: Controller, rollouts: number): Promise<boolean> {
  let looked = 0;
  const isDone = async (): Promise<boolean> => {
    const writes = stage.audit.requests.filter(({ resource, code }) => resource === 'rollouts/status' && code === 200);
    if (writes.length < rollouts || writes.length === looked) return false;
    looked = writes.length;
    const all = await listAll<Rollout>(stage.cluster, resources.rollouts);
    return all.filter(({ status }) => status?.conditions !== undefined).length === rollouts;
  };
  return followAudit(stage, controller, { isDone, timeoutMs: 60_000 + 60 * rollouts });
}

/** untilQuiet waits until the controller has asked for nothing but leases for a while. */
async function untilQuiet(stage: Stage, controller: Controller): Promise<boolean> {
  let seen = -1;
  let sinceMs = performance.now();
  const isDone = (): boolean => {
    const count = stage.audit.requests.filter(({ resource }) => resource !== 'leases').length;
    if (count !== seen) [seen, sinceMs] = [count, performance.now()];
    return performance.now() - sinceMs > quietMs;
  };
  return followAudit(stage, controller, { isDone, timeoutMs: 900_000 });
}

async function writeStatus(cluster: Cluster, index: number, routeUid: string): Promise<void> {
  const path = `${apiPathOf(resources.rollouts, { namespace: benchNamespace, name: appName(index) })}/status`;
  const status = restingStatus(index, routeUid);
  const answer = await cluster.api('PATCH', path, { status }, 'application/merge-patch+json');
  if (answer.status !== 200) throw new Error(`PATCH ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
}

/** trial is as long as the text of a sequential test. */
const trial = `comparison1 ${'3fd5c28f5c28f5c3 '.repeat(14)}`;

/** restingStatus is what a Rollout has after two releases and the way back. */
function restingStatus(index: number, routeUid: string): RolloutStatus {
  const name = appName(index);
  const startMs = Date.now() - 86_400_000 - 1000 * index;
  const timeOf = (minute: number): string => new Date(startMs + 60_000 * minute).toISOString();
  return {
    schema: 1,
    observedGeneration: 1,
    phase: 'Succeeded',
    reason: 'Returned',
    message: `All traffic is back on ${name}-stable.`,
    weight: 0,
    observed: '50.2%',
    verdict: 'Pass',
    revision,
    promotedRevision: revision,
    stableRevision: '2026.11.2',
    target: {
      route: name,
      uid: routeUid,
      stable: { service: `${name}-stable`, port: 80 },
      canary: { service: `${name}-canary`, port: 80 },
      raisedAt: timeOf(30),
      baseline: { routes: [{ match: ruleOf(index), services: [stableEntry(index)] }] },
    },
    analysis: {
      id: '8f3a61c2',
      since: timeOf(30),
      watermark: timeOf(39),
      stable: { requests: 1_169_600, errors: 2_340 },
      canary: { requests: 11_696, errors: 32 },
      step: { since: timeOf(38), stable: 0, canary: 1_170 },
      warmUntil: timeOf(31),
      trials: {
        errors: trial,
        guard: trial,
        alone: trial.slice(0, 120),
        latency: trial,
        latencyPlan: trial.slice(0, 120),
      },
    },
    history: Array.from({ length: 20 }, (_none, entry) => ({
      time: timeOf(2 * entry),
      from: 'Progressing',
      to: 'Progressing',
      weight: 5 * entry,
      revision,
      reason: 'StepStarted',
      message: `The canary goes from ${5 * entry}% to ${5 * entry + 5}% (step ${entry + 1} of 20). Canary 32/11696 bad (0.27%), allowed 5%; stable 31/11702 (0.26%).`,
    })),
  };
}
