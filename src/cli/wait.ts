/** When `sluice status --wait` ends, and how: a pure look at one state of the Rollout after the other. */
import type { Rollout } from '../api/rollout.ts';
import { waitsForPerson } from './status-next.ts';

/** WaitGoal is what is waited for. */
export interface WaitGoal {
  /** revision is the release that is meant; undefined where that is not known yet. */
  readonly revision: string | undefined;
  /** isThroughPauses: a person who is waited for ends nothing. */
  readonly isThroughPauses: boolean;
}

/** WaitEnd is how a wait ended; `message` is a sentence. */
export interface WaitEnd {
  readonly kind: 'Promoted' | 'Failed' | 'WaitsForPerson' | 'Superseded';
  readonly message: string;
}

/** judgeWait returns how the wait ended with this state of the Rollout; undefined while it goes on. */
export function judgeWait(rollout: Rollout, goal: WaitGoal): WaitEnd | undefined {
  const { status = {} } = rollout;
  const wanted = goal.revision;
  if (wanted === undefined) return waitsAtStart(rollout, goal);
  const { revision, message = '' } = status;
  if (isPromoted(rollout, wanted)) return { kind: 'Promoted', message: `Revision ${wanted} was promoted.` };
  if (status.failedRevisions?.includes(wanted) === true && !isTriedAgain(rollout, wanted))
    return { kind: 'Failed', message: `Revision ${wanted} was not promoted. ${reasonIn(rollout, wanted)}`.trim() };
  if (revision !== wanted)
    return isSuperseded(rollout, wanted) ? superseded(rollout, wanted) : waitsAtStart(rollout, goal);
  if (status.phase === 'Pending' && status.reason === 'ProgressDeadlineExceeded')
    return { kind: 'Failed', message: `Revision ${wanted} does not start. ${message}` };
  return waitsAtStart(rollout, goal);
}

function waitsAtStart(rollout: Rollout, goal: WaitGoal): WaitEnd | undefined {
  if (goal.isThroughPauses || !hasSeenSpec(rollout)) return undefined;
  const person = waitsForPerson(rollout);
  if (person === undefined) return undefined;
  const { phase = '', reason = '', message = '' } = rollout.status ?? {};
  return { kind: 'WaitsForPerson', message: `${phase} (${reason}): ${person}. ${message}` };
}

function hasSeenSpec({ metadata, status }: Rollout): boolean {
  return (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
}

function isPromoted({ status = {} }: Rollout, wanted: string): boolean {
  const isUnderWay = status.revision === wanted && status.progress?.direction === 'Forward';
  return status.promotedRevision === wanted && !isUnderWay;
}

function isTriedAgain({ status = {} }: Rollout, wanted: string): boolean {
  return status.revision === wanted && status.progress?.direction === 'Forward';
}

/** What the controller was at once and is at no more was replaced; what it never was at is still to come. */
function isSuperseded({ spec, status = {} }: Rollout, wanted: string): boolean {
  const wasThere = status.history?.some(({ revision }) => revision === wanted) === true;
  return wasThere || (spec.revision !== undefined && spec.revision !== wanted);
}

function superseded({ spec, status = {} }: Rollout, wanted: string): WaitEnd {
  const other = spec.revision ?? status.revision ?? 'another revision';
  return { kind: 'Superseded', message: `Revision ${wanted} was replaced by ${other} before it was promoted.` };
}

/** The last transition of that revision says why, also when another one runs by now. */
function reasonIn({ status = {} }: Rollout, wanted: string): string {
  if (status.revision === wanted) return status.message ?? '';
  return status.history?.findLast(({ revision }) => revision === wanted)?.message ?? '';
}
