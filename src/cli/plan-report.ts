/** What `sluice plan` says: what a rehearsal has found, with what each write waits for. */
import { formatDuration } from '../api/duration.ts';
import type { JsonPatchOperation } from '../api/object-store.ts';
import type { Rollout, RolloutSpec } from '../api/rollout.ts';
import type { RolloutStatus } from '../api/rollout-status.ts';
import type { IngressRoute } from '../api/traefik.ts';
import { formatTime } from '../clock.ts';
import { neededEndpoints } from '../rollout/readiness.ts';
import { printStep, type PlannedStep } from '../rollout/steps.ts';

/** Moment is something that happens in a rehearsal. */
export type Moment =
  /** Written is a write of the route, at a step and a weight; `back` is what a rollback from that weight would write. */
  | {
      readonly kind: 'Written';
      readonly atMs: number;
      readonly index: number;
      readonly weight: number;
      readonly patch: readonly JsonPatchOperation[];
      back: readonly JsonPatchOperation[] | undefined;
    }
  | { readonly kind: 'Paused'; readonly atMs: number; readonly index: number; readonly weight: number }
  /** Promoted is the word of a person that ends a pause. */
  | { readonly kind: 'Promoted'; readonly atMs: number }
  /** Braked is a closed window, a freeze, or the queue behind one. */
  | { readonly kind: 'Braked'; readonly atMs: number; readonly message: string }
  | { readonly kind: 'Matched'; readonly atMs: number; readonly ingressRoute: IngressRoute };

/** Rehearsal is all of it; `stopped` says why it did not come to an end. */
export interface Rehearsal {
  readonly moments: readonly Moment[];
  readonly endedAtMs: number;
  readonly status: RolloutStatus;
  readonly stopped: string | undefined;
  /** onDelete is what the deletion of the Rollout would write after the end; empty where the route stays. */
  readonly onDelete: readonly JsonPatchOperation[];
  /** from is where the rollout stood before; undefined where it had not begun. */
  readonly from: { readonly index: number; readonly weight: number } | undefined;
  /** endpoints are how many ready ones were reckoned with. */
  readonly endpoints: { readonly stable: number; readonly canary: number };
}

/** PlanStep is a step of the plan; `after` is since the start, or since the promote before it. */
export interface PlanStep {
  /** step is like `1/4`. */
  readonly step: string;
  readonly weight: number;
  readonly pause?: string;
  /** earliest is the time at the soonest, if every promote comes at once. */
  readonly earliest: string;
  readonly after: { readonly since: 'Start' | 'Promote'; readonly duration: string };
  /** gates are what has to be true before; `held` is what the schedule says of the time before. */
  readonly gates: readonly string[];
  readonly held: readonly string[];
  readonly patch: readonly JsonPatchOperation[];
  /** rollback is what a rollback from this weight writes; empty for a pause. */
  readonly rollback: readonly JsonPatchOperation[];
}

/** PlanReport is the whole plan. */
export interface PlanReport {
  readonly rollout: string;
  readonly route: string;
  readonly stable: string;
  readonly canary: string;
  readonly reckonedWith: Rehearsal['endpoints'];
  readonly steps: readonly PlanStep[];
  readonly matchRoute?: IngressRoute;
  readonly end: { readonly earliest: string; readonly text: string };
  readonly onFailure: string;
  readonly onDelete: { readonly text: string; readonly patch: readonly JsonPatchOperation[] };
}

/** reportPlan puts a rehearsal that came to its end into steps. */
export function reportPlan(
  { metadata, spec }: Rollout,
  rehearsal: Rehearsal,
  steps: readonly PlannedStep[],
): PlanReport {
  const { moments, endpoints, from } = rehearsal;
  const { kind, name } = spec.route;
  const matched = moments.find((moment) => moment.kind === 'Matched');
  const planned = moments.flatMap((moment, place) =>
    moment.kind === 'Written' || moment.kind === 'Paused'
      ? [planStep({ spec, steps, endpoints, from }, moment, moments.slice(0, place))]
      : [],
  );
  return {
    rollout: `${metadata.namespace ?? ''}/${metadata.name}`,
    route: `${kind} ${name}`,
    stable: spec.stable.service,
    canary: spec.canary.service,
    reckonedWith: endpoints,
    steps: planned,
    ...(matched === undefined ? {} : { matchRoute: matched.ingressRoute }),
    end: { earliest: formatTime(rehearsal.endedAtMs), text: endText(spec) },
    onFailure: failureTexts[spec.onFailure],
    onDelete: { text: deletionText(rehearsal), patch: rehearsal.onDelete },
  };
}

interface Setting {
  readonly spec: RolloutSpec;
  readonly steps: readonly PlannedStep[];
  readonly endpoints: Rehearsal['endpoints'];
  readonly from: Rehearsal['from'];
}

type Stepping = Moment & { readonly kind: 'Written' | 'Paused' };

function planStep(setting: Setting, moment: Stepping, earlier: readonly Moment[]): PlanStep {
  const { steps } = setting;
  const before = earlier.findLast((one) => one.kind === 'Written' || one.kind === 'Paused');
  const held = earlier.slice(before === undefined ? 0 : earlier.indexOf(before));
  return {
    step: printStep(moment.index, steps),
    weight: moment.weight,
    ...(moment.kind === 'Paused' ? { pause: pauseOf(steps[moment.index]) } : {}),
    earliest: formatTime(moment.atMs),
    after: sinceLast(moment, earlier),
    gates: gatesOf(setting, moment, before ?? setting.from),
    held: held.flatMap((one) => (one.kind === 'Braked' ? [one.message] : [])),
    patch: moment.kind === 'Written' ? moment.patch : [],
    rollback: moment.kind === 'Written' ? (moment.back ?? []) : [],
  };
}

function pauseOf(step: PlannedStep | undefined): string {
  return step?.durationMs === undefined ? 'until promoted' : `for ${formatDuration(step.durationMs)}`;
}

/** What comes after a pause counts from the promote: nobody knows when that will be. */
function sinceLast({ atMs }: Stepping, earlier: readonly Moment[]): PlanStep['after'] {
  const promoted = earlier.findLast(({ kind }) => kind === 'Promoted');
  const began = promoted ?? earlier.find(({ kind }) => kind === 'Written');
  return {
    since: promoted === undefined ? 'Start' : 'Promote',
    duration: formatDuration(atMs - (began?.atMs ?? atMs)),
  };
}

/** gatesOf says what the rules of a rollout ask for before a step begins, in the order in which they are looked at. */
function gatesOf(setting: Setting, moment: Stepping, before: Setting['from']): readonly string[] {
  const { spec } = setting;
  const brakes = [
    ...(spec.paused ? ['spec.paused is false'] : []),
    ...(moment.kind === 'Written' && spec.schedule !== undefined ? scheduleTexts(spec.schedule) : []),
  ];
  return before === undefined
    ? [...startGates(spec), ...brakes]
    : [...leavingGates(setting, moment, before), ...brakes];
}

function startGates({ canary, stable, readiness, analysis }: RolloutSpec): readonly string[] {
  const { workload } = canary;
  return [
    workload === undefined
      ? 'a new spec.revision'
      : `a new revision of ${workload.kind} ${workload.name}, fully rolled out`,
    `${endpointsOf(readiness.minReady)} of ${canary.service}, and 1 of ${stable.service}`,
    ...(analysis.mode === 'Disabled' ? [] : ['the metric source answers and knows the requests of stable']),
  ];
}

function leavingGates(
  { spec, steps, endpoints }: Setting,
  moment: Stepping,
  before: NonNullable<Setting['from']>,
): readonly string[] {
  const last = steps[before.index];
  const needed = neededEndpoints(spec.readiness, before.weight, endpoints.stable);
  const isRaise = moment.kind === 'Written';
  const time =
    last?.kind === 'Pause' ? pauseText(last.durationMs) : watchText(spec, before.weight, last?.durationMs ?? 0);
  return [
    time,
    ...(last?.kind === 'Pause' && !isRaise ? [] : analysisTexts(spec, moment)),
    `${endpointsOf(needed)} of ${spec.canary.service}`,
  ];
}

function endpointsOf(count: number): string {
  return `${count} ready endpoint${count === 1 ? '' : 's'}`;
}

function pauseText(durationMs: number | undefined): string {
  return durationMs === undefined ? 'a promote' : `the pause of ${formatDuration(durationMs)} is over, or a promote`;
}

function watchText({ analysis }: RolloutSpec, weight: number, durationMs: number): string {
  const isPaced = analysis.mode === 'Enforce' && analysis.pace === 'Evidence' && weight < 100;
  const early = isPaced ? `, or for ${analysis.minStep} with the proof that the canary is safe` : '';
  return `${weight}% in effect for ${formatDuration(durationMs)}${early}, or a promote`;
}

function analysisTexts({ analysis }: RolloutSpec, { kind, weight }: Stepping): readonly string[] {
  if (analysis.mode !== 'Enforce') return [];
  const checks = (analysis.checks ?? []).map(({ name }) => name);
  const passing = checks.length === 0 ? [] : [`${checks.join(', ')} within limits`];
  if (kind === 'Written' && weight === 100) return ['the proof that the canary is not worse', ...passing];
  return [`${analysis.minRequests} requests of the canary and no sign against it`, ...passing];
}

function scheduleTexts({ windows = [], freezes = [] }: NonNullable<RolloutSpec['schedule']>): readonly string[] {
  const open = windows.map(({ cron, duration, timeZone }) => `"${cron}" for ${duration} (${timeZone})`);
  return [
    ...(open.length === 0 ? [] : [`an open window: ${open.join(' or ')}`]),
    ...freezes.map(
      ({ from, to, reason }) => `no freeze from ${from} to ${to}${reason === undefined ? '' : ` (${reason})`}`,
    ),
  ];
}

const failureTexts: Readonly<Record<RolloutSpec['onFailure'], string>> = {
  Rollback: 'The canary is taken out in one patch, before anything else: neither a pause nor a window holds that back.',
  Pause:
    'The weight stays until somebody promotes or aborts (spec.onFailure: Pause); an abort takes the canary out in one patch.',
};

function endText({ promotion, stable, canary }: RolloutSpec): string {
  switch (promotion.mode) {
    case 'Hold':
      return `Succeeded: ${canary.service} keeps 100%. Update ${stable.service} next: traffic returns to it in the same steps when it has rolled out, or with a promote.`;
    case 'Swap':
      return `Succeeded: ${canary.service} is the live one. The next release goes to ${stable.service}.`;
    case 'Copy':
      return `The judged pod template is copied to ${stable.workload?.kind ?? ''} ${stable.workload?.name ?? ''}; when that has rolled out, traffic returns in the same steps.`;
    default:
      return promotion.mode satisfies never;
  }
}

function deletionText({ onDelete }: Rehearsal): string {
  const after =
    onDelete.length === 0 ? 'the route stays as it is' : 'the route is put back as it was before the first step';
  return `While it runs the rollout is undone as by a failure. After its end ${after} (spec.onDelete).`;
}
