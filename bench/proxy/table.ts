import type { ApplyResult } from './apply.ts';
import type { LoopStalls } from './loop-watch.ts';
import type { Result } from './measure.ts';
import type { PeerName } from './peers/peer.ts';
import type { ScenarioName } from './scenarios.ts';

/** Results are those of all scenarios, as the JSON line has them. */
export type Results = Partial<Record<ScenarioName, Readonly<Partial<Record<PeerName, Result>>>>>;

/** ApplyResults are by how many workers serve; `1` is the primary itself. */
export type ApplyResults = Readonly<Record<string, ApplyResult>>;

/** formatTable returns a table for people; `x` compares requests a second, or the memory of idle connections, with Traefik. */
export function formatTable(results: Results): string {
  const lines = [['scenario', 'proxy', 'req/s', 'p50 ms', 'p99 ms', 'MiB', 'failed', 'x Traefik']];
  for (const [scenario, peers] of Object.entries(results)) {
    for (const [peer, { rps, p50Ms, p99Ms, rssMiB, failed }] of Object.entries(peers)) {
      const base = peers.traefik;
      const times = base === undefined ? Number.NaN : rps === 0 ? rssMiB / base.rssMiB : rps / base.rps;
      lines.push([
        scenario,
        peer,
        String(Math.round(rps)),
        p50Ms.toFixed(2),
        p99Ms.toFixed(2),
        String(Math.round(rssMiB)),
        String(failed),
        Number.isNaN(times) ? '' : times.toFixed(2),
      ]);
    }
  }
  return align(lines, 2);
}

/** formatApply returns a table of changes for people. */
export function formatApply(results: ApplyResults): string {
  const lines = [
    ['workers', 'change', 'ms', 'primary: late', 'busy', 'processor', 'worker: late', 'busy', 'processor'],
  ];
  for (const [workers, changes] of Object.entries(results)) {
    for (const [change, { ms, primary, worker }] of Object.entries(changes)) {
      const of = ({ lateMs, busyMs, processorMs }: LoopStalls) => [lateMs, busyMs, processorMs];
      const numbers = [ms, ...of(primary), ...of(worker)];
      lines.push([workers, change, ...numbers.map((number) => number.toFixed(1))]);
    }
  }
  return align(lines, 2);
}

/** align pads the cells of each column; the first columns are texts. */
function align(lines: readonly (readonly string[])[], texts: number): string {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column < texts ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  '),
    )
    .join('\n');
}
