import { expect, test } from 'vitest';
import { noTally, requestsOf, type Tally } from '../../../src/demo/tally.ts';
import { startWorld } from '../../../src/demo/world.ts';
import { eventually } from '../../support/eventually.ts';

test('clients at 300 requests a second to each host meet the backends in a thread', async () => {
  const tallies: Tally[] = [noTally];
  const failures: Error[] = [];
  const world = await startWorld(1, {
    onTally: (tally) => tallies.push(tally),
    onFailure: (error) => failures.push(error),
  });
  try {
    const { good, bad } = world.ports;
    expect(new Set([good.stable, good.canary, bad.stable, bad.canary, 0]).size).toBe(5);
    // Without a proxy all of them reach one backend.
    world.startLoad(`http://127.0.0.1:${bad.canary}`);
    await eventually(() => requestsOf(tallies.at(-1) ?? noTally) > 1_000);
    const from = tallies.findLast((tally) => requestsOf(tally) < 400);
    const to = tallies.at(-1);
    const perSecond = ((requestsOf(to!) - requestsOf(from!)) * 1000) / (to!.atMs - from!.atMs);
    expect(perSecond).toBeGreaterThan(300);
    expect(perSecond).toBeLessThan(800);
    const { canary, stable, lost } = to!.bad;
    expect(stable.requests).toBe(0);
    expect(lost).toBe(0);
    expect(canary.errors / canary.requests).toBeGreaterThan(0.05);
    expect(canary.totalMs / canary.requests).toBeGreaterThan(100);
    expect(failures).toEqual([]);
  } finally {
    await world.close();
  }
  await expect(fetch(`http://127.0.0.1:${world.ports.good.stable}/`)).rejects.toThrow();
});
