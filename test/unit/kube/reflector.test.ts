import { describe, expect, it } from 'vitest';
import type { KubernetesObject, ObjectKey } from '../../../src/api/kubernetes.ts';
import { resources } from '../../../src/api/kubernetes.ts';
import type { ListOptions, WatchEvent } from '../../../src/api/object-store.ts';
import { SluiceError, type ErrorCode } from '../../../src/errors.ts';
import type { ReflectorObserver, ReflectorSource } from '../../../src/kube/reflector-options.ts';
import { Reflector } from '../../../src/kube/reflector.ts';
import { Store } from '../../../src/kube/store.ts';
import { ManualClock } from '../../support/manual-clock.ts';

type Event = WatchEvent<KubernetesObject>;
type ListAnswer = SluiceError | { readonly names: readonly string[]; readonly version: string };
/** WatchAnswer is what a watch yields, how long it lasts after that, and how it ends: by itself or with an error. */
interface WatchAnswer {
  readonly events?: readonly Event[];
  readonly lastsMs?: number;
  readonly error?: SluiceError;
}

const failure = (code: ErrorCode, retryAfterMs?: number): SluiceError =>
  new SluiceError(code, `It failed with ${code}.`, { retryAfterMs });

const object = (name: string, resourceVersion: string): KubernetesObject => ({
  metadata: { name, namespace: 'web', uid: `uid-${name}`, resourceVersion },
});

const changed = (type: 'Added' | 'Modified' | 'Deleted', name: string, version: string): Event => ({
  type,
  object: object(name, version),
});

/** An open watch lasts for ever: the last answer of a script. */
const open: WatchAnswer = { lastsMs: Number.MAX_SAFE_INTEGER };

/** Script is what a source answers, in order; the last list and the last watch repeat, and a check finds nothing. */
interface Script {
  readonly lists?: readonly ListAnswer[];
  readonly watches?: readonly WatchAnswer[];
  /** checks are the versions that a list of one item finds. */
  readonly checks?: readonly (string | SluiceError)[];
}

function script(
  clock: ManualClock,
  { lists = [{ names: ['a'], version: '10' }], watches = [open], checks = [] }: Script,
) {
  const calls: string[] = [];
  const left = [...checks];
  let listed = 0;
  let watched = 0;
  const source = {
    list: (_kind: unknown, { keep = (each) => each, limit, resourceVersion }: ListOptions<KubernetesObject>) => {
      if (limit === 1) {
        calls.push('check');
        const next = left.shift() ?? '1000000';
        return next instanceof SluiceError
          ? Promise.reject(next)
          : Promise.resolve({ items: [], resourceVersion: next });
      }
      calls.push(resourceVersion === undefined ? 'list' : `list ${resourceVersion}`);
      const next = lists[Math.min(listed, lists.length - 1)];
      listed += 1;
      if (next === undefined || next instanceof SluiceError) return Promise.reject(next ?? failure('Internal'));
      const items = next.names.map((name) => keep(object(name, next.version)));
      return Promise.resolve({ items, resourceVersion: next.version });
    },
    watch: async function* (_kind: unknown, options: Parameters<ReflectorSource['watch']>[1]) {
      calls.push(`watch ${options.resourceVersion}`);
      const next = watches[Math.min(watched, watches.length - 1)] ?? open;
      watched += 1;
      yield* next.events ?? [];
      await clock.sleep(next.lastsMs ?? 0, options.signal).catch(() => {});
      options.onEnd?.(next.error === undefined ? 'Closed' : 'Failed');
      if (next.error !== undefined && !options.signal.aborted) throw next.error;
    },
  } as unknown as ReflectorSource;
  return { calls, source };
}

interface Options extends Script {
  readonly onChange?: (key: ObjectKey, after: KubernetesObject | undefined, clock: ManualClock) => unknown;
}

async function start({ onChange, ...answers }: Options) {
  const clock = new ManualClock();
  const { calls, source } = script(clock, answers);
  const causes: string[] = [];
  const ends: string[] = [];
  const rollbacks: object[] = [];
  const observer: ReflectorObserver = {
    onWatchEnd: ({ kind }, reason) => ends.push(`${kind} ${reason}`),
    onList: ({ kind }, cause) => causes.push(`${kind} ${cause}`),
    onRollback: (_kind, versions) => rollbacks.push(versions),
  };
  const cache = new Store<KubernetesObject>({ freeze: true });
  const changes: string[] = [];
  const errors: { readonly code: string; readonly retryInMs: number }[] = [];
  const stop = new AbortController();
  const reflector = new Reflector<KubernetesObject>({
    source,
    kind: resources.services,
    cache,
    clock,
    random: () => 0.5,
    onChange: (key, before, after) => {
      changes.push(`${before?.metadata.resourceVersion ?? '-'} → ${after?.metadata.resourceVersion ?? '-'} ${key}`);
      return onChange?.(key, after, clock);
    },
    observer,
    onError: ({ code }, { retryInMs }) => errors.push({ code, retryInMs }),
  });
  const stopped = reflector.start(stop.signal);
  await clock.advance(0);
  return { cache, calls, causes, changes, clock, ends, errors, reflector, rollbacks, stop, stopped };
}

describe('Reflector', () => {
  it('lists the truth first, delivers it, and watches from there', async () => {
    const { calls, changes, clock, reflector } = await start({
      lists: [{ names: ['a', 'b'], version: '10' }],
      watches: [{ ...open, events: [changed('Modified', 'a', '11'), changed('Deleted', 'b', '12')] }],
    });
    await reflector.synced;
    expect(calls).toEqual(['list', 'watch 10']);
    expect(changes).toEqual(['- → 10 web/a', '- → 10 web/b', '10 → 11 web/a', '10 → - web/b']);
    expect(reflector.hasSynced).toBe(true);
    expect(reflector.lastContactMs).toBe(clock.monotonicMs());
  });

  it('is not synced and has had no contact before its first list', async () => {
    const { reflector } = await start({ lists: [failure('ApiUnreachable')] });
    expect(reflector.hasSynced).toBe(false);
    expect(reflector.lastContactMs).toBe(Number.NEGATIVE_INFINITY);
  });

  it('row 17: goes on at once from the last version when the server ends a watch, counting bookmarks', async () => {
    const { calls } = await start({
      watches: [
        { events: [changed('Added', 'b', '11'), { type: 'Bookmark', resourceVersion: '15' }], lastsMs: 299_999 },
        open,
      ],
    }).then(async (started) => {
      await started.clock.advance(299_999);
      return started;
    });
    expect(calls).toEqual(['list', 'watch 10', 'watch 15']);
  });

  it('row 13: never moves its version back and ignores an older state', async () => {
    const { cache, calls, changes, clock } = await start({
      watches: [
        {
          events: [changed('Modified', 'a', '20'), changed('Modified', 'a', '20'), changed('Modified', 'a', '19')],
          lastsMs: 2000,
        },
        open,
      ],
    });
    await clock.advance(2000);
    expect(cache.get('web/a')?.metadata.resourceVersion).toBe('20');
    expect(changes).toEqual(['- → 10 web/a', '10 → 20 web/a']);
    expect(calls.at(-1)).toBe('watch 20');
  });

  it('backs off from a server that is away, from 0.8 s to 30 s and up to twice that', async () => {
    const { calls, clock, errors } = await start({ lists: [failure('ApiUnreachable')] });
    await clock.advance(300_000);
    expect(errors.slice(0, 8).map((each) => each.retryInMs)).toEqual([
      1200, 2400, 4800, 9600, 19_200, 38_400, 45_000, 45_000,
    ]);
    expect(new Set(calls)).toEqual(new Set(['list']));
  });

  it('forgets its back-off after two minutes without trouble', async () => {
    const cut = { lastsMs: 0, error: failure('ApiUnreachable') };
    const { clock, errors } = await start({
      watches: [cut, cut, { events: [{ type: 'Bookmark', resourceVersion: '11' }], lastsMs: 130_000 }, cut, open],
    });
    await clock.advance(200_000);
    expect(errors.map((each) => each.retryInMs)).toEqual([1200, 2400, 1200]);
  });

  it.each([
    ['ApiUnreachable', 'after a look at the version of a server that was away'],
    ['ApiTimeout', 'after a look at the version of a server that was away'],
    ['ApiThrottled', 'at once, since the server is only busy'],
  ] as const)('row 4: watches again without a list after %s, %s', async (code, _how) => {
    const { calls, clock } = await start({ watches: [{ error: failure(code) }, open] });
    await clock.advance(1199);
    expect(calls).toEqual(['list', 'watch 10']);
    await clock.advance(1);
    const looks = code === 'ApiThrottled' ? [] : ['check'];
    expect(calls).toEqual(['list', 'watch 10', ...looks, 'watch 10']);
  });

  it('row 8: notices a server that has come back with an older state, and takes that as the truth', async () => {
    const { cache, calls, causes, changes, clock, reflector, rollbacks } = await start({
      lists: [
        { names: ['a', 'lost'], version: '1000' },
        { names: ['a'], version: '400' },
      ],
      watches: [{ error: failure('ApiUnreachable') }, open],
      checks: ['390'],
    });
    changes.length = 0;
    await clock.advance(1200);
    expect(calls).toEqual(['list', 'watch 1000', 'check', 'list', 'watch 400']);
    expect(rollbacks).toEqual([{ seen: '1000', found: '390' }]);
    expect(causes).toEqual(['Service Start', 'Service Rollback']);
    expect(reflector.rollbacks).toBe(1);
    expect(cache.size).toBe(1);
    expect([...changes].sort()).toEqual(['1000 → - web/lost', '1000 → 400 web/a']);
  });

  it('row 8: believes the older state also when the server catches up between the look and the list', async () => {
    const { cache, clock, reflector } = await start({
      lists: [
        { names: ['a', 'lost'], version: '1000' },
        { names: [], version: '1001' },
      ],
      watches: [{ error: failure('ApiTimeout') }, open],
      checks: ['999'],
    });
    await clock.advance(1200);
    expect(reflector.rollbacks).toBe(1);
    expect(cache.size).toBe(0);
  });

  it('row 8: counts a list that is older than what was seen', async () => {
    const { cache, clock, reflector } = await start({
      lists: [
        { names: ['a'], version: '1000' },
        { names: ['a'], version: '400' },
      ],
      watches: [{ error: failure('ApiGone') }, open],
    });
    await clock.advance(1200);
    expect(reflector.rollbacks).toBe(1);
    expect(cache.get('web/a')?.metadata.resourceVersion).toBe('400');
  });

  it('looks again, with back-off, when the server is still away, and has had no contact meanwhile', async () => {
    const { calls, clock, errors, reflector } = await start({
      watches: [{ error: failure('ApiUnreachable') }, open],
      checks: [failure('ApiUnreachable'), failure('ApiUnreachable'), '11'],
    });
    await clock.advance(20_000);
    expect(calls).toEqual(['list', 'watch 10', 'check', 'check', 'check', 'watch 10']);
    expect(errors.map((each) => each.retryInMs)).toEqual([1200, 2400, 4800]);
    expect(reflector.lastContactMs).toBe(0);
  });

  it('row 9: compares its version with the server before a watch when that was 5 minutes ago', async () => {
    const bookmark = { type: 'Bookmark', resourceVersion: '20' } as const;
    const { calls, clock } = await start({
      watches: [{ events: [bookmark], lastsMs: 299_999 }, { events: [bookmark], lastsMs: 300_000 }, open],
    });
    await clock.advance(299_999);
    expect(calls).toEqual(['list', 'watch 10', 'watch 20']);
    await clock.advance(300_000);
    expect(calls).toEqual(['list', 'watch 10', 'watch 20', 'check', 'watch 20']);
  });

  it('waits as long as the server asked for', async () => {
    const { calls, clock } = await start({ watches: [{ error: failure('ApiThrottled', 7000) }, open] });
    await clock.advance(6999);
    expect(calls.length).toBe(2);
    await clock.advance(1);
    expect(calls.length).toBe(3);
  });

  it('row 3: lists once after a version that is gone, and delivers exactly the difference', async () => {
    const { calls, changes, clock } = await start({
      lists: [
        { names: ['gone', 'stays'], version: '10' },
        { names: ['new', 'stays'], version: '30' },
      ],
      watches: [{ error: failure('ApiGone'), lastsMs: 5000 }, open],
    });
    changes.length = 0;
    await clock.advance(10_000);
    expect(calls).toEqual(['list', 'watch 10', 'list', 'watch 30']);
    expect([...changes].sort()).toEqual(['- → 30 web/new', '10 → - web/gone', '10 → 30 web/stays']);
  });

  it('row 7: lists at once when an outage has ended with a version that is gone, and then not again and again', async () => {
    const away = { error: failure('ApiUnreachable') };
    const gone = { error: failure('ApiGone') };
    const { calls, clock, errors } = await start({
      watches: [away, away, away, away, away, away, gone, gone, gone, open],
    });
    await clock.advance(300_000);
    expect(errors.map(({ code, retryInMs }) => `${code} ${retryInMs}`).slice(5, 9)).toEqual([
      'ApiUnreachable 38400',
      'ApiGone 0',
      'ApiGone 45000',
      'ApiGone 45000',
    ]);
    expect(calls.slice(-6)).toEqual(['list', 'watch 10', 'list', 'watch 10', 'list', 'watch 10']);
  });

  it('row 9: backs off when even the truth is gone', async () => {
    const { calls, clock } = await start({ lists: [failure('ApiGone')] });
    await clock.advance(60_000);
    expect(calls.length).toBeLessThan(10);
  });

  it.each(['ApiFailed', 'ApiForbidden', 'ApiUnauthorized', 'ApiNotFound', 'Internal'] as const)(
    'row 4: lists again after %s in a watch, when it has backed off',
    async (code) => {
      const { calls, clock } = await start({ watches: [{ error: failure(code) }, open] });
      await clock.advance(1199);
      expect(calls.length).toBe(2);
      await clock.advance(1);
      expect(calls).toEqual(['list', 'watch 10', 'list', 'watch 10']);
    },
  );

  it('row 4: watches again after a broken event, and lists when it is broken twice at the same version', async () => {
    const broken = { error: failure('WatchBroken'), lastsMs: 5000 };
    const { calls, causes, clock, ends } = await start({
      watches: [{ ...broken, events: [changed('Added', 'b', '12')] }, broken, open],
      lists: [
        { names: ['a'], version: '10' },
        { names: ['a', 'b'], version: '12' },
      ],
    });
    await clock.advance(20_000);
    expect(calls).toEqual(['list', 'watch 10', 'watch 12', 'list', 'watch 12']);
    expect(causes).toEqual(['Service Start', 'Service Broken']);
    expect(ends).toEqual(['Service Failed', 'Service Failed']);
  });

  it('row 4: backs off from a server whose every watch is broken, however long they last', async () => {
    const { calls, clock } = await start({ watches: [{ error: failure('WatchBroken'), lastsMs: 1100 }] });
    await clock.advance(120_000);
    expect(calls.length).toBeLessThan(20);
  });

  it('row 13: does not bring a deleted object back by an event that comes late, but asks the server', async () => {
    const { cache, calls, changes, clock, errors } = await start({
      lists: [
        { names: ['a'], version: '10' },
        { names: [], version: '21' },
      ],
      watches: [{ events: [changed('Deleted', 'a', '20'), changed('Modified', 'a', '15')], lastsMs: 5000 }, open],
    });
    expect(cache.size).toBe(0);
    await clock.advance(1200);
    expect(errors.map((each) => each.code)).toEqual(['WatchBroken']);
    expect(calls).toEqual(['list', 'watch 10', 'list', 'watch 21']);
    expect(changes).toEqual(['- → 10 web/a', '10 → - web/a']);
  });

  it('row 13: takes a late event of an object that is there when it is newer than what it has', async () => {
    const { cache, errors } = await start({
      lists: [{ names: ['a', 'b'], version: '10' }],
      watches: [{ ...open, events: [changed('Modified', 'a', '20'), changed('Modified', 'b', '15')] }],
    });
    expect(cache.get('web/b')?.metadata.resourceVersion).toBe('15');
    expect(errors).toEqual([]);
  });

  it('row 4: backs off and lists when a watch ends within a second without an event', async () => {
    const { calls, clock } = await start({ watches: [{ lastsMs: 200 }, open] });
    await clock.advance(200 + 1199);
    expect(calls.length).toBe(2);
    await clock.advance(1);
    expect(calls).toEqual(['list', 'watch 10', 'list', 'watch 10']);
  });

  it('never spins on watches that end at once after a bookmark', async () => {
    const { calls, clock } = await start({ watches: [{ events: [{ type: 'Bookmark', resourceVersion: '11' }] }] });
    await clock.advance(60_000);
    expect(calls.length).toBeLessThan(12);
    expect(calls.filter((call) => call.startsWith('list'))).toEqual(['list']);
  });

  it('row 9: looks at the version after a watch without even a bookmark, and lists only if the server has gone back', async () => {
    const silent = { lastsMs: 90_000 };
    const { cache, calls, clock, reflector } = await start({
      lists: [
        { names: ['a', 'lost'], version: '1000' },
        { names: ['a'], version: '400' },
      ],
      watches: [silent, silent, open],
      checks: ['1200', '400'],
    });
    await clock.advance(90_000);
    expect(calls).toEqual(['list', 'watch 1000', 'check', 'watch 1000']);
    expect(reflector.lastContactMs).toBe(90_000);
    await clock.advance(90_000);
    expect(calls).toEqual(['list', 'watch 1000', 'check', 'watch 1000', 'check', 'list', 'watch 400']);
    expect(reflector.rollbacks).toBe(1);
    expect(cache.get('web/lost')).toBeUndefined();
  });

  it('row 17: asks nothing more of a server without bookmarks whose watches a balancer cuts every 30 s', async () => {
    const { calls, clock } = await start({ watches: [{ lastsMs: 30_000 }] });
    await clock.advance(299_000);
    expect(new Set(calls)).toEqual(new Set(['list', 'watch 10']));
  });

  it('takes a kind that does not exist as empty, asks again after 30 to 60 s, and finds it when it is there', async () => {
    const { calls, clock, errors, reflector, cache } = await start({
      lists: [failure('ApiNotFound'), { names: ['a'], version: '5' }],
    });
    await reflector.synced;
    expect(reflector.isKindMissing).toBe(true);
    expect(cache.size).toBe(0);
    expect(errors).toEqual([{ code: 'ApiNotFound', retryInMs: 45_000 }]);
    await clock.advance(45_000);
    expect(calls).toEqual(['list', 'list', 'watch 5']);
    expect(reflector.isKindMissing).toBe(false);
    expect(cache.size).toBe(1);
  });

  it('believes that the objects of a kind are gone only when the kind is missing twice', async () => {
    const { cache, changes, clock } = await start({
      lists: [{ names: ['a'], version: '10' }, failure('ApiNotFound')],
      watches: [{ error: failure('ApiNotFound') }],
    });
    await clock.advance(1200);
    expect(cache.size).toBe(1);
    await clock.advance(45_000);
    expect(cache.size).toBe(0);
    expect(changes.at(-1)).toBe('10 → - web/a');
  });

  it.each([
    [
      'throws',
      () => {
        throw new TypeError('boom');
      },
    ],
    ['rejects', () => Promise.reject(new TypeError('boom'))],
    [
      'changes the cached object',
      (object: KubernetesObject | undefined) => {
        (object as { metadata: object }).metadata = {};
      },
    ],
  ])('row 12: reports a handler that %s and loses no other change', async (_name, fail) => {
    const { cache, changes, errors, reflector } = await start({
      lists: [{ names: ['a', 'b'], version: '10' }],
      onChange: (key, after) => (key === 'web/a' ? fail(after) : undefined),
    });
    expect(errors).toEqual([{ code: 'Internal', retryInMs: 0 }]);
    expect(changes).toEqual(['- → 10 web/a', '- → 10 web/b']);
    expect(cache.get('web/a')?.metadata.name).toBe('a');
    expect(reflector.hasSynced).toBe(true);
  });

  it('row 12: does not wait for a handler that takes 10 s', async () => {
    const done: string[] = [];
    const { cache, clock } = await start({
      watches: [{ ...open, events: [changed('Modified', 'a', '11'), changed('Added', 'b', '12')] }],
      onChange: async (key, after, clock) => {
        await clock.sleep(10_000);
        done.push(`${key} ${after?.metadata.resourceVersion ?? '-'}`);
      },
    });
    expect(cache.get('web/a')?.metadata.resourceVersion).toBe('11');
    expect(cache.get('web/b')?.metadata.resourceVersion).toBe('12');
    expect(done).toEqual([]);
    await clock.advance(10_000);
    expect(done).toEqual(['web/a 10', 'web/a 11', 'web/b 12']);
  });

  it('row 14: hands a long list over in parts, so that others have a turn, and is synced after the last', async () => {
    const names = Array.from({ length: 1000 }, (_, index) => `n${index}`);
    const turns: number[] = [];
    const handled: string[] = [];
    const { cache, reflector } = await start({
      lists: [{ names, version: '10' }],
      onChange: (key, _after, clock) => {
        handled.push(key.replace('web/', ''));
        // Each new change lets somebody else wait for a turn.
        clock.schedule(0, () => turns.push(handled.length));
      },
    });
    await reflector.synced;
    expect(cache.size).toBe(1000);
    expect([...new Set(turns)]).toEqual([250, 500, 750, 1000]);
    expect(handled).toEqual(names);
  });

  it.each([
    ['while it lists', { lists: [failure('ApiUnreachable')] }],
    ['while it watches', {}],
    ['while it backs off', { watches: [{ error: failure('ApiFailed') }] }],
  ])('stops %s, and calls nothing back after that', async (_name, options) => {
    const { calls, changes, clock, errors, stop, stopped } = await start(options);
    stop.abort();
    await stopped;
    const before = [calls.length, changes.length, errors.length];
    await clock.advance(600_000);
    expect([calls.length, changes.length, errors.length]).toEqual(before);
    expect(clock.pendingTimers).toBe(0);
  });

  it('delivers nothing more when it is stopped in the middle of a list', async () => {
    const stop = new AbortController();
    const seen: string[] = [];
    const clock = new ManualClock();
    const { source } = script(clock, { lists: [{ names: ['a', 'b', 'c'], version: '1' }] });
    const reflector = new Reflector<KubernetesObject>({
      source,
      kind: resources.services,
      cache: new Store(),
      clock,
      random: () => 0,
      onChange: (key) => {
        seen.push(key);
        if (seen.length === 2) stop.abort();
      },
    });
    await reflector.start(stop.signal);
    expect(seen).toEqual(['web/a', 'web/b']);
    await expect(reflector.synced).rejects.toMatchObject({ code: 'Aborted' });
  });
});
