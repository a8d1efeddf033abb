/** One POST to Prometheus' query API. What can go wrong is a value; nothing secret and nothing of a result is in a message. */
import type { Clock } from '../clock.ts';
import { SluiceError } from '../errors.ts';
import type { Access, AccessSource } from './access-files.ts';
import { parseAnswer, type ApiBody, type ApiData } from './prometheus-answer.ts';
import { createPools } from './pools.ts';
import type { Turns } from './turns.ts';

/** ApiConfig is how to reach Prometheus. */
export interface ApiConfig {
  /** url is the base URL; a path prefix and a query (`?dedup=false`) are kept, credentials become a header. */
  readonly url: string;
  /** access is what else authenticates; its headers win. */
  readonly access?: AccessSource;
  readonly timeoutMs: number;
  /** idleMs is how long a connection may rest between two queries; longer than a tick, so that none begins with a handshake. */
  readonly idleMs: number;
}

/** ApiFailure says why there is no answer. */
export interface ApiFailure {
  readonly kind: 'Failure';
  readonly reason: 'SourceUnreachable' | 'SourceRefused' | 'SourcePartial';
  readonly message: string;
  /** isTooMuch says that a query for less may be answered. */
  readonly isTooMuch?: true;
}

/** ApiResult is a complete answer and its size. */
export interface ApiResult {
  readonly data: ApiData;
  readonly bytes: number;
}

/** ApiAnswer is a complete answer or a failure. */
export type ApiAnswer<T> = { readonly kind: 'Answer'; readonly value: T } | ApiFailure;

/** Grid is points in time, in milliseconds since the epoch. */
export interface Grid {
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
}

/** PrometheusApi evaluates PromQL; it throws a SluiceError `Aborted` when the signal aborts. */
export interface PrometheusApi {
  readonly query: (promql: string, atMs: number, signal: AbortSignal) => Promise<ApiAnswer<ApiResult>>;
  /** queryGrid evaluates it at every `stepMs` from `fromMs` to `toMs`, both included. */
  readonly queryGrid: (promql: string, grid: Grid, signal: AbortSignal) => Promise<ApiAnswer<ApiResult>>;
  readonly close: () => Promise<void>;
}

/** ApiLimits are what one user of the API may take of the controller: the size of an answer, and turns to read it in. */
export interface ApiLimits {
  readonly maxBodyBytes: number;
  readonly turns: Turns;
}

const maxErrorChars = 200;

/** createPrometheusApi returns an API with a small pool of its own. Redirects are not followed: credentials go to the configured host only. */
export function createPrometheusApi(
  config: ApiConfig,
  { maxBodyBytes, turns }: ApiLimits,
  clock: Clock,
): PrometheusApi {
  const url = new URL(config.url);
  const pools = createPools(url.origin, config.idleMs);
  const server = `Prometheus at ${url.origin}`;
  const pathOf = (endpoint: string): string => `${url.pathname.replace(/\/$/, '')}/api/v1/${endpoint}${url.search}`;

  async function send(endpoint: string, form: Form, signal: AbortSignal): Promise<ApiAnswer<ApiResult>> {
    const access = (await config.access?.current()) ?? noAccess;
    const headers = requestHeaders(access, url);
    const response = await pools.of(access.ca).request({
      path: pathOf(endpoint),
      method: 'POST',
      headers,
      body: new URLSearchParams(form).toString(),
      signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const body = await readBody(response.body, maxBodyBytes);
    if (body === undefined) {
      const message = `${server} answered more than ${maxBodyBytes} bytes.`;
      return { ...failure('SourceRefused', message), isTooMuch: true };
    }
    if (response.statusCode === 401) config.access?.onRefused();
    const say = (message: string): string => `${server} ${redact(message, headers)}`;
    return turns.take(() => readAnswer(response.statusCode, body, say));
  }

  async function post(endpoint: string, form: Form, signal: AbortSignal): Promise<ApiAnswer<ApiResult>> {
    const timeout = clock.timeout(config.timeoutMs);
    const either = AbortSignal.any([signal, timeout]);
    try {
      // The server may have closed a connection that rested just when it was used; a query changes nothing, so once more.
      return await send(endpoint, form, either).catch((error: unknown) => {
        if (either.aborted || !brokenConnection.has(codeOf(error))) throw error;
        return send(endpoint, form, either);
      });
    } catch (error) {
      if (signal.aborted) throw new SluiceError('Aborted', `The query to ${server} was cancelled.`);
      if (timeout.aborted)
        return failure('SourceUnreachable', `${server} did not answer within ${config.timeoutMs} ms.`);
      return failure('SourceUnreachable', `${server} did not answer (${codeOf(error)}).`);
    }
  }

  return {
    query: (promql, atMs, signal) => post('query', { query: promql, time: toSeconds(atMs) }, signal),
    queryGrid: (promql, { fromMs, toMs, stepMs }, signal) => {
      const grid = { start: toSeconds(fromMs), end: toSeconds(toMs), step: toSeconds(stepMs) };
      return post('query_range', { query: promql, ...grid }, signal);
    },
    close: () => pools.close(),
  };
}

type Form = Readonly<Record<string, string>>;

const noAccess: Access = { headers: {} };

const brokenConnection: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

function toSeconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

async function readBody(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function readAnswer(status: number, bytes: Buffer, say: (message: string) => string): ApiAnswer<ApiResult> {
  const body = parseAnswer(bytes);
  if (status >= 300 && status < 400) {
    return failure('SourceRefused', say(`answered ${status}, a redirect; configure the URL that it leads to.`));
  }
  if (status !== 200 || body?.status !== 'success' || body.data === undefined) {
    return refusal(status, say(`answered ${status}${errorText(body)}`));
  }
  if (body.warnings !== undefined && body.warnings.length > 0) {
    return failure(
      'SourcePartial',
      say(`answered with a warning, so its answer may be partial: ${clean(body.warnings[0] ?? '')}`),
    );
  }
  return { kind: 'Answer', value: { data: body.data, bytes: bytes.length } };
}

/** 429 and 5xx (a query that timed out, a gateway) may pass; anything else needs a person. */
function refusal(status: number, message: string): ApiFailure {
  const refused = failure(status >= 500 || status === 429 ? 'SourceUnreachable' : 'SourceRefused', message);
  // Prometheus answers 422 where a query would load too many samples, a proxy 413 where the body is too large.
  return status === 413 || status === 422 ? { ...refused, isTooMuch: true } : refused;
}

function errorText(body: ApiBody | undefined): string {
  if (typeof body?.error !== 'string') return '; it is not the answer of a Prometheus API.';
  return ` (${clean(body.errorType ?? 'no type')}): ${clean(body.error)}`;
}

/** Execution errors quote series of the result in braces, and these may be of other namespaces: all from the first brace on goes. */
function clean(text: string): string {
  return text
    .replace(/\{[\s\S]*$/, '{…}')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .slice(0, maxErrorChars);
}

/** A server or a proxy in between may echo the request; what authenticated it is cut out. */
function redact(message: string, headers: Readonly<Record<string, string>>): string {
  const secrets = Object.entries(headers)
    .filter(([name]) => name !== 'content-type')
    .flatMap(([, value]) => [value, ...value.split(' ')])
    .filter((secret) => secret.length >= 4)
    .toSorted((left, right) => right.length - left.length);
  return secrets.reduce((text, secret) => text.replaceAll(secret, '***'), message);
}

function requestHeaders(access: Access, url: URL): Readonly<Record<string, string>> {
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return {
    ...(login === ':' ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` }),
    ...access.headers,
    'content-type': 'application/x-www-form-urlencoded',
  };
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no reason given';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

function failure(reason: ApiFailure['reason'], message: string): ApiFailure {
  return { kind: 'Failure', reason, message };
}
