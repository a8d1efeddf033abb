/** Scrapes one Traefik. What can go wrong is a value. */
import { Pool, type Dispatcher } from 'undici';
import { ExpositionReader } from './exposition.ts';
import type { SeriesFilter } from './exposition-filter.ts';
import { History, type Reading, type Retention } from './scrape-history.ts';
import type { Turns } from './turns.ts';

/** ScrapeEndpoint is where a Traefik shows its metrics; `name` is what people call it, such as its pod. */
export interface ScrapeEndpoint {
  readonly name: string;
  readonly url: string;
}

/** Attempt is what all targets of one round share. */
export interface Attempt {
  /** atMs is the timestamp of the round. */
  readonly atMs: number;
  readonly filter: SeriesFilter;
  readonly turns: Turns;
  readonly signal: AbortSignal;
}

/**
 * Plain text: it is a tenth of the work for Traefik, which would compress all 50,000 series, and less for us too, at the
 * price of 40 Mbit/s inside the cluster.
 */
const headers = {
  accept: 'text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5',
  'accept-encoding': 'identity',
  'user-agent': 'sluice',
};

/** ScrapeTarget is a Traefik that is scraped again and again over one connection. */
export class ScrapeTarget {
  readonly name: string;
  /** instance is the URL: no two targets have the same. */
  readonly instance: string;
  readonly history: History;
  readonly #pool: Pool | undefined;
  readonly #path: string;
  #problem: string | undefined;

  constructor({ name, url }: ScrapeEndpoint, retention: Retention) {
    this.name = name;
    this.instance = url;
    this.history = new History(url, retention);
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    const isHttp = parsed !== undefined && /^https?:$/.test(parsed.protocol);
    this.#pool = isHttp ? new Pool(parsed.origin, { connections: 1 }) : undefined;
    this.#path = isHttp ? `${parsed.pathname}${parsed.search}` : '';
  }

  /** problem is what is wrong with it since its last scrape. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** scrape ends with one more scrape in the history, whether it succeeds or not. */
  async scrape(attempt: Attempt): Promise<void> {
    // Others have taken the time: that is no problem of this one.
    if (attempt.signal.aborted) return this.history.miss(attempt.atMs);
    const reading = this.history.startScrape();
    this.#problem = await this.#read(reading, attempt);
    if (this.#problem === undefined) this.history.add(attempt.atMs, reading);
    else this.history.miss(attempt.atMs);
  }

  /** close ends its connection. */
  async close(): Promise<void> {
    await this.#pool?.destroy();
  }

  async #read(reading: Reading, attempt: Attempt): Promise<string | undefined> {
    if (this.#pool === undefined) return 'has no URL of http or https';
    const { signal } = attempt;
    try {
      const request = { path: this.#path, method: 'GET', headers, signal, headersTimeout: 0, bodyTimeout: 0 } as const;
      const response = await this.#pool.request(request);
      const refusal = checkHead(response);
      if (refusal === undefined) return await readBody(response, reading, attempt);
      // Its rest would hold up the connection; a new one is cheaper than reading what nobody wants.
      response.body.on('error', () => undefined).destroy();
      return refusal;
    } catch (error) {
      return signal.aborted ? 'did not answer in time' : `did not answer (${codeOf(error)})`;
    }
  }
}

function checkHead({ statusCode, headers }: Dispatcher.ResponseData): string | undefined {
  if (statusCode !== 200) return `answered ${statusCode}`;
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') return `answered in an encoding that was not asked for (${String(encoding)})`;
  return /^(?:text\/plain|application\/openmetrics-text)\b/.test(typeOf(headers))
    ? undefined
    : 'answered something other than metrics';
}

async function readBody(
  { body, headers }: Dispatcher.ResponseData,
  reading: Reading,
  { filter, turns }: Attempt,
): Promise<string | undefined> {
  const reader = new ExpositionReader(filter, (series, value) => reading.add(series, value));
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    if (!(await turns.take(() => reader.push(chunk)))) break;
  }
  const end = reader.end();
  if (end.kind === 'Refused') return `answered what cannot be used: ${end.reason}`;
  if (typeOf(headers).startsWith('application/openmetrics-text') && !end.hasEof)
    return 'answered metrics without an end';
  return reading.isMalformed ? 'answered a series that has a label twice' : undefined;
}

function typeOf(headers: Dispatcher.ResponseData['headers']): string {
  return String(headers['content-type'] ?? '');
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no reason given';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
