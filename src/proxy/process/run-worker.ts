import { systemClock } from '../../clock.ts';
import { createLineWriter } from '../../telemetry/logger.ts';
import type { PrimaryPort } from './cluster-workers.ts';
import { createPlane } from './data-plane.ts';
import { startWorker, type ProxyWorker } from './worker.ts';

/** A worker whose primary died has nobody to replace it or to count for: it ends what it has begun. */
const orphanGraceMs = 10_000;

/** runWorker does what the primary of this process says, until it is told to end. */
export function runWorker(primary: PrimaryPort): ProxyWorker {
  const clock = systemClock;
  const worker = startWorker({
    clock,
    createPlane: createPlane({ clock, random: Math.random, writeLine: createLineWriter() }),
    say: (message) => primary.send(message),
  });
  primary.onMessage((message) => worker.onMessage(message));
  primary.onGone(() => worker.drain(orphanGraceMs));
  return worker;
}
