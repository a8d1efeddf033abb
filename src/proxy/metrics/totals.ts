import type { CountersDelta, Scope, SeriesDelta, TlsDelta } from './counters.ts';

/** A series that left the configuration is kept so long: a counter that began anew after a flap would lose what it counted before. */
export const keptMs = 3_600_000;

/** SeriesTotal is all that was counted of requests that are alike. */
export interface SeriesTotal {
  readonly scope: Scope;
  readonly name: string;
  /** labels are as an exposition writes them, without braces; several metrics share them. */
  readonly labels: string;
  requests: number;
  requestBytes: number;
  responseBytes: number;
  seconds: number;
  /** buckets are not cumulative; behind the last bound there is one more. */
  readonly buckets: number[];
}

/** TlsTotal is all that was counted of requests over connections that are encrypted alike. */
export interface TlsTotal extends Pick<SeriesTotal, 'scope' | 'name' | 'labels'> {
  requests: number;
}

/** OpenCounts are gauges of one worker. */
export interface OpenCounts {
  readonly connections: readonly (readonly [entryPoint: string, open: number])[];
  readonly streams: readonly (readonly [leaf: string, open: number])[];
}

/**
 * Totals are the counters of the whole data plane. They belong to the primary, so that they never fall while workers come
 * and go: a counter that falls is read as one that began anew, and all it had counted as new once more.
 */
export interface Totals {
  /** add takes over what a worker counted. */
  add(delta: CountersDelta): void;
  /** setOpen replaces what was known of a worker. */
  setOpen(worker: string, open: OpenCounts): void;
  /** forgetWorker: it is gone with all that it had open. What it counted stays. */
  forgetWorker(worker: string): void;
  /**
   * expire removes what has not been configured for keptMs, as seen by the calls of this function; once a minute is
   * enough. `nowMs` is of a clock that never jumps.
   */
  expire(isConfigured: (scope: Scope, name: string) => boolean, nowMs: number): void;
  readonly series: Iterable<SeriesTotal>;
  readonly tls: Iterable<TlsTotal>;
  readonly retries: Iterable<readonly [service: string, count: number]>;
  /** connections and streams stay at 0 once they were there. */
  readonly connections: Iterable<readonly [entryPoint: string, open: number]>;
  readonly streams: Iterable<readonly [leaf: string, open: number]>;
}

/** createTotals returns Totals that know of nothing yet. */
export function createTotals(): Totals {
  return new PrimaryTotals();
}

class PrimaryTotals implements Totals {
  readonly #series = new Map<string, SeriesTotal>();
  readonly #tls = new Map<string, TlsTotal>();
  readonly #retries = new Map<string, number>();
  readonly #open = new Map<string, OpenCounts>();
  readonly #entryPoints = new Set<string>();
  readonly #leaves = new Set<string>();
  /** By scope and name, since when it was seen missing. */
  readonly #missingSinceMs = new Map<string, number>();

  get series(): Iterable<SeriesTotal> {
    return this.#series.values();
  }

  get tls(): Iterable<TlsTotal> {
    return this.#tls.values();
  }

  get retries(): Iterable<readonly [string, number]> {
    return this.#retries;
  }

  get connections(): Iterable<readonly [string, number]> {
    return this.#sum(this.#entryPoints, ({ connections }) => connections);
  }

  get streams(): Iterable<readonly [string, number]> {
    return this.#sum(this.#leaves, ({ streams }) => streams);
  }

  add({ series, retries, tls }: CountersDelta): void {
    for (const delta of series) this.#addSeries(delta);
    for (const delta of tls) this.#addTls(delta);
    for (const [service, count] of retries) this.#retries.set(service, (this.#retries.get(service) ?? 0) + count);
  }

  setOpen(worker: string, open: OpenCounts): void {
    this.#open.set(worker, open);
    for (const [name] of open.connections) this.#entryPoints.add(name);
    for (const [name] of open.streams) this.#leaves.add(name);
  }

  forgetWorker(worker: string): void {
    this.#open.delete(worker);
  }

  expire(isConfigured: (scope: Scope, name: string) => boolean, nowMs: number): void {
    const known = new Map<string, boolean>();
    const isOver = (scope: Scope, name: string): boolean => {
      const key = `${scope} ${name}`;
      const isKnown = known.get(key) ?? this.#isOver(key, isConfigured(scope, name), nowMs);
      known.set(key, isKnown);
      return isKnown;
    };
    for (const [key, { scope, name }] of this.#series) if (isOver(scope, name)) this.#series.delete(key);
    for (const [key, { scope, name }] of this.#tls) if (isOver(scope, name)) this.#tls.delete(key);
    for (const [name] of this.#retries) if (isOver('service', name)) this.#retries.delete(name);
    const open = new Map(this.streams);
    for (const name of this.#leaves) if (open.get(name) === 0 && isOver('service', name)) this.#leaves.delete(name);
    for (const key of this.#missingSinceMs.keys()) if (known.get(key) !== false) this.#missingSinceMs.delete(key);
  }

  #isOver(key: string, isConfigured: boolean, nowMs: number): boolean {
    if (isConfigured) {
      this.#missingSinceMs.delete(key);
      return false;
    }
    const sinceMs = this.#missingSinceMs.get(key) ?? nowMs;
    this.#missingSinceMs.set(key, sinceMs);
    return nowMs - sinceMs >= keptMs;
  }

  #addSeries(delta: SeriesDelta): void {
    const labels = labelsOf(delta);
    const key = `${delta.scope} ${labels}`;
    const total = this.#series.get(key);
    if (total === undefined) {
      const { scope, name, requests, requestBytes, responseBytes, seconds, buckets } = delta;
      this.#series.set(key, {
        scope,
        name,
        labels,
        requests,
        requestBytes,
        responseBytes,
        seconds,
        buckets: [...buckets],
      });
      return;
    }
    total.requests += delta.requests;
    total.requestBytes += delta.requestBytes;
    total.responseBytes += delta.responseBytes;
    total.seconds += delta.seconds;
    for (const [index, count] of delta.buckets.entries()) total.buckets[index] = (total.buckets[index] ?? 0) + count;
  }

  #addTls(delta: TlsDelta): void {
    const { scope, name, requests } = delta;
    const labels = tlsLabelsOf(delta);
    const key = `${scope} ${labels}`;
    const total = this.#tls.get(key);
    if (total === undefined) this.#tls.set(key, { scope, name, labels, requests });
    else total.requests += requests;
  }

  #sum(
    names: ReadonlySet<string>,
    pick: (open: OpenCounts) => OpenCounts['connections'],
  ): Iterable<readonly [string, number]> {
    const sums = new Map([...names].map((name) => [name, 0]));
    for (const open of this.#open.values()) {
      for (const [name, count] of pick(open)) if (names.has(name)) sums.set(name, (sums.get(name) ?? 0) + count);
    }
    return sums;
  }
}

/** Labels are in the order of their names, as Go's Prometheus client writes them. */
function labelsOf({ scope, name, service, method, protocol, code }: SeriesDelta): string {
  const first = `code="${code}",`;
  const entryPoint = scope === 'entryPoint' ? `entrypoint="${escapeLabel(name)}",` : '';
  const common = `method="${method}",protocol="${protocol}"`;
  const last = scope === 'router' ? `,router="${escapeLabel(name)}",service="${escapeLabel(service)}"` : '';
  return `${first}${entryPoint}${common}${scope === 'service' ? `,service="${escapeLabel(name)}"` : last}`;
}

function tlsLabelsOf({ scope, name, service, tls }: TlsDelta): string {
  const common = `tls_cipher="${escapeLabel(tls.cipher)}",tls_version="${escapeLabel(tls.version)}"`;
  if (scope === 'entryPoint') return `entrypoint="${escapeLabel(name)}",${common}`;
  const router = scope === 'router' ? `router="${escapeLabel(name)}",` : '';
  return `${router}service="${escapeLabel(scope === 'router' ? service : name)}",${common}`;
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' };

/** escapeLabel returns a value as it stands between the quotes of a label. */
export function escapeLabel(value: string): string {
  return value.replaceAll(/[\\"\n]/g, (character) => escapes[character] ?? character);
}
