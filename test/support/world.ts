/**
 * World is a model of what one Rollout lives in, for tests of the pure core: plain data, no server. It reads, merges, patches
 * and compares with the code of the product; only the order of the writes is repeated here from reconciler/act.ts, because
 * there it is asynchronous, and here it can be cut after any write.
 */
import jsonPatch, { deepClone } from 'fast-json-patch';
import { keyOf, resources, type EndpointSlice, type ObjectKey, type Service } from '../../src/api/kubernetes.ts';
import { mergePatch } from '../../src/api/merge-patch.ts';
import type { JsonPatchOperation } from '../../src/api/object-store.ts';
import type { Rollout } from '../../src/api/rollout.ts';
import type { AnalysisEvidence } from '../../src/api/rollout-evidence.ts';
import type { RolloutStatus } from '../../src/api/rollout-status.ts';
import type { IngressRoute, Route } from '../../src/api/traefik.ts';
import type { Verdict } from '../../src/analysis/verdict.ts';
import { startEvidence } from '../../src/analysis/evidence.ts';
import { formatTime } from '../../src/clock.ts';
import type { Caches } from '../../src/reconciler/caches.ts';
import type { Judged } from '../../src/reconciler/judged.ts';
import { observe, readScene, type Scene } from '../../src/reconciler/observe.ts';
import { revisionOf, type Workload, type WorkloadKind } from '../../src/reconciler/workloads.ts';
import { mergeObserved } from '../../src/rollout/answer.ts';
import { isCopyDue, refusedCopy } from '../../src/rollout/copy.ts';
import { decide } from '../../src/rollout/decide.ts';
import { refusedRaise } from '../../src/rollout/deadline.ts';
import { finalizer, type Decision, type Notice } from '../../src/rollout/decision.ts';
import type {
  CopyObservation,
  Observation,
  PodTemplate,
  ReplicaFinding,
  SourceObservation,
} from '../../src/rollout/observation.ts';
import { isUndecided } from '../../src/rollout/start.ts';
import type { FrozenTime } from '../../src/rollout/schedule.ts';
import { isAtRest, isWorthWriting } from '../../src/rollout/status.ts';
import { commandAnnotation, commandByAnnotation } from '../../src/rollout/verbs.ts';
import type { Target } from '../../src/traffic/merge.ts';
import { buildPatch } from '../../src/traffic/patch.ts';
import { asRoute, type RouteObject } from '../../src/traffic/route-object.ts';
import { readSplit } from '../../src/traffic/split.ts';
import { evidenceOf } from './evidence.ts';
import { rollout, shopPair, shopRoutes, type WrittenSpec } from './rollout-builders.ts';
import { workload } from './workload-builders.ts';

type Arm = 'stable' | 'canary';

/** WorldOptions is what a World begins with: workloads of `kind`, stable's at revision 1 and the canary's at 2 with other images. */
export interface WorldOptions {
  readonly spec?: WrittenSpec;
  readonly status?: RolloutStatus;
  readonly routes?: readonly Route[];
  readonly sameImages?: boolean;
  readonly kind?: WorkloadKind;
}

/** Stepped is what one reconcile did. */
export interface Stepped {
  readonly observation: Observation;
  readonly decision: Decision;
  readonly acted: 'Done' | 'Again' | 'Crashed';
  readonly writes: number;
}

/** RouteWrite is one write of the IngressRoute's routes by Sluice. */
export interface RouteWrite {
  readonly atMs: number;
  readonly percent: number;
  readonly kind: 'Raise' | 'Lower';
}

class Crash extends Error {}

export class World {
  nowMs = Date.UTC(2026, 10, 21, 9, 0, 0);
  rollout: Rollout | undefined;
  ingressRoute: IngressRoute | undefined;
  /** matchRoute is what is there under the name of the match route, whoever has made it. */
  matchRoute: IngressRoute | undefined;
  /** middlewares are the names of those that there are. */
  middlewares: readonly string[] = [];
  /** verdict is what the canary is judged to be; Silence is where nothing is counted at the present step. */
  verdict: Verdict['kind'] | 'Silence' = 'Pass';
  source: SourceObservation = { kind: 'Ready' };
  /** freezes are those of the operator. */
  freezes: readonly FrozenTime[] = [];
  /** replicas is what the data plane's say of the weight in the route; undefined: nobody asks them. */
  replicas: readonly ReplicaFinding[] | undefined;
  /** watermarkMs is until when samples are counted; undefined means until now. */
  watermarkMs: number | undefined;
  readonly endpoints: Record<Arm, number> = { stable: 2, canary: 2 };
  /** autoscaled are the maxima of autoscalers that have reached them. */
  readonly autoscaled: Partial<Record<Arm, number>> = {};
  readonly notices: Notice[] = [];
  readonly routeWrites: RouteWrite[] = [];
  /** applier is who would put another pod template of stable back, e.g. a GitOps tool. */
  applier: string | undefined;
  /** isTemplateForbidden makes the API server refuse every write of stable's pod template. */
  isTemplateForbidden = false;
  /** copyReading is what comes of reading the workloads for a Copy. */
  copyReading: CopyObservation['kind'] = 'Read';
  /** templateWrites are the images that Sluice gave stable. */
  readonly templateWrites: string[] = [];
  /** beforeRouteWrite runs once, between the decision and the next write of the route: somebody is faster. */
  beforeRouteWrite: (() => void) | undefined;
  /** isRouteForbidden makes every write of the route fail with an error, e.g. for want of rights. */
  isRouteForbidden = false;
  /** isMatchRouteStuck makes every write of the match route alone fail. */
  isMatchRouteStuck = false;
  readonly #workloads: Record<Arm, Workload>;
  readonly #kind: WorkloadKind;
  #stableRevision = 1;
  #version = 10;
  #nonce = 0;
  #wasSwapped = false;
  #writesLeft = Number.POSITIVE_INFINITY;

  constructor({ spec, status, routes = shopRoutes, sameImages = false, kind = 'Deployment' }: WorldOptions = {}) {
    const arms = {
      stable: { service: 'shop-stable', port: 80, workload: { kind, name: 'shop-stable' } },
      canary: { service: 'shop-canary', port: 80, workload: { kind, name: 'shop-canary' } },
    };
    this.rollout = rollout({ ...arms, ...spec }, status === undefined ? {} : { status });
    this.#kind = kind;
    this.#workloads = {
      stable: workload(kind, { name: 'shop-stable', revision: 1, image: 'shop:1', settled: true }),
      canary: workload(kind, {
        name: 'shop-canary',
        revision: 2,
        image: sameImages ? 'shop:1' : 'shop:2',
        settled: true,
      }),
    };
    this.ingressRoute = this.#newRoute(routes);
  }

  get status(): RolloutStatus {
    return this.rollout?.status ?? {};
  }

  get routes(): readonly Route[] {
    return this.ingressRoute?.spec.routes ?? [];
  }

  /** percent is the canary's share of the pair in the IngressRoute. */
  get percent(): number {
    return readSplit(this.routes, shopPair).canaryPercent;
  }

  /** isSwapped tells that the service which the spec calls canary is the live one; of a deleted Rollout that it was. */
  get isSwapped(): boolean {
    if (this.rollout !== undefined) this.#wasSwapped = this.observe().scene.isSwapped;
    return this.#wasSwapped;
  }

  /** share is what the IngressRoute gives the service that is the canary now, in percent of the pair. */
  get share(): number {
    const { stable, canary } = shopPair;
    const pair = this.isSwapped ? { ...shopPair, stable: canary, canary: stable } : shopPair;
    return readSplit(this.routes, pair).canaryPercent;
  }

  /** ready are the ready endpoints of the two services in their roles of now. */
  get ready(): Record<Arm, number> {
    const { stable, canary } = this.endpoints;
    return this.isSwapped ? { stable: canary, canary: stable } : { stable, canary };
  }

  /** state is what a test compares: phase, reason, stored weight, real weight. */
  get state(): string {
    const { phase = '-', reason = '-', weight = 0 } = this.status;
    return `${phase}/${reason} ${weight}% route ${this.percent}%`;
  }

  advance(ms: number): void {
    this.nowMs += ms;
  }

  /** release rolls a workload out to `revision` with an image of that number; not settled while old pods are still replaced. */
  release(arm: Arm, revision: number, settled = true, image = `shop:${revision}`): void {
    if (arm === 'stable') this.#stableRevision = revision;
    this.#workloads[arm] = workload(this.#kind, { name: `shop-${arm}`, revision, image, settled });
  }

  /** rollOutStable is what the Deployment controller does with the template that stable has now. */
  rollOutStable(): void {
    if (revisionOf(this.#workloads.stable)?.settled === true) return;
    this.#stableRevision += 10;
    this.release('stable', this.#stableRevision, true, this.stableImage);
  }

  /** stableImage is what stable's pod template runs. */
  get stableImage(): string {
    return imageOf(this.#workloads.stable);
  }

  revisionOf(arm: Arm): string {
    return revisionOf(this.#workloads[arm])?.value ?? '';
  }

  /** edit changes the spec as `kubectl apply` does. */
  edit(change: WrittenSpec): void {
    if (this.rollout === undefined) return;
    const { generation = 1 } = this.rollout.metadata;
    const spec = rollout({ ...(this.rollout.spec as WrittenSpec), ...change }).spec;
    this.#storeRollout({ ...this.rollout, spec }, { generation: generation + 1 });
  }

  /** command annotates the Rollout as the CLI does; it returns the nonce. */
  command(verb: string, revision = this.status.revision ?? '', uid = 'rollout-uid'): string {
    this.#nonce += 1;
    this.annotate(`${verb} n${this.#nonce} ${uid} ${revision}`);
    return `n${this.#nonce}`;
  }

  /** annotate writes any text where the command stands. */
  annotate(text: string): void {
    if (this.rollout === undefined) return;
    const annotations = {
      ...this.rollout.metadata.annotations,
      [commandAnnotation]: text,
      [commandByAnnotation]: 'ann',
    };
    this.#storeRollout(this.rollout, { annotations });
  }

  /** loseStatus is what a restore without the status subresource does. */
  loseStatus(): void {
    if (this.rollout === undefined) return;
    const { status: _status, ...rest } = this.rollout;
    this.#storeRollout(rest, {});
  }

  setStatus(change: Partial<RolloutStatus>): void {
    if (this.rollout !== undefined) this.#storeRollout({ ...this.rollout, status: { ...this.status, ...change } }, {});
  }

  /** deleteRollout deletes as the API server does: at once without finalizers, else by a timestamp. */
  deleteRollout(): void {
    if (this.rollout === undefined || this.rollout.metadata.deletionTimestamp !== undefined) return;
    if ((this.rollout.metadata.finalizers ?? []).length === 0) this.rollout = undefined;
    else this.#storeRollout(this.rollout, { deletionTimestamp: seconds(this.nowMs) });
  }

  /** writeRoutes replaces spec.routes as `manager` would. */
  writeRoutes(manager: string, routes: readonly Route[]): void {
    if (this.ingressRoute === undefined) return;
    this.#storeRoute({ ...this.ingressRoute, spec: { ...this.ingressRoute.spec, routes } }, manager);
  }

  /** writeWeight makes `manager` give the canary `percent`, with entries for both (for stable alone at 0). */
  writeWeight(manager: string, percent: number): void {
    const routes = this.routes.map((route) => ({ ...route, services: weighted(route, percent) }));
    this.writeRoutes(manager, routes);
  }

  /** touchRoute changes nothing but the version, like a status write or an annotation. */
  touchRoute(): void {
    if (this.ingressRoute !== undefined) this.#storeRoute(this.ingressRoute, undefined);
  }

  deleteRoute(): void {
    this.ingressRoute = undefined;
  }

  recreateRoute(routes: readonly Route[] = shopRoutes): void {
    this.ingressRoute = this.#newRoute(routes);
  }

  /** observe builds what decide gets, with the reconciler's own functions. */
  observe(): { readonly scene: Scene; readonly observation: Observation } {
    if (this.rollout === undefined) throw new Error('the Rollout is gone');
    const caches = this.#caches();
    const { replicas } = this;
    const verifier = replicas === undefined ? undefined : { findings: () => replicas };
    const scene = readScene(this.rollout, caches, 'Namespaced', verifier);
    const evidence = scene.judged && this.#evidence(scene, scene.judged);
    const source = isAsked(scene) ? this.source : ({ kind: 'Ready' } as const);
    return {
      scene,
      observation: observe(scene, caches, {
        nowMs: this.nowMs,
        source,
        evidence,
        freezes: this.freezes,
        copy: this.#copy(this.rollout),
      }),
    };
  }

  #copy(rollout: Rollout): CopyObservation | undefined {
    if (!isCopyDue(rollout)) return undefined;
    const { copyReading: kind } = this;
    if (kind !== 'Read') return { kind, message: 'the workloads cannot be read. No.' };
    const { stable } = this.#workloads;
    const { promotedRevision = '', copy } = rollout.status ?? {};
    const isWanted = copy?.template === undefined && this.applier === undefined;
    return {
      kind: 'Read',
      workload: `${stable.kind} shop-stable`,
      resourceVersion: `${stable.object.metadata.generation}`,
      template: templateOf(imageOf(stable)),
      applier: this.applier,
      writer: this.applier ?? 'kubectl-edit',
      revision: revisionOf(stable),
      trouble: undefined,
      judged: isWanted ? templateOf(`shop:${promotedRevision.split('-')[1]}`) : undefined,
    };
  }

  /** #evidence is what a sampler would know: what was counted at the step before, until the present one is in effect. */
  #evidence({ rollout, spec }: Scene, { id, stage, share }: Judged): AnalysisEvidence {
    const { sinceMs = Infinity } = stage;
    // What is judged in a Hold has no progress, and began where its stage does.
    const { from = 0, startedAt = formatTime(sinceMs) } = rollout.status?.progress ?? {};
    const isOfStep = this.nowMs >= sinceMs && this.verdict !== 'Silence';
    const weightPercent = isOfStep ? share.weightPercent : from;
    if (weightPercent === 0) return this.#unbegun(startEvidence(id, sinceMs, spec, { blocks: [] }));
    const kind = this.verdict === 'Silence' ? 'Pass' : this.verdict;
    const { noData, ...evidence } = evidenceOf(kind, { spec, weightPercent });
    const since = isOfStep ? formatTime(sinceMs) : startedAt;
    const counted = { ...evidence, id, since: startedAt, watermark: this.#watermark() };
    const ofStep = { ...counted, step: { ...evidence.step, since } };
    return noData === undefined ? ofStep : { ...ofStep, noData: { ...noData, since } };
  }

  #watermark(): string {
    return formatTime(this.watermarkMs ?? this.nowMs);
  }

  /** #unbegun adds to evidence of nothing that its past could not be read, if so. */
  #unbegun(evidence: AnalysisEvidence): AnalysisEvidence {
    const noData = { reason: 'SourceUnreachable', message: 'Prometheus does not answer.', since: evidence.since };
    return this.verdict === 'NoData' ? { ...evidence, noData } : evidence;
  }

  /** step is one reconcile; with `crashAfter` the process dies when it has made that many writes. */
  step({ crashAfter = Number.POSITIVE_INFINITY }: { readonly crashAfter?: number } = {}): Stepped {
    const { scene, observation } = this.observe();
    const decision = decide(observation);
    this.#writesLeft = crashAfter;
    const before = this.#version;
    const acted = this.#attempt(() => this.#act(observation, scene, decision));
    return { observation, decision, acted, writes: this.#version - before };
  }

  /** settle reconciles until nothing is written any more, and returns how often it wrote; more than `limit` is a livelock. */
  settle(limit = 12): number {
    for (let round = 0; round < limit; round += 1) {
      if (this.rollout === undefined) return round;
      const { decision, acted, writes } = this.step();
      // What the API server refuses is tried again later.
      const isWaiting = decision.kind === 'Wait' || this.isTemplateForbidden;
      if (isWaiting && acted === 'Done' && writes === 0) return round;
    }
    throw new Error(`no rest after ${limit} reconciles: ${this.state}, ${JSON.stringify(this.status.message)}`);
  }

  /** run lets `ms` pass: it settles, waits until decide wants to look again, and so on. */
  run(ms: number): void {
    const endMs = this.nowMs + ms;
    this.settle();
    while (this.nowMs < endMs && this.rollout !== undefined) {
      const { decision } = this.step();
      const againMs = 'requeueAfterMs' in decision ? decision.requeueAfterMs : undefined;
      this.nowMs = Math.min(endMs, this.nowMs + Math.max(1, againMs ?? Number.POSITIVE_INFINITY));
      this.settle();
    }
  }

  #attempt(write: () => 'Done' | 'Again'): Stepped['acted'] {
    try {
      return write();
    } catch (error) {
      if (error instanceof Crash) return 'Crashed';
      if (error instanceof Forbidden) return 'Again';
      throw error;
    } finally {
      this.#writesLeft = Number.POSITIVE_INFINITY;
    }
  }

  #act(observation: Observation, scene: Scene, decision: Decision): 'Done' | 'Again' {
    switch (decision.kind) {
      case 'Claim':
      case 'Release':
      case 'Acknowledge':
        return this.#writeMetadata(decision.kind);
      case 'Wait':
        return this.#writeStatus(observation, decision);
      case 'Raise':
        return this.#raise(observation, scene, decision);
      case 'Lower':
        return this.#lower(observation, scene, decision);
      case 'Copy':
        return this.#copyTemplate(observation, decision);
      case 'Expose':
        return this.#writeMatchRoute(decision.ingressRoute);
      case 'Conceal':
        return this.#conceal(observation, scene, decision);
      default:
        return decision satisfies never;
    }
  }

  #conceal(observation: Observation, scene: Scene, { otherwise }: Decision & { readonly kind: 'Conceal' }): 'Done' {
    try {
      return this.#writeMatchRoute(undefined);
    } catch (error) {
      if (error instanceof Forbidden && otherwise !== undefined) this.#act(observation, scene, otherwise);
      throw error;
    }
  }

  #copyTemplate(observation: Observation, decision: Decision & { readonly kind: 'Copy' }): 'Done' | 'Again' {
    this.#spendWrite();
    if (this.isTemplateForbidden) {
      const status = refusedCopy(observation, 'deployments.apps "shop-stable" is forbidden');
      return this.#writeStatus(observation, { status, notices: [] });
    }
    const { stable } = this.#workloads;
    const { generation = 0 } = stable.object.metadata;
    this.#version += 1;
    const image = (decision.template.spec as { containers: { image: string }[] }).containers[0]?.image ?? '';
    this.templateWrites.push(image);
    this.#workloads.stable = {
      ...stable,
      object: {
        ...stable.object,
        metadata: { ...stable.object.metadata, generation: generation + 1 },
        spec: { ...stable.object.spec, template: { spec: { containers: [{ name: 'app', image }] } } },
      },
    };
    return this.#writeStatus(observation, decision);
  }

  #raise(observation: Observation, scene: Scene, decision: Decision & { readonly kind: 'Raise' }): 'Done' | 'Again' {
    this.#writeStatus(observation, decision);
    try {
      return this.#writeRoute(observation, scene, { ...decision, direction: 'Raise' });
    } catch (error) {
      const current = { ...observation, rollout: this.rollout ?? observation.rollout };
      const status = error instanceof Forbidden ? refusedRaise(current, error.message) : undefined;
      if (status !== undefined) this.#writeStatus(current, { status, notices: [] });
      throw error;
    }
  }

  #lower(observation: Observation, scene: Scene, decision: Decision & { readonly kind: 'Lower' }): 'Done' | 'Again' {
    const status = observation.rollout.status ?? {};
    try {
      const acted = this.#writeRoute(observation, scene, { ...decision, status, direction: 'Lower' });
      if (acted === 'Again') return 'Again';
      if (decision.conceal !== undefined) this.#writeMatchRoute(undefined);
    } catch (error) {
      if (error instanceof Forbidden) this.#refused(observation, decision);
      throw error;
    }
    return this.#writeStatus(observation, decision);
  }

  #refused(observation: Observation, { refused }: Decision & { readonly kind: 'Lower' }): void {
    this.#writeStatus(observation, refused);
    if (observation.command?.state === 'Handled') this.#writeMetadata('Acknowledge');
  }

  #writeRoute(
    observation: Observation,
    { routeObject: route }: Scene,
    to: { readonly target: Target; readonly status: RolloutStatus; readonly direction: 'Raise' | 'Lower' },
  ): 'Done' | 'Again' {
    const { target } = to.status;
    if (target === undefined || route === undefined) return 'Again';
    const merged = mergeObserved(observation, { routes: route.routes, target }, to.target);
    const operations = buildPatch(route, merged.routes, to.direction === 'Raise' ? 'Version' : 'Names');
    if (operations.length === 0) return 'Done';
    this.#spendWrite();
    if (this.isRouteForbidden) throw new Forbidden('ingressroutes.traefik.io "shop" is forbidden');
    const interfere = this.beforeRouteWrite;
    this.beforeRouteWrite = undefined;
    interfere?.();
    return this.#patchRoute(operations, to.direction);
  }

  #writeMatchRoute(ingressRoute: IngressRoute | undefined): 'Done' {
    this.#spendWrite();
    if (this.isRouteForbidden || this.isMatchRouteStuck)
      throw new Forbidden('ingressroutes.traefik.io "shop-canary-match" is forbidden');
    this.#version += 1;
    const { metadata } = this.matchRoute ?? {};
    const identity = { uid: metadata?.uid ?? `match-${this.#version}`, resourceVersion: `${this.#version}` };
    this.matchRoute =
      ingressRoute &&
      (JSON.parse(
        JSON.stringify({ ...ingressRoute, metadata: { ...ingressRoute.metadata, ...identity } }),
      ) as IngressRoute);
    return 'Done';
  }

  #patchRoute(operations: readonly JsonPatchOperation[], kind: 'Raise' | 'Lower'): 'Done' | 'Again' {
    if (this.ingressRoute === undefined) return 'Again';
    try {
      const current = deepClone(this.ingressRoute) as IngressRoute;
      const { newDocument } = jsonPatch.applyPatch(current, deepClone(operations), true);
      this.#storeRoute(newDocument, 'sluice');
    } catch {
      // A failed test is a conflict: read again, decide again.
      return 'Again';
    }
    this.routeWrites.push({ atMs: this.nowMs, percent: this.percent, kind });
    return 'Done';
  }

  #writeStatus(
    { rollout }: Observation,
    next: { readonly status: RolloutStatus; readonly notices: readonly Notice[] },
  ): 'Done' | 'Again' {
    const before = rollout.status ?? {};
    if (!isWorthWriting(before, next.status)) return 'Done';
    this.#spendWrite();
    // What was observed may say more than what is stored (rollout/applied.ts).
    const status = applyMergePatch(this.status, mergePatch(this.status, next.status)) as RolloutStatus;
    if (this.rollout !== undefined) this.#storeRollout({ ...this.rollout, status }, {});
    this.notices.push(...next.notices);
    return 'Done';
  }

  #writeMetadata(kind: 'Claim' | 'Release' | 'Acknowledge'): 'Again' {
    this.#spendWrite();
    if (this.rollout === undefined) return 'Again';
    const { metadata } = this.rollout;
    if (kind === 'Acknowledge') {
      this.#storeRollout(this.rollout, { annotations: {} });
      return 'Again';
    }
    if (kind === 'Claim' && metadata.deletionTimestamp !== undefined)
      throw new Error('the API server takes no new finalizer for an object that is being deleted');
    const others = (metadata.finalizers ?? []).filter((other) => other !== finalizer);
    const finalizers = kind === 'Claim' ? [...others, finalizer] : others;
    this.#storeRollout(this.rollout, { finalizers });
    if (metadata.deletionTimestamp !== undefined && finalizers.length === 0) this.rollout = undefined;
    return 'Again';
  }

  #spendWrite(): void {
    if (this.#writesLeft <= 0) throw new Crash();
    this.#writesLeft -= 1;
  }

  #storeRollout(next: Rollout, metadata: Partial<Rollout['metadata']>): void {
    this.#version += 1;
    // Through JSON, because that is all that a server keeps.
    this.rollout = JSON.parse(
      JSON.stringify({ ...next, metadata: { ...next.metadata, ...metadata, resourceVersion: `${this.#version}` } }),
    ) as Rollout;
  }

  #storeRoute(next: IngressRoute, manager: string | undefined): void {
    this.#version += 1;
    const managedFields =
      manager === undefined
        ? next.metadata.managedFields
        : [{ manager, operation: 'Update', time: seconds(this.nowMs), fieldsV1: { 'f:spec': { 'f:routes': {} } } }];
    this.ingressRoute = JSON.parse(
      JSON.stringify({ ...next, metadata: { ...next.metadata, managedFields, resourceVersion: `${this.#version}` } }),
    ) as IngressRoute;
  }

  #newRoute(routes: readonly Route[]): IngressRoute {
    this.#version += 1;
    const managedFields = [
      { manager: 'helm', operation: 'Apply', time: seconds(this.nowMs), fieldsV1: { 'f:spec': { 'f:routes': {} } } },
    ];
    return JSON.parse(
      JSON.stringify({
        metadata: {
          name: 'shop',
          namespace: 'web',
          uid: `route-${this.#version}`,
          resourceVersion: `${this.#version}`,
          managedFields,
        },
        spec: { entryPoints: ['web'], routes },
      }),
    ) as IngressRoute;
  }

  #routeObject(): RouteObject | undefined {
    return this.ingressRoute && asRoute(resources.ingressRoutes, this.ingressRoute);
  }

  #matchRouteObject(): RouteObject | undefined {
    return this.matchRoute && asRoute(resources.ingressRoutes, this.matchRoute);
  }

  #caches(): Caches {
    const armOf = (key: ObjectKey): Arm | undefined =>
      key === 'web/shop-stable' ? 'stable' : key === 'web/shop-canary' ? 'canary' : undefined;
    return {
      rollout: () => this.rollout,
      route: ({ key }) => [this.#routeObject(), this.#matchRouteObject()].find((route) => route?.key === key),
      routesTo: (_kind, key) =>
        armOf(key) === undefined ? [] : [this.#routeObject()].filter((route) => route !== undefined),
      middleware: (key) =>
        this.middlewares.map((name) => ({ metadata: { namespace: 'web', name } })).find((one) => keyOf(one) === key),
      service: (key) => (armOf(key) === undefined ? undefined : service(key)),
      workload: (kind, key) => {
        const arm = armOf(key);
        const found = arm && this.#workloads[arm];
        return found?.kind === kind ? found : undefined;
      },
      autoscalersOf: (_kind, key) => {
        const maxReplicas = this.autoscaled[armOf(key) ?? 'stable'];
        if (armOf(key) === undefined || maxReplicas === undefined) return [];
        return [{ metadata: { name: 'shop' }, spec: { maxReplicas }, status: { desiredReplicas: maxReplicas } }];
      },
      endpointSlices: (key) => {
        const arm = armOf(key);
        return arm === undefined ? [] : [slice(arm, this.endpoints[arm])];
      },
      rolloutsOn: () => (this.rollout === undefined ? [] : [keyOf(this.rollout)]),
      rolloutsOnRoute: () => (this.rollout === undefined ? [] : [keyOf(this.rollout)]),
      remember: () => undefined,
      forget: () => undefined,
    };
  }
}

function imageOf({ object }: Workload): string {
  return object.spec?.template?.spec?.containers?.[0]?.image ?? '';
}

function templateOf(image: string): PodTemplate {
  return { annotations: {}, spec: { containers: [{ name: 'app', image }] } };
}

/** Forbidden is an unexpected answer of the API server. */
class Forbidden extends Error {}

/** weighted gives the canary `percent` of 100; at 0 it is not listed. */
function weighted(route: Route, percent: number): Route['services'] & object {
  const others = (route.services ?? []).filter(({ name }) => name !== 'shop-stable' && name !== 'shop-canary');
  const stable = { name: 'shop-stable', port: 80, weight: 100 - percent };
  const canary = { name: 'shop-canary', port: 80, weight: percent };
  return [...others, ...(percent < 100 ? [stable] : []), ...(percent > 0 ? [canary] : [])];
}

/** isAsked repeats when the reconciler asks the source: at rest, with a revision that would start. */
function isAsked(scene: Scene): boolean {
  const { rollout, problems } = scene;
  const isResting = isUndecided(scene) && isAtRest(rollout.status ?? {});
  return isResting && rollout.spec.analysis.mode !== 'Disabled' && problems.length === 0;
}

function service(key: ObjectKey): Service {
  return {
    metadata: { namespace: 'web', name: key.slice('web/'.length) },
    spec: { ports: [{ name: 'http', port: 80 }] },
  };
}

function slice(arm: Arm, count: number): EndpointSlice {
  const net = arm === 'stable' ? 1 : 2;
  return {
    metadata: { namespace: 'web', name: `shop-${arm}-1` },
    ports: [{ name: 'http', port: 8080 }],
    endpoints: Array.from({ length: count }, (_unused, index) => ({
      addresses: [`10.0.${net}.${index + 1}`],
      conditions: { ready: true },
    })),
  };
}

/** applyMergePatch applies an RFC 7386 patch as the API server does. */
function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === 'object' && target !== null && !Array.isArray(target);
  const result: Record<string, unknown> = isObject ? { ...target } : {};
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete result[field];
    else result[field] = applyMergePatch(result[field], value);
  }
  return result;
}

/** seconds is a time as managedFields and deletionTimestamp carry it. */
function seconds(ms: number): string {
  return `${formatTime(ms).slice(0, 19)}Z`;
}
