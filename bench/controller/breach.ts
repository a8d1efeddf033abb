/**
 * Every Rollout stands in one long step, is judged (mode Enforce) and passes, or will. Then K canaries begin to fail in the
 * same scrape of the same Traefik pod, each with a ratio of its own, and go on failing. One bad block proves nothing yet
 * (src/analysis/wealth.ts), so the time of each runs from the answer that was the first to prove a breach of any of them,
 * the k-th with failing samples, and is the same k for all: from the moment when the stand-in had sent it to the moment
 * when the API server had answered the PATCH that takes the canary out (stage ResponseComplete of the audit log). Who needs
 * one more answer than others is a block late here.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { resources } from '../../src/api/kubernetes.ts';
import type { Rollout } from '../../src/api/rollout.ts';
import type { IngressRoute } from '../../src/api/traefik.ts';
import { appName, canaryPercent, createBackdrops, createRollout, inParallel, indexOfApp, listAll } from './apps.ts';
import type { ApiRequest } from './audit-log.ts';
import type { BenchOptions } from './options.ts';
import type { Controller } from './program.ts';
import type { Stage } from './stage.ts';
import type { BreachOrder } from './stand-in.ts';
import { isRouteWrite, routeWrites } from './stepping.ts';
import { round, type Outcome } from './summary.ts';
import { requestsPerSecond } from './traffic-model.ts';
import { followAudit, measureWindow } from './window.ts';

const weight = 50;

const spec = {
  revision: '2026.11.3',
  steps: [{ weight, duration: '12h' }],
  // A canary that is proven safe would leave the step early.
  analysis: { mode: 'Enforce', minRequests: 100, pace: 'Time', warmup: '10s' },
} as const;

/** runBreach lets all Rollouts stand and some fail, and measures. */
export async function runBreach(
  stage: Stage,
  { rollouts, seconds, breach }: BenchOptions,
  say: (text: string) => void,
): Promise<Outcome> {
  say(`creating ${rollouts} applications`);
  await createBackdrops(stage.cluster, rollouts);
  const controller = await stage.startController();
  say(`starting ${rollouts} rollouts`);
  await inParallel(rollouts, (index) => createRollout(stage.cluster, index, spec));
  await untilCompared(stage, controller, rollouts);
  say(`measuring ${seconds} s before the breach`);
  const window = await measureWindow(stage, controller, seconds);
  const plan = planBreach(rollouts, breach);
  const breachMs = await stage.standIn.breach(plan);
  say(`${breach} canaries fail at ${new Date(breachMs).toISOString()}`);
  const found = await untilAnswered(stage, controller, { breachMs, plan });
  const stopMs = await controller.stop();
  const problems = [...(await findWrongRoutes(stage, rollouts, plan)), ...found.problems];
  return {
    window,
    readyMs: controller.readyMs,
    stopMs,
    stepsDue: 0,
    stepsMade: 0,
    stepDelaysMs: [],
    breachDelaysMs: found.delaysMs,
    isCounted: ({ resource }) => resource !== 'leases',
    details: {
      breaches: breach,
      breachAnswered: found.delaysMs.length,
      breachLastPatchMs: found.lastPatchMs,
      sampleToAnswerMs: found.sampleToAnswerMs,
      answersNeeded: found.answersNeeded,
      neededMore: found.neededMore,
      inversionsShare: found.inversionsShare,
    },
    problems,
  };
}

/** Canaries are compared for so long before some fail: some hundred requests of each arm. */
const comparedMs = 30_000;

/** untilCompared waits until the status of every Rollout says that its canary has been compared for a while. */
async function untilCompared(stage: Stage, controller: Controller, rollouts: number): Promise<void> {
  let compared = 0;
  const isDone = async (): Promise<boolean> => {
    if (routeWrites(stage.audit.requests).size < rollouts) return false;
    await sleep(4_000);
    const all = await listAll<Rollout>(stage.cluster, resources.rollouts);
    compared = all.filter(isCompared).length;
    return compared === rollouts;
  };
  if (await followAudit(stage, controller, { isDone, timeoutMs: 180_000 + 120 * rollouts })) return;
  throw new Error(`Only ${compared} of ${rollouts} canaries are compared; the others cannot show a breach.`);
}

function isCompared({ status }: Rollout): boolean {
  const { warmUntil = '', watermark = '' } = status?.analysis ?? {};
  return Date.parse(watermark) - Date.parse(warmUntil) >= comparedMs;
}

/** planBreach chooses canaries all over the list, and gives each a ratio of its own, in no order of their names. */
function planBreach(rollouts: number, breach: number): BreachOrder {
  return Array.from({ length: breach }, (_none, place) => {
    const ratio = ratioOf(place, breach);
    return {
      index: Math.floor((place * rollouts) / breach),
      errorsPerSecond: (requestsPerSecond * ratio) / (1 - ratio),
    };
  });
}

/** A prime number scatters the ratios from 25 to 40 % over the places: in a wider range some need a block more than others. */
function ratioOf(place: number, breach: number): number {
  return 0.25 + (0.15 * ((place * 7919) % breach)) / breach;
}

interface Found {
  readonly delaysMs: readonly number[];
  /** lastPatchMs is the time from the first of the answers that proved a breach to the last patch. */
  readonly lastPatchMs: number | null;
  /** sampleToAnswerMs is the age of the first failing sample when the first answer with it had been sent. */
  readonly sampleToAnswerMs: number | null;
  /** answersNeeded is how many answers with failing samples came before the patch, at least; neededMore is of how many canaries there were more. */
  readonly answersNeeded: number | null;
  readonly neededMore: number | null;
  /** inversionsShare is the share of pairs of which the lesser breach was patched first: 0 is worst first, 0.5 no order. */
  readonly inversionsShare: number | null;
  readonly problems: readonly string[];
}

async function untilAnswered(
  stage: Stage,
  controller: Controller,
  { breachMs, plan }: { readonly breachMs: number; readonly plan: BreachOrder },
): Promise<Found> {
  const patched = (): ReadonlyMap<number, ApiRequest> => firstWrites(stage.audit.requests, breachMs);
  const isDone = (): boolean => patched().size >= plan.length;
  const isComplete = await followAudit(stage, controller, { isDone, timeoutMs: 180_000 });
  const patches = patched();
  const problems = isComplete ? [] : [`${patches.size} of ${plan.length} breaches were answered in 180 s`];
  const sent = new Map((await stage.standIn.breachAnswers()).map(({ index, sentMs }) => [index, sentMs]));
  const pairs = plan.flatMap(({ index }) => {
    const [answers, patch] = [sent.get(index), patches.get(index)];
    return answers === undefined || patch === undefined
      ? []
      : [{ answers, patch, needed: countBefore(answers, patch) }];
  });
  const inversions = inversionsShare(plan, patches);
  if (pairs.length === 0) return { ...nothing, inversionsShare: inversions, problems };
  const needed = Math.min(...pairs.map((pair) => pair.needed));
  const provenMs = (answers: readonly number[]): number => answers[needed - 1] ?? breachMs;
  const firstMs = Math.min(...pairs.map(({ answers }) => provenMs(answers)));
  return {
    delaysMs: pairs.map(({ answers, patch }) => patch.doneMs - provenMs(answers)),
    lastPatchMs: round(Math.max(...pairs.map(({ patch }) => patch.doneMs)) - firstMs, 1),
    sampleToAnswerMs: round(Math.min(...pairs.map(({ answers }) => answers[0] ?? breachMs)) - breachMs),
    answersNeeded: needed,
    neededMore: pairs.filter((pair) => pair.needed > needed).length,
    inversionsShare: inversions,
    problems,
  };
}

const nothing = {
  delaysMs: [],
  lastPatchMs: null,
  sampleToAnswerMs: null,
  answersNeeded: null,
  neededMore: null,
} as const;

/** countBefore counts the answers that had been sent when the API server got the patch. */
function countBefore(answers: readonly number[], { receivedMs }: ApiRequest): number {
  return answers.filter((sentMs) => sentMs <= receivedMs).length;
}

/** firstWrites returns the first route write after `sinceMs`, by application. */
function firstWrites(requests: readonly ApiRequest[], sinceMs: number): ReadonlyMap<number, ApiRequest> {
  const first = new Map<number, ApiRequest>();
  for (const request of requests) {
    const index = indexOfApp(request.name);
    if (index === undefined || request.doneMs < sinceMs || !isRouteWrite(request)) continue;
    if (request.doneMs < (first.get(index)?.doneMs ?? Number.POSITIVE_INFINITY)) first.set(index, request);
  }
  return first;
}

function inversionsShare(plan: BreachOrder, patches: ReadonlyMap<number, ApiRequest>): number | null {
  const byExcess = plan
    .map(({ index }, place) => ({ ratio: ratioOf(place, plan.length), patchMs: patches.get(index)?.doneMs ?? 0 }))
    .toSorted((left, right) => right.ratio - left.ratio);
  let [inversions, pairs] = [0, 0];
  for (const [place, worse] of byExcess.entries()) {
    for (const lesser of byExcess.slice(place + 1)) {
      pairs += 1;
      if (lesser.patchMs < worse.patchMs) inversions += 1;
    }
  }
  return pairs === 0 ? null : round(inversions / pairs, 3);
}

/** The breached have to be off the canary, and nobody else. */
async function findWrongRoutes(stage: Stage, rollouts: number, plan: BreachOrder): Promise<readonly string[]> {
  const breached = new Set(plan.map(({ index }) => appName(index)));
  const routes = await listAll<IngressRoute>(stage.cluster, resources.ingressRoutes);
  const wrong = routes.filter((route) => canaryPercent(route) !== (breached.has(route.metadata.name) ? 0 : weight));
  const missing = routes.length === rollouts ? [] : [`${routes.length} of ${rollouts} routes are there`];
  return [...missing, ...wrong.map((route) => `${route.metadata.name} gives the canary ${canaryPercent(route)} %`)];
}
