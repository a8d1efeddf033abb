import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectKey } from '../../../src/api/kubernetes.ts';
import { Verifier } from '../../../src/reconciler/verifier.ts';
import type { ReplicaFinding } from '../../../src/rollout/observation.ts';
import type { ApiReply, NamedService, TraefikApi } from '../../../src/source/traefik-api.ts';
import type { EffectQuestion } from '../../../src/traffic/effect.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const key: ObjectKey = 'web/shop';

/** ask wants `canary` to have `weight` in the route `name`. */
function ask(weight: number, name = 'shop'): EffectQuestion {
  const router = `${name}@kubernetescrd`;
  const weights = { canary: weight };
  return { id: `${name} ${weight}`, routes: [{ router, service: router, weights, strangers: [] }] };
}

/** Replica is one whose answers a test sets; while it hangs nothing comes. */
interface Replica {
  weight: number;
  isHanging: boolean;
  isDown: boolean;
  asks: number;
}

describe('the verifier', () => {
  let clock: ManualClock;
  let replicas: Record<string, Replica>;
  let stop: AbortController;
  let changed: ObjectKey[];
  let noticed: string[];
  let verifier: Verifier;

  beforeEach(() => {
    clock = new ManualClock();
    replicas = { a: replica(10), b: replica(10) };
    stop = new AbortController();
    changed = [];
    noticed = [];
    verifier = new Verifier({
      endpoints: () => Object.keys(replicas).map((name) => ({ name, url: `http://${name}` })),
      open: ({ name }) => open(() => replicas[name] ?? replica(0)),
      clock,
      nowMs: () => clock.nowMs(),
      onChange: (changedKey) => changed.push(changedKey),
      onAsk: () => undefined,
      onReplica: (name, problem) => noticed.push(`${name} ${problem ?? 'answers'}`),
      signal: stop.signal,
    });
  });
  afterEach(() => stop.abort());

  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 500) {
      await clock.advance(500);
      await settled();
    }
  };
  const kinds = (question: EffectQuestion): readonly ReplicaFinding['kind'][] =>
    verifier.findings(key, question).map(({ kind }) => kind);

  it('knows nothing of a new question, and within a second what each replica says', async () => {
    verifier.follow(key, ask(10));
    expect(verifier.findings(key, ask(10))).toEqual([]);
    await pass(1_000);
    expect(kinds(ask(10))).toEqual(['InEffect', 'InEffect']);
    expect(changed).toEqual([key, key]);
    expect(verifier.findings(key, ask(20))).toEqual([]);
  });

  it('asks every second who has not got the weight, and tells since when', async () => {
    named('b').weight = 5;
    verifier.follow(key, ask(10));
    await pass(3_000);
    expect(kinds(ask(10))).toEqual(['InEffect', 'NotYet']);
    expect([named('a').asks, named('b').asks]).toEqual([1, 3]);
    const [, first] = verifier.findings(key, ask(10));
    expect(first).toMatchObject({ sinceMs: clock.nowMs() - 2_000, message: 'still has canary 5' });
    named('b').weight = 10;
    await pass(1_000);
    expect(verifier.findings(key, ask(10))[1]).toMatchObject({ kind: 'InEffect', sinceMs: clock.nowMs() });
  });

  it('asks who has the weight again every 30 s, so that one that has lost it shows', async () => {
    verifier.follow(key, ask(10));
    await pass(31_000);
    expect([named('a').asks, named('b').asks]).toEqual([2, 2]);
    named('b').weight = 5;
    await pass(30_000);
    expect(kinds(ask(10))).toEqual(['InEffect', 'NotYet']);
    await pass(2_000);
    expect([named('a').asks, named('b').asks]).toEqual([3, 6]);
  });

  it('lets one that hangs delay nobody else, nor be asked twice at a time', async () => {
    named('a').isHanging = true;
    verifier.follow(key, ask(10));
    await pass(10_000);
    expect(kinds(ask(10))).toEqual(['Unasked', 'InEffect']);
    expect(named('a').asks).toBe(1);
  });

  it('asks one that does not answer nothing else in that round, and tells of it once', async () => {
    named('a').isDown = true;
    for (const name of ['x', 'y', 'z']) verifier.follow(`web/${name}`, ask(10, name));
    await pass(3_000);
    expect(named('a').asks).toBe(3);
    expect(verifier.findings('web/z', ask(10, 'z'))[0]).toMatchObject({ kind: 'Unreachable', message: 'is down' });
    named('a').isDown = false;
    await pass(1_000);
    expect(noticed).toEqual(['a is down', 'a answers']);
    expect(verifier.findings('web/z', ask(10, 'z'))[0]).toMatchObject({ kind: 'InEffect' });
  });

  it('asks one that has not answered for 30 s only every 30 s, also whether it has the next weight', async () => {
    named('a').isDown = true;
    verifier.follow(key, ask(10));
    await pass(31_000);
    const asks = named('a').asks;
    expect(asks).toBeGreaterThan(25);
    await pass(59_000);
    expect(named('a').asks).toBeLessThanOrEqual(asks + 2);
    verifier.follow(key, ask(20));
    await pass(5_000);
    expect(kinds(ask(20))).toEqual(['Unreachable', 'NotYet']);
    expect(named('a').asks).toBeLessThanOrEqual(asks + 4);
    Object.assign(named('a'), { isDown: false, weight: 20 });
    await pass(31_000);
    expect(kinds(ask(20))[0]).toBe('InEffect');
  });

  it('does not take the word of a replica that is gone for that of the next one of the name', async () => {
    verifier.follow(key, ask(10));
    await pass(1_000);
    const { a = replica(0) } = replicas;
    replicas = { a };
    await pass(30_000);
    replicas = { a, b: { ...replica(10), isHanging: true } };
    await pass(30_000);
    expect(kinds(ask(10))).toEqual(['InEffect', 'Unasked']);
  });

  it('tells of a replica that hears of changes, only not of this one yet', async () => {
    named('a').weight = 1;
    verifier.follow(key, ask(10));
    await pass(2_000);
    expect(verifier.findings(key, ask(10))[0]).not.toHaveProperty('hasMoved');
    named('a').weight = 5;
    await pass(1_000);
    expect(verifier.findings(key, ask(10))[0]).toMatchObject({ hasMoved: true, sinceMs: clock.nowMs() - 2_000 });
    await pass(1_000);
    expect(verifier.findings(key, ask(10))[0]).toMatchObject({ hasMoved: true });
  });

  it('forgets a replica that is gone with its connections, and asks one that came', async () => {
    verifier.follow(key, ask(10));
    await pass(1_000);
    const gone = named('b');
    const { a = replica(0) } = replicas;
    replicas = { a, c: replica(5) };
    await pass(30_000);
    expect(verifier.findings(key, ask(10)).map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'a InEffect',
      'c NotYet',
    ]);
    expect(gone.asks).toBe(1);
  });

  it('drops the answer to a question that is not asked any more', async () => {
    named('a').isHanging = true;
    verifier.follow(key, ask(10));
    await pass(1_000);
    verifier.follow(key, ask(20));
    changed.length = 0;
    named('a').isHanging = false;
    await pass(500);
    expect(verifier.findings(key, ask(20))[0]).toMatchObject({ kind: 'Unasked' });
    expect(changed).toEqual([]);
  });

  it('does nothing at all when nobody runs, nor after the end', async () => {
    verifier.follow(key, ask(10));
    await pass(1_000);
    verifier.unfollow(key);
    expect(clock.pendingTimers).toBe(0);
    verifier.follow(key, ask(10));
    stop.abort();
    verifier.follow('web/other', ask(10));
    expect(clock.pendingTimers).toBe(0);
    await settled();
  });

  function named(name: string): Replica {
    const found = replicas[name];
    if (found === undefined) throw new Error(`no replica ${name}`);
    return found;
  }
});

function replica(weight: number): Replica {
  return { weight, isHanging: false, isDown: false, asks: 0 };
}

function open(of: () => Replica): TraefikApi {
  const service = async (): Promise<ApiReply<NamedService>> => {
    const asked = of();
    asked.asks += 1;
    if (asked.isDown) return { kind: 'Unreachable', message: 'is down' };
    while (asked.isHanging) await settled();
    const weights = [{ name: 'canary', weight: asked.weight }];
    return { kind: 'Found', value: { weights, servers: [], usedBy: [], problem: undefined } };
  };
  return {
    service,
    router: () => Promise.resolve({ kind: 'Found', value: { problem: undefined } }),
    close: () => Promise.resolve(),
  };
}

/** settled lets everything that waits for nothing but its turn have it. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
