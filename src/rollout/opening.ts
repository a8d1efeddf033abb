/** Since when raising is allowed again, also where that came before its time: a freeze was lifted, or the schedule edited. */
import { parseTime } from '../clock.ts';
import type { Observation } from './observation.ts';
import type { RolloutStatus } from '../api/rollout-status.ts';

/** openedMs is when raising was last allowed again, as far as the calendar or the status knows; undefined where it always was. */
export function openedMs(observation: Observation): number | undefined {
  const { calendar, nowMs, rollout } = observation;
  if (isOpenedEarly(observation)) return nowMs;
  const byCalendar = calendar.kind === 'Open' ? calendar.openedMs : undefined;
  const known = parseTime(rollout.status?.openedAt);
  if (byCalendar === undefined || known === undefined) return byCalendar ?? known;
  return Math.max(byCalendar, known);
}

/**
 * isOpenedEarly: status says that raising is forbidden until later, or for ever, and nothing forbids it any more. It is so
 * once: what is said of an opening may be said long after it, as while there is no data.
 */
export function isOpenedEarly({ calendar, nowMs, rollout }: Observation): boolean {
  if (calendar.kind !== 'Open' || rollout.status?.openedAt !== undefined || !wasClosed(rollout.status ?? {}))
    return false;
  return nowMs < (parseTime(rollout.status?.opensAt) ?? Number.POSITIVE_INFINITY);
}

/** wasClosed: in the queue behind an opening the status says until when, too. */
function wasClosed({ reason, opensAt }: RolloutStatus): boolean {
  return reason === 'Frozen' || reason === 'OutsideWindow' || (opensAt !== undefined && reason !== 'WindowOpened');
}
