import { describe, expect, it } from 'vitest';
import {
  keyOf,
  resources,
  type KubernetesObject,
  type ObjectKey,
  type ResourceKind,
} from '../../../src/api/kubernetes.ts';
import { SluiceError } from '../../../src/errors.ts';
import type { MetadataOptions, MetadataPage } from '../../../src/kube/metadata-list.ts';
import { Store } from '../../../src/kube/store.ts';
import { createAudit, type AuditedKind, type AuditSource } from '../../../src/reconciler/audit.ts';
import { createLogger } from '../../../src/telemetry/logger.ts';
import { ManualClock } from '../../support/manual-clock.ts';

function object(name: string, version: number, uid = `uid-${name}`): KubernetesObject {
  return { metadata: { namespace: 'web', name, uid, resourceVersion: String(version) } };
}

/** Server holds objects of each kind and answers as an API server does; `asked` is one text a request. */
class Server implements AuditSource {
  version = 100;
  readonly asked: string[] = [];
  failure: Error | undefined;
  readonly #objects = new Map<string, KubernetesObject>();

  put(kind: ResourceKind, ...objects: readonly KubernetesObject[]): void {
    for (const each of objects) this.#objects.set(`${kind.kind} ${keyOf(each)}`, each);
  }

  remove(kind: ResourceKind, key: ObjectKey): void {
    this.#objects.delete(`${kind.kind} ${key}`);
  }

  async *listMetadata(kind: ResourceKind, { namespace }: MetadataOptions): AsyncIterable<MetadataPage> {
    this.asked.push(`list ${kind.kind}${namespace === undefined ? '' : ` in ${namespace}`}`);
    if (this.failure !== undefined) throw this.failure;
    const resourceVersion = String(this.version);
    const items = [...this.#objects].filter(([place]) => place.startsWith(`${kind.kind} `)).map(([, each]) => each);
    const identities = items.map(({ metadata: { namespace = '', name, uid = '', resourceVersion: version = '' } }) => ({
      namespace,
      name,
      uid,
      resourceVersion: version,
    }));
    yield { resourceVersion, items: identities.slice(0, 2) };
    yield { resourceVersion, items: identities.slice(2) };
  }

  async get(kind: ResourceKind, key: ObjectKey): Promise<KubernetesObject | undefined> {
    this.asked.push(`get ${key}`);
    return this.#objects.get(`${kind.kind} ${key}`);
  }
}

/** Cached is a kind whose watch has delivered everything up to `seen`. */
class Cached implements AuditedKind {
  readonly kind: ResourceKind;
  namespace: string | undefined;
  readonly store = new Store<KubernetesObject>();
  seen = '100';
  served = true;
  /** changes are what the followers of the cache were told. */
  readonly changes: string[] = [];

  constructor(kind: ResourceKind) {
    this.kind = kind;
  }

  readonly cache: AuditedKind['cache'] = {
    list: () => this.store.list(),
    get: (key) => this.store.get(key),
    apply: (each) => void this.changes.push(`apply ${this.store.apply(each)?.key}`),
    delete: (each) => void this.changes.push(`delete ${this.store.delete(each)?.key}`),
  };

  version(): string {
    return this.seen;
  }

  isServed(): boolean {
    return this.served;
  }

  /** hold fills the cache without telling anybody. */
  hold(...objects: readonly KubernetesObject[]): void {
    for (const each of objects) this.store.apply(each);
  }
}

function open() {
  const server = new Server();
  const services = new Cached(resources.services);
  const routes = new Cached(resources.ingressRoutes);
  const clock = new ManualClock();
  const lines: string[] = [];
  const counted: string[] = [];
  const added: ObjectKey[] = [];
  const keys: ObjectKey[] = [];
  let seed = 0;
  const schedules: string[] = [];
  let isTime: (untilNextMs: number) => void = () => {};
  const audit = createAudit({
    schedule: '*/5 * * * *',
    kinds: [services, routes],
    source: server,
    resync: { keys: () => keys, add: (key) => added.push(key) },
    observer: {
      audited: (kind, result) => counted.push(`${kind} ${result}`),
      auditRepaired: (kind, repair) => counted.push(`${kind} ${repair}`),
    },
    clock,
    random: () => (seed = (seed * 16_807 + 12_345) % 2_147_483_647) / 2_147_483_647,
    logger: createLogger({ level: 'warn', destination: { write: (line: string) => void lines.push(line) } }),
    cron: (expression, onTime, signal) => {
      schedules.push(expression);
      isTime = onTime;
      signal.addEventListener('abort', () => (isTime = () => {}));
    },
  });
  const stop = new AbortController();
  /** run audits once and lets `ms` pass. */
  const run = async (ms = 600_000): Promise<number> => {
    const outcome = audit.run(stop.signal);
    await clock.advance(ms);
    return outcome;
  };
  const logged = (): readonly Readonly<Record<string, unknown>>[] =>
    lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  const tick = (untilNextMs: number): void => isTime(untilNextMs);
  return { server, services, routes, clock, audit, stop, run, counted, logged, added, keys, schedules, tick };
}

const bothCompleted = ['Service Completed', 'IngressRoute Completed'];

describe('an audit', () => {
  it('asks for one list a kind and nothing else where the caches are right', async () => {
    const { server, services, run, counted, clock, logged } = open();
    const all = ['a', 'b', 'c', 'd'].map((name, index) => object(name, 10 + index));
    server.put(resources.services, ...all);
    services.hold(...all);
    expect(await run(0)).toBe(0);
    expect([server.asked, counted]).toEqual([['list Service', 'list IngressRoute'], bothCompleted]);
    expect([clock.pendingTimers, logged()]).toEqual([0, []]);
  });

  it.each<[string, (world: ReturnType<typeof open>) => void, string, string]>([
    [
      'that the cache does not have',
      ({ server }) => server.put(resources.services, object('a', 50)),
      'Missing',
      'apply',
    ],
    [
      'of which the cache has an old state',
      ({ server, services }) => {
        server.put(resources.services, object('a', 50));
        services.hold(object('a', 49));
      },
      'Outdated',
      'apply',
    ],
    ['that the cache has although it is gone', ({ services }) => services.hold(object('a', 50)), 'Deleted', 'delete'],
    [
      'that was replaced by another of its name',
      ({ server, services }) => {
        server.put(resources.services, object('a', 50, 'uid-new'));
        services.hold(object('a', 49));
      },
      'Outdated',
      'apply',
    ],
    [
      'that is behind and has gone meanwhile',
      ({ server, services, clock }) => {
        server.put(resources.services, object('a', 50));
        services.hold(object('a', 49));
        clock.schedule(5000, () => server.remove(resources.services, 'web/a'));
      },
      'Outdated',
      'delete',
    ],
  ])('repairs an object %s, counts that and says so', async (_what, prepare, repair, change) => {
    const world = open();
    prepare(world);
    const { server, services, run, counted, logged, clock } = world;
    expect(await run()).toBe(1);
    expect(services.store.get('web/a')).toEqual(await server.get(resources.services, 'web/a'));
    expect(services.changes).toEqual([`${change} web/a`]);
    expect(counted).toEqual([`Service ${repair}`, ...bothCompleted]);
    expect(logged()).toMatchObject([
      { level: 'warn', msg: 'audit repaired a cache', kind: 'Service', count: 1, objects: [`${repair} web/a`] },
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('waits 10 s before it takes a difference for a fault', async () => {
    const { server, services, run, clock, audit, stop } = open();
    server.put(resources.services, object('a', 50));
    void audit.run(stop.signal);
    await clock.advance(9999);
    services.hold(object('a', 50));
    expect(await run()).toBe(0);
    expect(server.asked).toEqual(['list Service', 'list IngressRoute']);
  });

  it('leaves a watch that is late to itself, for as long as its own remedies take', async () => {
    const { server, services, run, clock, audit, stop } = open();
    server.put(resources.services, object('a', 50));
    services.seen = '49';
    void audit.run(stop.signal);
    await clock.advance(170_000);
    expect(server.asked).toEqual(['list Service']);
    services.hold(object('a', 51));
    services.seen = '51';
    expect(await run()).toBe(0);
    expect(server.asked).not.toContain('get web/a');
  });

  it('repairs behind a watch that does not come round', async () => {
    const { server, services, run } = open();
    server.put(resources.services, object('a', 50));
    services.seen = '49';
    expect(await run(180_000)).toBe(1);
  });

  it.each<[string, (world: ReturnType<typeof open>) => void]>([
    [
      'a newer state',
      ({ server, services }) => {
        server.put(resources.services, object('a', 50));
        services.hold(object('a', 101));
      },
    ],
    ['an object that is newer than the list', ({ services }) => services.hold(object('a', 101))],
    [
      'a newer object of the same name',
      ({ server, services }) => {
        server.put(resources.services, object('a', 50));
        services.hold(object('a', 101, 'uid-new'));
      },
    ],
  ])('does not mind that the cache has %s', async (_what, prepare) => {
    const world = open();
    prepare(world);
    expect(await world.run()).toBe(0);
    expect(world.server.asked).toEqual(['list Service', 'list IngressRoute']);
  });

  it.each<[string, (world: ReturnType<typeof open>) => void]>([
    [
      'that was deleted after the list',
      ({ server, clock }) => {
        server.put(resources.services, object('a', 50));
        clock.schedule(5000, () => server.remove(resources.services, 'web/a'));
      },
    ],
    [
      'that was replaced after the list',
      ({ server, clock }) => {
        server.put(resources.services, object('a', 50));
        clock.schedule(5000, () => server.put(resources.services, object('a', 120, 'uid-new')));
      },
    ],
    [
      'that the list left out although it is there',
      ({ server, services, clock }) => {
        services.hold(object('a', 50));
        clock.schedule(5000, () => server.put(resources.services, object('a', 50)));
      },
    ],
  ])('does not count an object %s', async (_what, prepare) => {
    const world = open();
    prepare(world);
    expect(await world.run()).toBe(0);
    expect(world.counted).toEqual(bothCompleted);
    expect(world.services.changes).toEqual([]);
  });

  it('does not overwrite what the watch brought while the object was read', async () => {
    const { server, services, run, counted } = open();
    server.put(resources.services, object('a', 50));
    const get = server.get.bind(server);
    server.get = async (kind, key) => {
      const found = await get(kind, key);
      services.hold(object('a', 60));
      return found;
    };
    expect(await run()).toBe(0);
    expect(services.store.get('web/a')?.metadata.resourceVersion).toBe('60');
    expect(counted).toEqual(bothCompleted);
  });

  it('counts what could not be compared, says why, and goes on with the other kinds', async () => {
    const { server, run, counted, logged } = open();
    server.failure = new SluiceError('ApiUnreachable', 'The API server is away.');
    expect(await run()).toBe(0);
    expect(counted).toEqual(['Service Failed', 'IngressRoute Failed']);
    expect(logged()).toMatchObject([
      { msg: 'audit failed', kind: 'Service', code: 'ApiUnreachable', error: 'The API server is away.' },
      { msg: 'audit failed', kind: 'IngressRoute' },
    ]);
  });

  it('names at most ten objects, and reads at most a thousand in one go', async () => {
    const { server, services, run, logged } = open();
    for (let index = 0; index < 1005; index += 1) server.put(resources.services, object(`s${index}`, 50));
    expect(await run()).toBe(1000);
    expect(logged()[0]).toMatchObject({ count: 1000 });
    expect(logged()[0]?.['objects']).toHaveLength(10);
    expect(services.store.size).toBe(1000);
    expect(await run()).toBe(5);
  });

  it('is one at a time', async () => {
    const { server, run, clock, audit, stop } = open();
    server.put(resources.services, object('a', 50));
    const first = audit.run(stop.signal);
    await clock.advance(5000);
    const second = run();
    expect([await first, await second]).toEqual([1, 1]);
    expect(server.asked).toEqual(['list Service', 'get web/a', 'list IngressRoute']);
  });

  it('ends with its signal and counts nothing more', async () => {
    const { server, clock, audit, stop, counted, logged } = open();
    server.put(resources.services, object('a', 50));
    const running = audit.run(stop.signal);
    await clock.advance(5000);
    stop.abort(new Error('stopped'));
    expect(await running).toBe(0);
    expect([counted, logged(), clock.pendingTimers]).toEqual([[], [], 0]);
    expect(server.asked).toEqual(['list Service']);
  });
});

describe('a started audit', () => {
  it('adds all keys again, a few each second until the next time', async () => {
    const { added, audit, clock, keys, schedules, stop, tick } = open();
    for (let index = 0; index < 3001; index += 1) keys.push(`web/${index}`);
    const stopped = audit.start(stop.signal);
    expect([schedules, added]).toEqual([['*/5 * * * *'], []]);
    tick(300_900);
    for (let second = 1; second <= 273; second += 1) {
      expect(added.length).toBe(11 * second > 3001 ? 3001 : 11 * second);
      await clock.advance(1000);
    }
    expect(added).toEqual(keys);
    tick(300_000);
    expect(added).toHaveLength(3012);
    stop.abort();
    await stopped;
    await clock.advance(60_000);
    expect(added).toHaveLength(3012);
  });

  it('adds no key again before all others, however short the time', async () => {
    const { added, audit, clock, keys, stop, tick } = open();
    keys.push('web/a', 'web/b');
    const stopped = audit.start(stop.signal);
    for (const _ of [1, 2]) tick(500);
    expect(added).toEqual(keys);
    await clock.advance(1000);
    tick(2000);
    tick(2000);
    expect(added).toEqual([...keys, 'web/a']);
    await clock.advance(1000);
    expect(added).toEqual([...keys, ...keys]);
    stop.abort();
    await stopped;
  });

  it('lists at a random moment of the next 30 s, and once where the next time comes before that is done', async () => {
    const { audit, clock, counted, server, services, stop, tick } = open();
    server.put(resources.services, object('a', 50));
    services.seen = '49';
    const stopped = audit.start(stop.signal);
    tick(60_000);
    expect(clock.nextTimerInMs).toBeLessThan(30_000);
    expect(server.asked).toEqual([]);
    await clock.advance(60_000);
    tick(60_000);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(90_000);
    expect(server.asked).toEqual(['list Service']);
    await clock.advance(60_000);
    expect(counted).toEqual(['Service Missing', ...bothCompleted]);
    tick(60_000);
    await clock.advance(30_000);
    expect(server.asked.filter((each) => each === 'list Service')).toHaveLength(2);
    stop.abort();
    await stopped;
    expect(clock.pendingTimers).toBe(0);
  });

  it('ends at once where it was stopped before, or while it waits', async () => {
    const { audit, clock, server, stop, tick } = open();
    const stopped = audit.start(stop.signal);
    tick(60_000);
    stop.abort();
    await stopped;
    await audit.start(stop.signal);
    expect([clock.pendingTimers, server.asked]).toEqual([0, []]);
  });
});
