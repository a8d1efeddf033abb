import cluster, { type Worker } from 'node:cluster';
import { nextTurn } from '../../clock.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { createJoiner, createOutbox, type PartMessage } from './parts.ts';
import type { WorkerEvents, WorkerPort } from './worker-pool.ts';

/**
 * forkWorkers returns how a worker process is started. The primary keeps the listening sockets and hands connections out in
 * turn: with SO_REUSEPORT the connections that wait at a worker that ends are reset, and with a shared handle one worker
 * gets most of them. node:cluster is one for the whole process, so only a program of its own may use this.
 */
export function forkWorkers(count: number): (events: WorkerEvents) => WorkerPort {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  // The workers and the primary share 60 % of the memory that the container may have.
  const heap = `--max-old-space-size-percentage=${Math.max(5, Math.floor(60 / (count + 1)))}`;
  // Buffers and undefined do not stand in what is sent; JSON is the faster way for the rest.
  cluster.setupPrimary({ serialization: 'json', execArgv: [heap] });
  return (events) => {
    const worker = cluster.fork();
    worker.on('message', (message: FromWorker) => events.onMessage(message));
    worker.on('exit', (code: number | null, signal: string | null) => events.onExit(signal ?? `code ${code}`));
    // A worker that dies is known by its exit; a message that does not reach it any more says nothing new.
    worker.on('error', () => undefined);
    return {
      name: String(worker.process.pid),
      send: createOutbox((message) => post(worker, message)),
      kill: () => void worker.process.kill('SIGKILL'),
    };
  };
}

/** What is written is read before there is more, and others have a turn between, so that neither side has much to do at once. */
async function post(worker: Worker, message: ToWorker | PartMessage): Promise<void> {
  if (!worker.isConnected()) return;
  await new Promise<void>((resolve) => void worker.send(message, () => resolve()));
  await nextTurn();
}

/** PrimaryPort is the primary as a worker process sees it. */
export interface PrimaryPort {
  /** send resolves when the message has left this process, or cannot any more. */
  send(message: FromWorker): Promise<void>;
  onMessage(callback: (message: ToWorker) => void): void;
  /** onGone: the primary died, so nobody will say anything any more. */
  onGone(callback: () => void): void;
}

/** primaryPort returns the primary of this process; undefined when this process is no worker. */
export function primaryPort(): PrimaryPort | undefined {
  const { worker } = cluster;
  if (worker === undefined) return undefined;
  // The primary speaks first, and this process may still be loading what is to listen.
  const early: ToWorker[] = [];
  let tell = (message: ToWorker): void => void early.push(message);
  const join = createJoiner();
  worker.on('message', (message: ToWorker | PartMessage) => {
    const whole = join(message);
    if (whole !== undefined) tell(whole);
  });
  return {
    send: (message) =>
      new Promise((resolve) => {
        if (!worker.isConnected()) return resolve();
        worker.send(message, undefined, () => resolve());
      }),
    onMessage: (callback) => {
      tell = callback;
      for (const message of early.splice(0)) callback(message);
    },
    onGone: (callback) => void worker.on('disconnect', callback),
  };
}
