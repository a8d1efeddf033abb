/** A thread of the bench: tasks in, outcomes out. */
import { parentPort } from 'node:worker_threads';
import { doTask, type Task } from './work.ts';

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort?.on('message', (task: Task) => parentPort?.postMessage(doTask(task)));
