/** Steady traffic for a test: requests start on time whether or not earlier ones have been answered (open loop). */
import { Pool } from 'undici';

/** LoadOptions say what is requested and how often. */
export interface LoadOptions {
  /** url is an entry point, e.g. Traefik's webUrl; its path is requested. */
  readonly url: string;
  /** host is the Host header that the route matches. */
  readonly host: string;
  readonly requestsPerSecond: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** LoadSummary counts answered requests; requests that got no answer at all have status 0. */
export interface LoadSummary {
  readonly total: number;
  /** byVersion counts by the header `x-version`; answers without it (Traefik's own) are under `none`. */
  readonly byVersion: Readonly<Record<string, number>>;
  readonly byStatus: Readonly<Record<number, number>>;
  /** failed counts status 0 and 400 and above. */
  readonly failed: number;
}

/** Mark is a moment of a Load, in milliseconds of its own clock. */
export type Mark = number;

/** Load is traffic under way. */
export interface Load {
  mark(): Mark;
  /** markAt returns the mark of a moment of the wall clock, in milliseconds since the epoch. */
  markAt(epochMs: number): Mark;
  /** since summarises the requests that started at or after `mark` and, if `until` is given, were answered before it. */
  since(mark: Mark, until?: Mark): LoadSummary;
  /** lastOf returns how many milliseconds after `mark` the last request started that `version` answered; 0 where none did. */
  lastOf(version: string, mark: Mark): number;
  /** stop starts no more requests and waits for those under way. */
  stop(): Promise<void>;
}

interface Sample {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly version: string;
  readonly status: number;
}

const tickMs = 10;
const answerTimeoutMs = 10_000;

/** startLoad starts the traffic over at most 64 kept-alive connections. */
export function startLoad({ url, host, requestsPerSecond, headers = {} }: LoadOptions): Load {
  const { origin, pathname, search } = new URL(url);
  const pool = new Pool(origin, { connections: 64, headersTimeout: answerTimeoutMs, bodyTimeout: answerTimeoutMs });
  const request = { method: 'GET', path: `${pathname}${search}`, headers: { ...headers, host } } as const;
  const samples: Sample[] = [];
  const underWay = new Set<Promise<void>>();

  const send = async (startedAtMs: number): Promise<void> => {
    try {
      const answer = await pool.request(request);
      await answer.body.dump();
      const version = answer.headers['x-version'];
      samples.push({
        startedAtMs,
        endedAtMs: performance.now(),
        version: typeof version === 'string' ? version : 'none',
        status: answer.statusCode,
      });
    } catch {
      samples.push({ startedAtMs, endedAtMs: performance.now(), version: 'none', status: 0 });
    }
  };

  const startedMs = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const due = Math.floor(((nowMs - startedMs) / 1000) * requestsPerSecond);
    for (; sent < due; sent += 1) {
      const sending = send(nowMs).finally(() => underWay.delete(sending));
      underWay.add(sending);
    }
  }, tickMs);

  return {
    mark: () => performance.now(),
    markAt: (epochMs) => performance.now() - (Date.now() - epochMs),
    since: (mark, until = Number.POSITIVE_INFINITY) =>
      summarise(samples.filter(({ startedAtMs, endedAtMs }) => startedAtMs >= mark && endedAtMs < until)),
    lastOf: (version, mark) =>
      Math.max(
        0,
        ...samples.filter((sample) => sample.version === version).map(({ startedAtMs }) => startedAtMs - mark),
      ),
    stop: async () => {
      clearInterval(timer);
      await Promise.all(underWay);
      await pool.destroy();
    },
  };
}

function summarise(samples: readonly Sample[]): LoadSummary {
  const byVersion: Record<string, number> = {};
  const byStatus: Record<number, number> = {};
  for (const { version, status } of samples) {
    byVersion[version] = (byVersion[version] ?? 0) + 1;
    byStatus[status] = (byStatus[status] ?? 0) + 1;
  }
  const failed = samples.filter(({ status }) => status === 0 || status >= 400).length;
  return { total: samples.length, byVersion, byStatus, failed };
}
