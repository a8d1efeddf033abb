/** What one run of the bench says: a table for people, and one line of JSON for programs. */
import { loadavg } from 'node:os';
import type { ApiRequest } from './audit-log.ts';
import type { BenchOptions } from './options.ts';
import type { Window } from './window.ts';

/** Outcome is what a mode has found beside the window. */
export interface Outcome {
  readonly window: Window;
  readonly readyMs: number;
  /** stopMs is the time from SIGTERM to the end of the process. */
  readonly stopMs: number;
  readonly stepsDue: number;
  readonly stepsMade: number;
  /** stepDelaysMs has one number for each step that was made. */
  readonly stepDelaysMs: readonly number[];
  /** breachDelaysMs has one number for each breach that was answered. */
  readonly breachDelaysMs: readonly number[];
  /** isCounted chooses the requests of `apiRequests`; all of them are shown by kind. */
  readonly isCounted: (request: ApiRequest) => boolean;
  /** details are further numbers of the mode. */
  readonly details: Readonly<Record<string, number | null>>;
  /** problems are what makes the numbers worthless. */
  readonly problems: readonly string[];
}

interface Percentiles {
  readonly p50: number | null;
  readonly p99: number | null;
}

/** summarize returns the object of the last line; `cpuSeconds` and `metricQueriesPerMinute` are by the minute, the rest by the window. */
export function summarize(options: BenchOptions, outcome: Outcome) {
  const { window, stepsDue, stepsMade, readyMs, stopMs, details } = outcome;
  const minutes = options.seconds / 60;
  const counted = window.requests.filter(outcome.isCounted);
  return {
    rollouts: options.rollouts,
    seconds: options.seconds,
    stepsDue: round(stepsDue),
    stepsMade,
    apiRequests: counted.length,
    apiRequestsPerStep: stepsMade === 0 ? null : round(counted.length / stepsMade, 2),
    metricQueriesPerMinute: round(window.metricQueries / minutes, 1),
    rssMiB: round(window.rssMiB, 1),
    cpuSeconds: round((window.cpu.get('sluice') ?? 0) / minutes, 2),
    stepDelayMs: percentiles(outcome.stepDelaysMs),
    breachToPatchMs: percentiles(outcome.breachDelaysMs),
    mode: options.mode,
    readyMs: round(readyMs),
    stopMs: round(stopMs),
    rssPeakMiB: round(window.peakMiB, 1),
    heapUsedMiB: roundOrNull(window.heapUsedMiB),
    eventLoopP99Ms: roundOrNull(window.eventLoopP99Ms),
    metricMiBPerMinute: round(window.metricBytes / minutes / 2 ** 20, 2),
    ...details,
    apiRequestsByKind: countByKind(window.requests),
    cpuSecondsByProcess: Object.fromEntries([...window.cpu].map(([name, used]) => [name, round(used / minutes, 2)])),
    loadAverage: round(loadavg()[0] ?? 0, 2),
  };
}

/** formatTable returns the summary for people. */
export function formatTable(summary: ReturnType<typeof summarize>): string {
  const rows = Object.entries(summary).flatMap(([name, value]) => {
    if (typeof value !== 'object' || value === null) return [[name, String(value ?? '-')]];
    return Object.entries(value).map(([inner, number]) => [`${name} ${inner}`, String(number ?? '-')]);
  });
  const width = Math.max(...rows.map(([name = '']) => name.length));
  return rows.map(([name = '', value = '']) => `  ${name.padEnd(width)}  ${value.padStart(10)}`).join('\n');
}

/** countByKind counts requests by verb and resource; those that the server refused have their code beside. */
function countByKind(requests: readonly ApiRequest[]): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const { verb, resource, code } of requests) {
    const kind = `${verb} ${resource}${code >= 400 ? ` ${code}` : ''}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return Object.fromEntries([...counts].toSorted(([, left], [, right]) => right - left));
}

function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (share: number): number | null => {
    const value = sorted[Math.ceil(share * sorted.length) - 1];
    return value === undefined ? null : round(value, 1);
  };
  return { p50: at(0.5), p99: at(0.99) };
}

function roundOrNull(value: number | undefined): number | null {
  return value === undefined ? null : round(value, 1);
}

/** round keeps `digits` after the point. */
export function round(value: number, digits = 0): number {
  return Number(value.toFixed(digits));
}
