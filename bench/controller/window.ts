/** One measured stretch of time: what the controller asked for in it, and what every process used. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiRequest } from './audit-log.ts';
import type { Controller } from './program.ts';
import type { Stage } from './stage.ts';
import { cpuSeconds, machineSeconds, memoryOf } from './usage.ts';

/** Window is what was measured. */
export interface Window {
  readonly startMs: number;
  readonly endMs: number;
  /** requests are those of the controller that were answered in the window. */
  readonly requests: readonly ApiRequest[];
  readonly metricQueries: number;
  readonly metricSeries: number;
  readonly metricBytes: number;
  /** rssMiB is the greatest of one sample a second, peakMiB the greatest since the controller's start. */
  readonly rssMiB: number;
  readonly peakMiB: number;
  /** cpu is the CPU time by process; `others` is what the rest of the machine used. */
  readonly cpu: ReadonlyMap<string, number>;
  /** eventLoopP99Ms is the controller's own measurement; undefined where it has none. */
  readonly eventLoopP99Ms: number | undefined;
  /** heapUsedMiB is V8's own number at the end; undefined where the controller does not show it. */
  readonly heapUsedMiB: number | undefined;
}

/** measureWindow measures for `seconds`. */
export async function measureWindow(stage: Stage, controller: Controller, seconds: number): Promise<Window> {
  // The controller forgets the delays of its event loop with each look at them.
  await controller.metrics();
  const before = await readCounters(stage, controller);
  const startMs = Date.now();
  const endMs = startMs + 1000 * seconds;
  let rssMiB = 0;
  while (Date.now() < endMs) {
    await sleep(Math.min(1000, endMs - Date.now()));
    controller.check();
    rssMiB = Math.max(rssMiB, (await memoryOf(controller.pid)).rssMiB);
    await stage.audit.read();
  }
  const after = await readCounters(stage, controller);
  const metrics = await controller.metrics();
  // The log is written after the answer.
  await sleep(500);
  await stage.audit.read();
  return {
    startMs,
    endMs,
    requests: stage.audit.requests.filter(({ doneMs }) => doneMs >= startMs && doneMs < endMs),
    metricQueries: after.stats.queries - before.stats.queries,
    metricSeries: after.stats.series - before.stats.series,
    metricBytes: after.stats.bytes - before.stats.bytes,
    rssMiB,
    peakMiB: (await memoryOf(controller.pid)).peakMiB,
    cpu: differences(before, after),
    eventLoopP99Ms: readGauge(metrics, 'sluice_event_loop_delay_seconds{quantile="0.99"}', 1000),
    heapUsedMiB: readGauge(metrics, 'nodejs_heap_size_used_bytes', 2 ** -20),
  };
}

interface Counters {
  readonly stats: Awaited<ReturnType<Stage['standIn']['stats']>>;
  readonly cpu: ReadonlyMap<string, number>;
  readonly machine: number;
}

async function readCounters(stage: Stage, controller: Controller): Promise<Counters> {
  const processes = [['sluice', controller.pid] as const, ...stage.processes];
  const cpu = await Promise.all(processes.map(async ([name, pid]) => [name, await cpuSeconds(pid)] as const));
  return { stats: await stage.standIn.stats(), cpu: new Map(cpu), machine: await machineSeconds() };
}

function differences(before: Counters, after: Counters): ReadonlyMap<string, number> {
  const own = [...after.cpu].map(([name, seconds]) => [name, seconds - (before.cpu.get(name) ?? 0)] as const);
  const known = own.reduce((sum, [, seconds]) => sum + seconds, 0);
  return new Map([...own, ['others', Math.max(0, after.machine - before.machine - known)]]);
}

/** `series` is the name with its labels, as the exposition format writes it. */
function readGauge(metrics: string, series: string, factor: number): number | undefined {
  const line = metrics.split('\n').find((text) => text.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length)) * factor;
}

/** followAudit reads the audit log every second until `isDone`, or until `timeoutMs` have passed; it tells which. */
export async function followAudit(
  stage: Stage,
  controller: Controller,
  { isDone, timeoutMs }: { readonly isDone: () => boolean | Promise<boolean>; readonly timeoutMs: number },
): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    await stage.audit.read();
    if (await isDone()) return true;
    if (performance.now() > deadlineMs) return false;
    controller.check();
    await sleep(1000);
  }
}
