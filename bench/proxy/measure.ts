/** One scenario, all its proxies in turn, several rounds, medians. */
import type { Cluster } from '../../test/support/cluster.ts';
import { memoryOf } from '../controller/usage.ts';
import { openIdle, runLoad, type Load } from './load.ts';
import type { BenchOptions } from './options.ts';
import { setPaused, type Peer, type PeerName } from './peers/peer.ts';
import { editRoutes } from './routes.ts';
import type { Scenario } from './scenarios.ts';

/** Result is what is printed of one proxy in one scenario. */
export interface Result {
  readonly rps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** rssMiB is that of all its processes after the load. */
  readonly rssMiB: number;
  readonly failed: number;
}

/** MeasureOptions: `say` reports progress. */
export interface MeasureOptions extends Pick<BenchOptions, 'seconds' | 'rounds'> {
  readonly directory: string;
  readonly cluster: Cluster;
  readonly say: (text: string) => void;
}

const idleConnections = 10_000;
const warmupSeconds = 2;

/** measure runs a scenario with each of the peers, one after the other in each round. */
export async function measure(
  scenario: Scenario,
  peers: readonly Peer[],
  options: MeasureOptions,
): Promise<Readonly<Partial<Record<PeerName, Result>>>> {
  if (scenario.client === 'idle') return measureIdle(peers);
  const loads = new Map(peers.map(({ name }) => [name, [] as Load[]]));
  const stopEditing = scenario.isEdited ? editRoutes(options.cluster) : undefined;
  for (const peer of peers) await setPaused(peer, true);
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const peer of peers) {
      await setPaused(peer, false);
      // What is cold, or has to catch up, is not measured.
      await runLoad(peer, scenario, { ...options, seconds: warmupSeconds });
      const load = await runLoad(peer, scenario, options);
      await setPaused(peer, true);
      loads.get(peer.name)?.push(load);
      const { rps, p99Ms, failed } = load;
      options.say(`  round ${round}  ${peer.name}: ${Math.round(rps)}/s, p99 ${p99Ms.toFixed(1)} ms, ${failed} failed`);
    }
  }
  await stopEditing?.();
  for (const peer of peers) await setPaused(peer, false);
  const results = peers.map(async (peer) => [peer.name, await summarize(peer, loads.get(peer.name) ?? [])] as const);
  return Object.fromEntries(await Promise.all(results));
}

async function summarize(peer: Peer, loads: readonly Load[]): Promise<Result> {
  const medianOf = (pick: (load: Load) => number): number => median(loads.map(pick));
  return {
    rps: medianOf(({ rps }) => rps),
    p50Ms: medianOf(({ p50Ms }) => p50Ms),
    p99Ms: medianOf(({ p99Ms }) => p99Ms),
    rssMiB: await rssOf(peer),
    failed: loads.reduce((sum, { failed }) => sum + failed, 0),
  };
}

async function measureIdle(peers: readonly Peer[]): Promise<Readonly<Partial<Record<PeerName, Result>>>> {
  const results: Partial<Record<PeerName, Result>> = {};
  for (const peer of peers) {
    const close = await openIdle(peer.plainPort, idleConnections);
    results[peer.name] = { rps: 0, p50Ms: 0, p99Ms: 0, rssMiB: await rssOf(peer), failed: 0 };
    close();
  }
  return results;
}

async function rssOf(peer: Peer): Promise<number> {
  const memories = await Promise.all((await peer.pids()).map(memoryOf));
  return memories.reduce((sum, { rssMiB }) => sum + rssMiB, 0);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}
