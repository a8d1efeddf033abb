/** `sluice history`: what has happened to a Rollout, oldest first. */
import type { Rollout } from '../api/rollout.ts';
import type { HistoryEntry } from '../api/rollout-status.ts';
import { printTable } from './table.ts';

/** printHistory is a table of the transitions; their sentences come last, so that they may be as long as they are. */
export function printHistory({ status }: Rollout, { hasHeaders }: { readonly hasHeaders: boolean }): string {
  const rows = (status?.history ?? []).map((entry) => [...cellsOf(entry), entry.message ?? '-']);
  const header = ['TIME', 'PHASE', 'WEIGHT', 'REVISION', 'REASON', 'WHO', 'MESSAGE'];
  return printTable([...(hasHeaders ? [header] : []), ...rows]);
}

function cellsOf({ time, to, weight, revision, reason, who }: HistoryEntry): readonly string[] {
  return [secondsOf(time), to, `${weight}%`, revision ?? '-', reason, who ?? '-'];
}

/** secondsOf leaves out the milliseconds of a time. */
export function secondsOf(time: string): string {
  return time.replace(/\.[0-9]+Z$/, 'Z');
}

/** printTransition is a line for a transition as it happens: time, phase, weight, reason, sentence. */
export function printTransition(entry: HistoryEntry): string {
  const { time, to, weight, reason, who, message } = entry;
  const said = message === undefined ? '' : `  ${message}`;
  const by = who === undefined ? '' : ` (${who})`;
  return `${secondsOf(time)}  ${to.padEnd(11)}  ${`${weight}%`.padStart(4)}  ${reason}${by}${said}`;
}
