/** The conditions of a Rollout; Ready, Reconciling and Stalled follow kstatus, so that Flux and Argo CD can wait. */
import { formatTime } from '../clock.ts';
import type { Condition, RolloutStatus } from '../api/rollout-status.ts';
import type { Observation } from './observation.ts';
import { trafficVerified } from './verification.ts';

interface Finding {
  readonly type: string;
  readonly status: Condition['status'];
  readonly reason: string;
  readonly message: string;
}

/** nextConditions returns the conditions of `after`; a condition's time moves only when its status does. */
export function nextConditions(observation: Observation, after: RolloutStatus): readonly Condition[] {
  const before = observation.rollout.status?.conditions ?? [];
  const findings = [
    ready(observation, after),
    reconciling(after),
    stalled(after),
    promoted(after),
    analysisPassing(observation, after, before),
    trafficVerified(observation, after, before),
    contested(after, before),
  ];
  return findings.filter((finding) => finding !== undefined).map((finding) => stamp(finding, before, observation));
}

function stamp(finding: Finding, before: readonly Condition[], observation: Observation): Condition {
  const known = before.find((condition) => condition.type === finding.type);
  const lastTransitionTime =
    known !== undefined && known.status === finding.status ? known.lastTransitionTime : formatTime(observation.nowMs);
  const generation = observation.rollout.metadata.generation;
  return { ...finding, lastTransitionTime, ...(generation === undefined ? {} : { observedGeneration: generation }) };
}

/** calmReasons are those of a Pending rollout that only waits for what will come by itself. */
const calmReasons = [
  'RevisionUnknown',
  'NewRevision',
  'Retry',
  'Retargeted',
  'WorkloadRollingOut',
  'CanaryNotReady',
  'CanaryUndersized',
  'IdleUnchanged',
  'PausedBySpec',
  'PausedByCommand',
  'Frozen',
  'OutsideWindow',
  'WindowOpened',
];

/** isTrouble tells whether a person should look: it makes Ready False and the event a Warning. */
export function isTrouble(phase: string | undefined, reason: string | undefined): boolean {
  if (['RouteNotWritten', 'AnalysisFailed', 'NotInEffect', 'StableIsManaged', 'StableReverted'].includes(reason ?? ''))
    return true;
  if (phase === 'Pending') return !calmReasons.includes(reason ?? '');
  return phase === 'Failed' || phase === 'Degraded' || phase === 'RollingBack';
}

function ready(observation: Observation, after: RolloutStatus): Finding {
  const [problem] = observation.problems;
  const message = after.message ?? '';
  if (problem !== undefined) return { type: 'Ready', status: 'False', ...problem };
  const isBad = isTrouble(after.phase, after.reason);
  return { type: 'Ready', status: isBad ? 'False' : 'True', reason: after.reason ?? 'Unknown', message };
}

function reconciling(after: RolloutStatus): Finding {
  // kstatus reads the conditions in their order: what is stalled must not be reconciling, too.
  if (isOverdue(after)) return { ...finding('Reconciling', after), status: 'False' };
  const isMoving = ['Pending', 'Progressing', 'Paused', 'Promoting', 'RollingBack'].includes(after.phase ?? '');
  if (!isMoving)
    return { type: 'Reconciling', status: 'False', reason: 'AtRest', message: 'No rollout is in progress.' };
  return finding('Reconciling', after);
}

function stalled(after: RolloutStatus): Finding {
  const isStalled = isOverdue(after) || after.phase === 'Failed' || after.phase === 'Degraded';
  if (!isStalled) return { type: 'Stalled', status: 'False', reason: 'NotStalled', message: 'Nothing is stuck.' };
  return finding('Stalled', after);
}

function isOverdue({ phase, reason }: RolloutStatus): boolean {
  return phase === 'Pending' && reason === 'ProgressDeadlineExceeded';
}

function finding(type: string, after: RolloutStatus): Finding {
  return { type, status: 'True', reason: after.reason ?? 'Unknown', message: after.message ?? '' };
}

function promoted(after: RolloutStatus): Finding {
  const common = { type: 'Promoted', reason: after.reason ?? 'Unknown' };
  const { revision } = after;
  if (revision === undefined) return { ...common, status: 'Unknown', message: 'No revision has been seen yet.' };
  if (after.progress?.direction !== 'Forward' && revision === after.promotedRevision) {
    return { ...common, status: 'True', message: `Revision ${revision} has been promoted.` };
  }
  if (after.failedRevisions?.includes(revision) === true) {
    return { ...common, status: 'False', message: `Revision ${revision} was not promoted.` };
  }
  return { ...common, status: 'Unknown', message: `Revision ${revision} is not decided yet.` };
}

function analysisPassing(
  observation: Observation,
  after: RolloutStatus,
  before: readonly Condition[],
): Finding | undefined {
  const type = 'AnalysisPassing';
  // Also in the write that ends the rollout: an hour later the condition has to agree with the reason.
  const isJudged = [after, observation.rollout.status].some(
    (status) => status?.progress?.direction === 'Forward' || status?.unprovenSince !== undefined,
  );
  if (!isJudged) return before.find((condition) => condition.type === type);
  if (observation.rollout.spec.analysis.mode === 'Disabled') {
    return { type, status: 'Unknown', reason: 'Disabled', message: 'spec.analysis.mode is Disabled.' };
  }
  const { kind, reason, message } = observation.verdict;
  const status = kind === 'Pass' ? 'True' : kind === 'Fail' ? 'False' : 'Unknown';
  return { type, status, reason, message };
}

function contested(after: RolloutStatus, before: readonly Condition[]): Finding | undefined {
  const hold = after.progress?.hold;
  if (hold?.reason === 'Contested')
    return { type: 'Contested', status: 'True', reason: 'Contested', message: hold.message };
  if (!before.some((condition) => condition.type === 'Contested')) return undefined;
  return { type: 'Contested', status: 'False', reason: 'NoDrift', message: 'Nobody else changes the weights.' };
}
