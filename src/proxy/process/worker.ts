import type { Clock } from '../../clock.ts';
import type { ConfigurationChange } from '../configuration.ts';
import type { ServerDown } from '../services/service-table.ts';
import type { PlaneSettings } from '../settings.ts';
import type { CountersMessage, FromWorker, ListeningAddress, ToWorker } from './messages.ts';
import type { WorkerEvents, WorkerPort } from './worker-pool.ts';

/** Plane is the data plane of one event loop. */
export interface Plane {
  /** apply resolves when the change is served; what is large is prepared in pieces, and then taken over at once. */
  apply(change: ConfigurationChange): Promise<void>;
  applyHealth(down: ServerDown): void;
  /** setTicketKeys changes what TLS sessions are resumed by. */
  setTicketKeys(keys: string): void;
  /** listen resolves with the ports that were taken; it rejects when one is not to be had. */
  listen(): Promise<readonly ListeningAddress[]>;
  /** takeCounts returns what was counted since the last call, or undefined where nothing is new. */
  takeCounts(): Omit<CountersMessage, 'kind'> | undefined;
  /** drain takes no more connections, and resolves when the last one has gone or been closed after its grace. */
  drain(graceMs: number): Promise<void>;
}

/** CreatePlane makes the data plane; `onServerDown` hears what the others have to know. */
export type CreatePlane = (
  settings: PlaneSettings & { readonly ticketKeys: string },
  events: { onServerDown(down: ServerDown): void },
) => Plane;

/** WorkerOptions: `say` resolves when the message is on its way. */
export interface WorkerOptions {
  readonly createPlane: CreatePlane;
  readonly clock: Clock;
  readonly say: (message: FromWorker) => Promise<void>;
}

/** ProxyWorker does what the primary tells it. */
export interface ProxyWorker {
  onMessage(message: ToWorker): void;
  /** leave asks for a replacement, and goes on until that serves. */
  leave(): void;
  /** drain ends the worker without being told, e.g. because the primary is gone. */
  drain(graceMs: number): void;
  /** ended resolves when it serves nothing any more and everything that it counted has been said. */
  readonly ended: Promise<void>;
}

const reportEveryMs = 1000;

/** startWorker returns a worker that waits for its Start. */
export function startWorker({ createPlane, clock, say }: WorkerOptions): ProxyWorker {
  const ended = Promise.withResolvers<void>();
  let plane: Plane | undefined;
  let isDraining = false;
  const tell = (message: FromWorker): void => void say(message);
  const report = async (): Promise<void> => {
    const counts = plane?.takeCounts();
    if (counts !== undefined) await say({ kind: 'Counters', ...counts });
  };
  const start = async ({ settings, change, ticketKeys }: ToWorker & { readonly kind: 'Start' }): Promise<void> => {
    plane = createPlane({ ...settings, ticketKeys }, { onServerDown: (down) => tell({ kind: 'Health', down }) });
    await plane.apply(change);
    try {
      tell({ kind: 'Listening', addresses: await plane.listen() });
      repeat(clock, report, () => isDraining);
    } catch (error) {
      await say({ kind: 'Failed', message: error instanceof Error ? error.message : String(error) });
      ended.resolve();
    }
  };
  const change = async ({ change, generation }: ToWorker & { readonly kind: 'Change' }): Promise<void> => {
    await plane?.apply(change);
    tell({ kind: 'Applied', generation });
  };
  // One after the other: the first one has everything, the others are differences.
  let changed = Promise.resolve();
  const drain = async (graceMs: number): Promise<void> => {
    if (isDraining) return;
    isDraining = true;
    await plane?.drain(graceMs);
    await report();
    ended.resolve();
  };
  return {
    ended: ended.promise,
    leave: () => tell({ kind: 'Leaving' }),
    drain: (graceMs) => void drain(graceMs),
    onMessage: (message) => {
      switch (message.kind) {
        case 'Start':
          changed = start(message);
          return;
        case 'Change':
          changed = changed.then(() => change(message));
          return;
        case 'Drain':
          return void drain(message.graceMs);
        case 'TicketKeys':
        case 'Health':
          return tellPlane(plane, message);
      }
    },
  };
}

function repeat(clock: Clock, report: () => Promise<void>, isOver: () => boolean): void {
  clock.schedule(reportEveryMs, () => {
    if (isOver()) return;
    void report();
    repeat(clock, report, isOver);
  });
}

function tellPlane(plane: Plane | undefined, message: ToWorker & { readonly kind: 'TicketKeys' | 'Health' }): void {
  if (message.kind === 'Health') plane?.applyHealth(message.down);
  else plane?.setTicketKeys(message.keys);
}

/** localWorker returns a worker in this process, for who embeds the proxy: as WorkerPool spawns them, but only once. */
export function localWorker(options: Omit<WorkerOptions, 'say'>): (events: WorkerEvents) => WorkerPort {
  return (events) => {
    const worker = startWorker({
      ...options,
      say: (message) => {
        events.onMessage(message);
        return Promise.resolve();
      },
    });
    void worker.ended.then(() => events.onExit('drained'));
    return { name: 'local', send: (message) => worker.onMessage(message), kill: () => events.onExit('killed') };
  };
}
