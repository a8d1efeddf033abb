/** What holds up an event loop: how late timers are, and how long the thread worked without a turn for others. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** LoopStalls are the longest ones since they were taken last. */
export interface LoopStalls {
  /** lateMs is by how much a timer of a millisecond was late, whoever had the processor meanwhile. */
  readonly lateMs: number;
  /** busyMs is how much processor time the thread took between two such timers: what it does to itself. */
  readonly busyMs: number;
}

/** watchLoop watches the event loop of this thread; the returned function takes what was longest, and begins anew. */
export function watchLoop(): () => LoopStalls {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  let busyUs = 0;
  let lastUs = processorUs();
  setInterval(() => {
    const nowUs = processorUs();
    busyUs = Math.max(busyUs, nowUs - lastUs);
    lastUs = nowUs;
  }, 1).unref();
  return () => {
    const taken = { lateMs: Math.max(0, histogram.max / 1e6 - 1), busyMs: busyUs / 1000 };
    histogram.reset();
    busyUs = 0;
    return taken;
  };
}

/** worst joins the stalls of several loops, or of several times. */
export function worst(stalls: readonly LoopStalls[]): LoopStalls {
  return {
    lateMs: Math.max(0, ...stalls.map(({ lateMs }) => lateMs)),
    busyMs: Math.max(0, ...stalls.map(({ busyMs }) => busyMs)),
  };
}

function processorUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
