/** What happens next to a Rollout, and where it stands in its steps, from its status and spec alone. */
import { formatDuration } from '../api/duration.ts';
import type { Rollout } from '../api/rollout.ts';
import type { RolloutProgress, RolloutStatus } from '../api/rollout-status.ts';
import { formatTime, parseTime } from '../clock.ts';
import { moveAt, type StepMove } from '../rollout/step-rules.ts';
import { noEvidenceYet } from '../rollout/status.ts';
import { nextReturn, planSteps, type PlannedStep } from '../rollout/steps.ts';

/** waitsForPerson says what a person has to do so that this rollout goes on; undefined where nobody is waited for. */
export function waitsForPerson({ spec, status = {} }: Rollout): string | undefined {
  const { progress } = status;
  if (progress?.direction === 'Back') return undefined;
  if (progress?.hold !== undefined) return 'it waits for promote or abort';
  const brake = brakeText(spec, status);
  if (brake !== undefined || progress === undefined) return brake;
  return isAtEndlessPause(spec, progress) ? 'it waits for promote' : undefined;
}

function brakeText(spec: Rollout['spec'], { phase, pause }: RolloutStatus): string | undefined {
  if (phase !== 'Paused' && phase !== 'Pending') return undefined;
  if (spec.paused) return 'it waits until spec.paused is false';
  return pause === undefined ? undefined : 'it waits for resume';
}

function isAtEndlessPause(spec: Rollout['spec'], { direction, index, promoted, full }: RolloutProgress): boolean {
  const step = planSteps(spec)[index];
  const isEnded = promoted === true || full === true;
  return direction === 'Forward' && step?.kind === 'Pause' && step.durationMs === undefined && !isEnded;
}

/** stepText says at which step it is and how much of its time is left; undefined at rest. */
export function stepText(rollout: Rollout, nowMs: number): string | undefined {
  const { spec, status = {} } = rollout;
  const { progress, step = '' } = status;
  if (progress === undefined) return undefined;
  if (progress.direction === 'Back') return 'on the way back to stable';
  if (progress.direction === 'Return') return `${step}: returning to stable, the canary gets ${progress.weight}%`;
  const planned = planSteps(spec)[progress.index];
  const what = planned === undefined ? '' : `: ${plannedText(planned, progress.weight)}`;
  return `${step}${what}${leftText(rollout, progress, nowMs)}`;
}

function plannedText(step: PlannedStep, weight: number): string {
  if (step.kind === 'Weight') return `${step.weight}% for ${formatDuration(step.durationMs)}`;
  const length = step.durationMs === undefined ? 'until promoted' : `for ${formatDuration(step.durationMs)}`;
  return `pause at ${weight}% ${length}`;
}

function leftText(rollout: Rollout, progress: RolloutProgress, nowMs: number): string {
  if (progress.appliedAt === undefined) return ', not in the route yet';
  const move = moveOf(rollout, progress, nowMs);
  if (move.kind === 'Watch') return `, ${formatDuration(move.endMs - nowMs)} left`;
  return move.kind === 'Leave' ? ', its time is over' : '';
}

/** The verdict of the status is all that is known of it here; that is enough for the times. */
function moveOf(rollout: Rollout, progress: RolloutProgress, nowMs: number): StepMove {
  const verdict = { ...noEvidenceYet, kind: rollout.status?.verdict ?? noEvidenceYet.kind };
  return moveAt({ nowMs, rollout, steps: planSteps(rollout.spec), verdict }, progress);
}

/** nextText says what is the next thing to happen, and what it takes. */
export function nextText(rollout: Rollout, nowMs: number): string {
  const { spec, status = {} } = rollout;
  const { progress } = status;
  const person = waitsForPerson(rollout);
  if (person !== undefined) return `${person}; analysis and rollback go on`;
  if (status.opensAt !== undefined) return `raising is allowed again at ${clockText(status.opensAt, nowMs)}`;
  if (progress === undefined) return restText(rollout, status);
  if (progress.direction === 'Back') return 'the canary is taken out as soon as that can be done';
  if (progress.direction === 'Return') {
    const step = nextReturn(planSteps(spec), progress.weight);
    return step === undefined ? 'rest, with stable' : `the canary goes to ${step.weight}%`;
  }
  return forwardText(rollout, progress, nowMs);
}

function forwardText(rollout: Rollout, progress: RolloutProgress, nowMs: number): string {
  const steps = planSteps(rollout.spec);
  const goal = goalText(steps, progress);
  if (progress.appliedAt === undefined) return `the route gets ${progress.weight}%`;
  const move = moveOf(rollout, progress, nowMs);
  if (move.kind !== 'Watch') return `${goal}, when nothing holds it: see message`;
  const isEarly = move.lookAgainMs < move.endMs || isPacedByEvidence(rollout, progress);
  const early = isEarly ? ', or earlier when proven safe' : '';
  return `${goal} at ${clockText(formatTime(move.endMs), nowMs)}${early}`;
}

function isPacedByEvidence({ spec }: Rollout, { weight, index }: RolloutProgress): boolean {
  const { mode, pace } = spec.analysis;
  return mode === 'Enforce' && pace === 'Evidence' && weight < 100 && planSteps(spec)[index]?.kind === 'Weight';
}

function goalText(steps: readonly PlannedStep[], { index, full, weight }: RolloutProgress): string {
  const next = full === true && weight < 100 ? steps.at(-1) : steps[index + 1];
  if (next === undefined || (full === true && weight >= 100)) return 'promoted';
  return next.kind === 'Weight' ? `${next.weight}%` : 'a pause';
}

function restText({ metadata, spec }: Rollout, { phase, reason, message = '' }: RolloutStatus): string {
  if (phase === 'Failed') return `a new revision, or: sluice retry ${metadata.name}`;
  if (reason === 'Holding')
    return `traffic returns when ${spec.stable.service} has rolled out, or: sluice promote ${metadata.name}`;
  if (phase === 'Succeeded') return 'a new revision starts a rollout';
  return phase === undefined ? 'the controller looks at it; is it running?' : message;
}

/** clockText is a time of today as people say it, with how far it is. */
function clockText(time: string, nowMs: number): string {
  const ms = parseTime(time) ?? nowMs;
  const isNear = Math.abs(ms - nowMs) < 24 * 3_600_000;
  const at = isNear ? `${time.slice(11, 19)}Z` : `${time.slice(0, 19)}Z`;
  return `${at} (in ${formatDuration(ms - nowMs)})`;
}
