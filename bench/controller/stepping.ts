/**
 * Every Rollout goes one percent further each 10 s: 5 s until the weight is assumed to be in effect, and 5 s of its own.
 * The analysis runs in DryRun. A step of 10 s cannot be proven by scrapes that are 15 s apart, because the evidence begins
 * anew with each step; with Enforce the weight would rightly stay. Samples, evidence and verdict are made all the same:
 * the controller is told that samples are visible after 1 s, which is true of the stand-in. With the default of 30 s a
 * step would be over before its first question, and Prometheus would never be asked.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { resources } from '../../src/api/kubernetes.ts';
import type { IngressRoute } from '../../src/api/traefik.ts';
import { appName, canaryPercent, createBackdrops, createRollout, listAll } from './apps.ts';
import type { ApiRequest } from './audit-log.ts';
import type { BenchOptions } from './options.ts';
import type { Controller } from './program.ts';
import type { Stage } from './stage.ts';
import type { Outcome } from './summary.ts';
import { followAudit, measureWindow, type Window } from './window.ts';

const stepMs = 10_000;

/** The first five steps of a rollout are an event each, then one each 5 minutes: after them it costs what it costs for the rest of its way. */
const steadySteps = 6;

const spec = {
  revision: '2026.11.3',
  ramp: { from: 1, to: 99, add: 1, every: '5s' },
  analysis: { mode: 'DryRun', minRequests: 10 },
} as const;

/** runStepping lets all Rollouts step, and measures. */
export async function runStepping(
  stage: Stage,
  { rollouts, seconds }: BenchOptions,
  say: (text: string) => void,
): Promise<Outcome> {
  say(`creating ${rollouts} applications`);
  await createBackdrops(stage.cluster, rollouts);
  const controller = await stage.startController('--prometheus-lateness=1s');
  await startFirst(stage, controller);
  const spreadMs = stepMs * Math.ceil(rollouts / 500);
  say(`starting ${rollouts} rollouts, spread over ${spreadMs / 1000} s`);
  await startRollouts(stage, rollouts, spreadMs);
  const isStepping = (): boolean => countStepping(stage.audit.requests) === rollouts;
  const timeoutMs = 60_000 + 60 * rollouts;
  if (!(await followAudit(stage, controller, { isDone: isStepping, timeoutMs }))) {
    say(`only ${countStepping(stage.audit.requests)} of ${rollouts} rollouts step after ${timeoutMs / 1000} s more`);
  }
  say(`measuring ${seconds} s`);
  const window = await measureWindow(stage, controller, seconds);
  const stopMs = await controller.stop();
  await stage.audit.read();
  const { refused } = await stage.standIn.stats();
  return {
    window,
    readyMs: controller.readyMs,
    stopMs,
    stepsDue: (rollouts * 1000 * seconds) / stepMs,
    stepsMade: window.requests.filter(isRouteWrite).length,
    stepDelaysMs: stepDelays(stage.audit.requests, window),
    breachDelaysMs: [],
    isCounted: ({ resource }) => resource !== 'leases',
    details: {},
    problems: [
      ...(refused === undefined ? [] : [`the stand-in does not understand ${refused}`]),
      ...(await findFalseSteps(stage, rollouts)),
    ],
  };
}

/** A controller waits for a new Lease; what is created meanwhile would start in one moment, and step in one for ever. */
async function startFirst(stage: Stage, controller: Controller): Promise<void> {
  await createRollout(stage.cluster, 0, spec);
  const isDone = (): boolean => stage.audit.requests.some(isRouteWrite);
  if (await followAudit(stage, controller, { isDone, timeoutMs: 60_000 })) return;
  throw new Error('The first rollout was not started in 60 s.');
}

/** Each Rollout begins at its own moment, so that the steps that are due lie evenly. */
async function startRollouts(stage: Stage, rollouts: number, spreadMs: number): Promise<void> {
  const startMs = performance.now();
  const created: Promise<void>[] = [];
  for (let index = 1; index < rollouts; index += 1) {
    const waitMs = startMs + (index * spreadMs) / rollouts - performance.now();
    if (waitMs > 1) await sleep(waitMs);
    created.push(createRollout(stage.cluster, index, spec));
  }
  await Promise.all(created);
}

/** isRouteWrite tells whether a request has changed a route. */
export function isRouteWrite({ verb, resource, code }: ApiRequest): boolean {
  return verb === 'patch' && resource === 'ingressroutes' && code === 200;
}

/** routeWrites returns the times of the successful route writes of each application, ascending. */
export function routeWrites(requests: readonly ApiRequest[]): ReadonlyMap<string, readonly number[]> {
  const writes = new Map<string, number[]>();
  for (const request of requests.filter(isRouteWrite)) {
    const times = writes.get(request.name) ?? [];
    times.push(request.doneMs);
    writes.set(request.name, times);
  }
  for (const times of writes.values()) times.sort((left, right) => left - right);
  return writes;
}

/** A Rollout steps when it has made a step after the one that started it. */
function countStepping(requests: readonly ApiRequest[]): number {
  return [...routeWrites(requests).values()].filter((times) => times.length >= steadySteps).length;
}

/** stepDelays: a step is due 10 s after the route write before it. Both times are those of the complete answer. */
function stepDelays(requests: readonly ApiRequest[], { startMs, endMs }: Window): readonly number[] {
  return [...routeWrites(requests).values()].flatMap((times) =>
    times.flatMap((atMs, index) => {
      const before = times[index - 1];
      return before === undefined || atMs < startMs || atMs >= endMs ? [] : [atMs - before - stepMs];
    }),
  );
}

/** Every write was a step upwards if the routes give as many percent as there were writes. */
async function findFalseSteps(stage: Stage, rollouts: number): Promise<readonly string[]> {
  const writes = routeWrites(stage.audit.requests);
  const routes = await listAll<IngressRoute>(stage.cluster, resources.ingressRoutes);
  const percentByName = new Map(routes.map((route) => [route.metadata.name, canaryPercent(route)]));
  return Array.from({ length: rollouts }, (_none, index) => appName(index)).flatMap((name) => {
    const [made, percent] = [writes.get(name)?.length ?? 0, percentByName.get(name) ?? 0];
    return made === percent ? [] : [`${name} is at ${percent} % after ${made} route writes`];
  });
}
