/** Whether two scrapes of one instance saw the same process, by `process_start_time_seconds`. */

/** ProcessChange is Other where the later process is older than the earlier scrape: another replica behind the same address. */
export type ProcessChange = 'Same' | 'MaybeNew' | 'New' | 'Other';

/** The start time of one process moves by up to a tick when the kernel adjusts its boot time (/proc/stat btime). */
const startJitterSeconds = 2;

/** How far the clocks of Traefik's and Prometheus' hosts may disagree. */
const clockSkewSeconds = 10;

/**
 * compareProcess compares the starts that scrapes at `fromMs` and `toMs` saw. A new process has started since the scrape
 * before. One that was older than that scrape has counters that have nothing to do with the ones before.
 */
export function compareProcess(
  startedSeconds: ReadonlyMap<number, number>,
  fromMs: number,
  toMs: number,
): ProcessChange {
  const from = startedSeconds.get(fromMs);
  const to = startedSeconds.get(toMs);
  if (from === undefined || to === undefined || from === to) return 'Same';
  if (Math.abs(to - from) <= startJitterSeconds) return to > from ? 'MaybeNew' : 'Same';
  return to > from && to > fromMs / 1000 - clockSkewSeconds ? 'New' : 'Other';
}
