import { expect, test } from 'vitest';
import type { FromWorker, ToWorker } from '../../../../src/proxy/process/messages.ts';
import { WorkerPool, type WorkerEvents } from '../../../../src/proxy/process/worker-pool.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { nothing } from '../services/service-builders.ts';

/** ScriptedWorker does what a worker process would: it is told things, says things, and ends. */
class ScriptedWorker {
  readonly heard: ToWorker[] = [];
  readonly name: string;
  isKilled = false;
  readonly #events: WorkerEvents;

  constructor(name: string, events: WorkerEvents) {
    this.name = name;
    this.#events = events;
  }

  send(message: ToWorker): void {
    this.heard.push(message);
  }

  kill(): void {
    this.isKilled = true;
    this.exit('SIGKILL');
  }

  say(message: FromWorker): void {
    this.#events.onMessage(message);
  }

  listen(): void {
    this.say({ kind: 'Listening', addresses: [{ name: 'web', port: 8000 }] });
  }

  exit(how = 'code 0'): void {
    this.#events.onExit(how);
  }
}

const graceMs = 10_000;
const settings = {
  entryPoints: [],
  isStrict: false,
  isSniStrict: false,
  metrics: { bucketsSeconds: [], hasRouterLabels: false },
  accessLog: undefined,
};
function createPool(count = 2) {
  const clock = new ManualClock();
  const workers: ScriptedWorker[] = [];
  const log: string[] = [];
  const gone: string[] = [];
  const applied: number[] = [];
  const down: string[] = [];
  const note = (message: string): void => void log.push(message);
  const logger = { debug: note, info: note, warn: note, error: note, child: () => logger };
  const pool = new WorkerPool({
    count,
    clock,
    logger,
    graceMs,
    spawn: (events) => {
      const worker = new ScriptedWorker(String(workers.length), events);
      workers.push(worker);
      return worker;
    },
    start: () => ({ kind: 'Start', ticketKeys: '', settings, change: nothing, generation: 1 }),
    onApplied: (generation) => void applied.push(generation),
    onCounters: () => undefined,
    onGone: ({ name }) => void gone.push(name),
    onServerDown: ({ url }) => void down.push(url),
  });
  return { pool, clock, workers, log, gone, applied, down };
}

async function started(count = 2) {
  const world = createPool(count);
  const ready = world.pool.start();
  for (const worker of world.workers) worker.listen();
  await ready;
  return world;
}

const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test('the pool has started when all workers listen', async () => {
  const { pool, workers } = createPool();
  let addresses: unknown;
  void pool.start().then((found) => (addresses = found));
  workers[0]?.listen();
  await settle();
  expect(addresses).toBeUndefined();
  workers[1]?.listen();
  await settle();
  expect(addresses).toEqual([{ name: 'web', port: 8000 }]);
  expect(pool.serving).toBe(2);
});

test('a worker that cannot listen is why the pool does not start', async () => {
  const { pool, workers } = createPool();
  const ready = pool.start();
  workers[1]?.say({ kind: 'Failed', message: 'port 8000 is taken' });
  await expect(ready).rejects.toThrow('port 8000 is taken');
});

test('a worker that dies is replaced at once; one that dies young is given some time, more each time', async () => {
  const { pool, clock, workers, gone } = await started();
  await clock.advance(20_000);
  workers[0]?.exit('SIGKILL');
  await clock.advance(0);
  expect([workers.length, gone, pool.died]).toEqual([3, ['0'], 1]);
  workers[2]?.exit('SIGSEGV');
  await clock.advance(499);
  expect(workers).toHaveLength(3);
  await clock.advance(1);
  expect(workers).toHaveLength(4);
  workers[3]?.exit('SIGSEGV');
  await clock.advance(999);
  expect(workers).toHaveLength(4);
  await clock.advance(1);
  expect(workers).toHaveLength(5);
});

test('a worker that wants to leave is drained when the one in its place serves, not before', async () => {
  const { pool, workers } = await started();
  workers[0]?.say({ kind: 'Leaving' });
  workers[0]?.say({ kind: 'Leaving' });
  await settle();
  expect(workers).toHaveLength(3);
  expect(workers[0]?.heard).toHaveLength(1);
  workers[2]?.listen();
  await settle();
  expect(workers[0]?.heard.at(-1)).toEqual({ kind: 'Drain', graceMs });
  workers[0]?.exit();
  await settle();
  expect([workers.length, pool.serving, pool.died]).toEqual([3, 2, 0]);
});

test('a restart replaces one worker after the other', async () => {
  const { pool, workers } = await started();
  const restarted = pool.restart();
  for (const [old, fresh] of [
    [0, 2],
    [1, 3],
  ] as const) {
    await settle();
    expect(workers).toHaveLength(fresh + 1);
    workers[fresh]?.listen();
    await settle();
    workers[old]?.exit();
  }
  await restarted;
  expect([workers.length, pool.serving, pool.died]).toEqual([4, 2, 0]);
});

test('a generation counts as applied when every worker that serves has it', async () => {
  const { workers, applied } = await started();
  expect(applied).toEqual([1]);
  workers[0]?.say({ kind: 'Applied', generation: 3 });
  expect(applied).toEqual([1]);
  workers[1]?.say({ kind: 'Applied', generation: 2 });
  workers[1]?.say({ kind: 'Applied', generation: 3 });
  expect(applied).toEqual([1, 2, 3]);
});

test('what one worker says of a server reaches the others and the primary', async () => {
  const { workers, down } = await started(3);
  const before = workers.map(({ heard }) => heard.length);
  workers[1]?.say({ kind: 'Health', down: { leaf: 'web-shop-80', url: 'http://10.0.0.1:80', forMs: 5 } });
  expect(workers.map(({ heard }, index) => heard.length - (before[index] ?? 0))).toEqual([1, 0, 1]);
  expect(down).toEqual(['http://10.0.0.1:80']);
});

test('stopping drains all, replaces none, and kills who does not end', async () => {
  const { pool, clock, workers } = await started();
  let isStopped = false;
  void pool.stop().then(() => (isStopped = true));
  expect(workers.map(({ heard }) => heard.at(-1))).toEqual([
    { kind: 'Drain', graceMs },
    { kind: 'Drain', graceMs },
  ]);
  workers[0]?.exit();
  await clock.advance(graceMs + 4999);
  await settle();
  expect([workers[1]?.isKilled, isStopped]).toEqual([false, false]);
  await clock.advance(1);
  await settle();
  expect([workers[1]?.isKilled, isStopped, workers.length]).toEqual([true, true, 2]);
});
