/** The steps of a rollout as the controller walks them: 100 included, ramps expanded, durations in milliseconds. */
import { formatDuration, parseDuration } from '../api/duration.ts';
import { fnv1a } from '../api/hash.ts';
import type { Ramp, RolloutSpec, Step } from '../api/rollout.ts';

/** WeightStep is a weight that is watched. */
interface WeightStep {
  readonly kind: 'Weight';
  readonly weight: number;
  readonly durationMs: number;
}

/** PlannedStep is a weight that is watched for `durationMs`, or a pause (without duration: until promoted). */
export type PlannedStep = WeightStep | { readonly kind: 'Pause'; readonly durationMs: number | undefined };

const defaultSteps: readonly Step[] = [
  { weight: 5, duration: '5m' },
  { weight: 25, duration: '10m' },
  { weight: 50, duration: '10m' },
];

/** A ramp has a hundred steps, and each look at a rollout asks for them; a spec in the caches stays the same object until it is edited. */
const planned = new WeakMap<object, readonly PlannedStep[]>();

/** Rollouts of one fleet have the same steps: the ramps of a thousand would be 5 MiB. */
const shared = new Map<string, readonly PlannedStep[]>();
const maxShared = 100;

/** planSteps returns the steps of a spec; the last weight is always 100. A step without duration takes analysis.minStep. */
export function planSteps(spec: Pick<RolloutSpec, 'steps' | 'ramp' | 'analysis'>): readonly PlannedStep[] {
  const known = planned.get(spec);
  if (known !== undefined) return known;
  const text = JSON.stringify([spec.steps, spec.ramp, spec.analysis.minStep]);
  const steps = shared.get(text) ?? readSteps(spec);
  shared.set(text, steps);
  const [oldest] = shared.keys();
  if (shared.size > maxShared && oldest !== undefined) shared.delete(oldest);
  planned.set(spec, steps);
  return steps;
}

function readSteps(spec: Pick<RolloutSpec, 'steps' | 'ramp' | 'analysis'>): readonly PlannedStep[] {
  const steps = spec.steps ?? (spec.ramp ? expandRamp(spec.ramp) : defaultSteps);
  const defaultMs = parseDuration(spec.analysis.minStep);
  const written = steps.map((step) => toPlanned(step, defaultMs));
  const reachesEnd = written.some((step) => step.kind === 'Weight' && step.weight === 100);
  return reachesEnd ? written : [...written, { kind: 'Weight', weight: 100, durationMs: defaultMs }];
}

function toPlanned(step: Step, defaultMs: number): PlannedStep {
  if (step.weight === undefined) {
    return {
      kind: 'Pause',
      durationMs: step.pause?.duration === undefined ? undefined : parseDuration(step.pause.duration),
    };
  }
  return {
    kind: 'Weight',
    weight: step.weight,
    durationMs: step.duration === undefined ? defaultMs : parseDuration(step.duration),
  };
}

function expandRamp(ramp: Ramp): readonly Step[] {
  const steps: Step[] = [];
  let weight = ramp.from;
  while (weight < ramp.to) {
    steps.push({ weight, duration: ramp.every });
    weight = ramp.multiply === undefined ? weight + (ramp.add ?? 1) : weight * ramp.multiply;
  }
  return [...steps, { weight: ramp.to, duration: ramp.every }];
}

/**
 * returnSteps is the way back to stable after a Hold: the same weights for stable, so 100 minus them for the canary.
 * Pauses are left out: they are for people to look at an unproven version, and stable is to run the proven one.
 */
export function returnSteps(steps: readonly PlannedStep[]): readonly WeightStep[] {
  return steps.flatMap((step) => (step.kind === 'Weight' ? [{ ...step, weight: 100 - step.weight }] : []));
}

/** nextReturn is the first step of the return with less than `weight` percent for the canary, also in edited steps. */
export function nextReturn(steps: readonly PlannedStep[], weight: number): WeightStep | undefined {
  return returnSteps(steps).find((step) => step.weight < weight);
}

/** A ramp of a hundred steps is 600 bytes, which every write of the status would carry. */
const maxPlanLength = 64;

/** Each look at a rollout asks whether its steps were edited. */
const described = new WeakMap<readonly PlannedStep[], string>();

/** describePlan is a compact text of the steps, kept in status to notice edits, e.g. `5/5m 25/10m pause 100/1m`; a long one is a hash. */
export function describePlan(steps: readonly PlannedStep[]): string {
  const known = described.get(steps);
  if (known !== undefined) return known;
  const text = writePlan(steps);
  described.set(steps, text);
  return text;
}

function writePlan(steps: readonly PlannedStep[]): string {
  const plan = steps
    .map((step) => {
      if (step.kind === 'Weight') return `${step.weight}/${formatDuration(step.durationMs)}`;
      return step.durationMs === undefined ? 'pause' : `pause/${formatDuration(step.durationMs)}`;
    })
    .join(' ');
  return plan.length <= maxPlanLength ? plan : `${steps.length} steps, ${fnv1a(plan).toString(16)}`;
}

/**
 * indexForWeight is where a rollout at `weight` stands in edited or newly met steps: at the last weight that is not
 * greater, so that the next step is the first with a greater weight. -1 means before the first.
 */
export function indexForWeight(steps: readonly PlannedStep[], weight: number): number {
  return steps.findLastIndex((step) => step.kind === 'Weight' && step.weight <= weight);
}

/** printStep is the column STEP: one-based, pauses counted, e.g. `2/4`. */
export function printStep(index: number, steps: readonly PlannedStep[]): string {
  return `${index + 1}/${steps.length}`;
}
