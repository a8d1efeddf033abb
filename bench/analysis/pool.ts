/** Threads that do tasks; with one, the tasks are done right here. */
import { Worker } from 'node:worker_threads';
import type { Outcome } from './judges/judge.ts';
import { doTask, type Task } from './work.ts';

type Result = readonly (readonly Outcome[])[];

/** Pool does tasks, each once. */
export interface Pool {
  /** run returns what doTask does. It rejects if the thread breaks. */
  run(task: Task): Promise<Result>;
  close(): Promise<void>;
}

/** createPool starts `threads` threads. */
export function createPool(threads: number): Pool {
  if (threads === 1) return { run: (task) => Promise.resolve(doTask(task)), close: () => Promise.resolve() };
  const waiting: Job[] = [];
  const workers = Array.from({ length: threads }, () => createThread(waiting));
  return {
    run: (task) => {
      const { promise, resolve, reject } = Promise.withResolvers<Result>();
      waiting.push({ task, resolve, reject });
      for (const { wake } of workers) wake();
      return promise;
    },
    close: async () => {
      await Promise.all(workers.map(({ worker }) => worker.terminate()));
    },
  };
}

interface Job {
  readonly task: Task;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

function createThread(waiting: Job[]): { readonly worker: Worker; readonly wake: () => void } {
  const worker = new Worker(new URL('thread.ts', import.meta.url));
  let current: Job | undefined;
  const wake = (): void => {
    if (current !== undefined) return;
    current = waiting.shift();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    if (current !== undefined) worker.postMessage(current.task);
  };
  worker.on('message', (result: Result) => {
    current?.resolve(result);
    current = undefined;
    wake();
  });
  worker.on('error', (error) => current?.reject(error));
  return { worker, wake };
}
