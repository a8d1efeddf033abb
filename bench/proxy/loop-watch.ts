/** What holds up an event loop: how late timers are, and how long the thread worked without a turn for others. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** LoopStalls are the longest ones since they were taken last, and the work. */
export interface LoopStalls {
  /** lateMs is by how much a timer of a millisecond was late, whoever had the processor meanwhile. */
  readonly lateMs: number;
  /** busyMs is how much processor time the thread took between two such timers, as Linux counts it: mostly in steps of 4 ms. */
  readonly busyMs: number;
  /** processorMs is how much it took in all. On a machine that has nothing else to do a change takes about that long. */
  readonly processorMs: number;
}

/** watchLoop watches the event loop of this thread; the returned function takes what was longest, and begins anew. */
export function watchLoop(): () => LoopStalls {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  let busyUs = 0;
  let lastUs = processorUs();
  let takenUs = lastUs;
  setInterval(() => {
    const nowUs = processorUs();
    busyUs = Math.max(busyUs, nowUs - lastUs);
    lastUs = nowUs;
  }, 1).unref();
  return () => {
    const nowUs = processorUs();
    const processorMs = (nowUs - takenUs) / 1000;
    const taken = { lateMs: Math.max(0, histogram.max / 1e6 - 1), busyMs: busyUs / 1000, processorMs };
    takenUs = nowUs;
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
    processorMs: Math.max(0, ...stalls.map(({ processorMs }) => processorMs)),
  };
}

function processorUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
