import { describe, expect, it } from 'vitest';
import { createOwnership, soleOwnership, type Tenure } from '../../../src/reconciler/ownership.ts';

const forever = new AbortController().signal;

/** open returns an Ownership of the even ones of four shards; a uid is the number of its shard. */
function open() {
  const ends = new Map([0, 2].map((shard) => [shard, new AbortController()]));
  const tenureOf = (shard: number): Tenure | undefined => {
    const end = ends.get(shard);
    return end === undefined || end.signal.aborted
      ? undefined
      : { signal: end.signal, permits: (deadlineMs) => deadlineMs <= 4_000 };
  };
  const ownership = createOwnership({ shardOf: Number, tenureOf });
  return { ownership, lose: (shard: number) => ends.get(shard)?.abort(new Error('lost')) };
}

describe('an ownership', () => {
  it('runs what is its own, and nothing else', async () => {
    const { ownership } = open();
    expect(await ownership.guard('2', forever, async () => 'done')).toBe('done');
    expect(await ownership.guard('1', forever, async () => 'done')).toBeUndefined();
  });

  it('permits no write once the tenure has ended, and aborts what runs', async () => {
    const { ownership, lose } = open();
    const seen = await ownership.guard('0', forever, async (grant) => {
      const before = [grant.permits(4_000), grant.permits(4_001), grant.signal.aborted];
      lose(0);
      return [...before, grant.permits(0), grant.signal.aborted];
    });
    expect(seen).toEqual([true, false, false, false, true]);
    expect(await ownership.guard('0', forever, async () => 'done')).toBeUndefined();
  });

  it('aborts what runs with the signal of the caller, also with one that has aborted before', async () => {
    const stop = new AbortController();
    const isAborted = await soleOwnership().guard('any', stop.signal, async ({ signal }) => {
      stop.abort(new Error('stop'));
      return signal.aborted;
    });
    expect(isAborted).toBe(true);
    expect(await soleOwnership().guard('any', stop.signal, async (grant) => grant.permits(0))).toBe(false);
  });

  it('drains a shard: nothing new begins, and what runs is waited for, failed or not', async () => {
    const { ownership } = open();
    const work = Promise.withResolvers<void>();
    const running = ownership.guard('2', forever, () => work.promise);
    let isDrained = false;
    const draining = ownership.drain(2).then(() => (isDrained = true));
    expect(await ownership.guard('2', forever, async () => 'done')).toBeUndefined();
    expect(isDrained).toBe(false);
    work.reject(new Error('broken'));
    await expect(running).rejects.toThrow('broken');
    await draining;
    ownership.reopen(2);
    expect(await ownership.guard('2', forever, async () => 'done')).toBe('done');
  });
});
