/** Requests that many cases make, and the parts of answers that they compare. */
import type { At, Case } from '../../support/data-plane/case.ts';
import type { DifferenceName } from '../../support/data-plane/differences.ts';
import { type Answer, ask, type Fields } from '../../support/data-plane/http1-client.ts';
import type { PlanePorts } from '../../support/data-plane/planes.ts';
import type { Received } from '../../support/data-plane/upstream.ts';

/** Request: `headers` are lines, each with its end. */
export interface Request {
  readonly method?: string;
  readonly target?: string;
  readonly version?: string;
  readonly headers?: string;
  readonly body?: string;
  readonly entry?: keyof PlanePorts;
}

/** requestText returns the bytes of a request to `<host>.test`. */
export function requestText(host: string, options: Request = {}): string {
  const { method = 'GET', target = '/', version = '1.1', headers = '', body = '' } = options;
  return `${method} ${target} HTTP/${version}\r\nHost: ${host}.test\r\n${headers}\r\n${body}`;
}

/** get sends one request to `<host>.test` and returns the answer. */
export function get(at: Pick<At, 'plane'>, host: string, options: Request = {}): Promise<Answer> {
  const entry = options.entry ?? 'web';
  return ask(at.plane.ports[entry], requestText(host, options), { isTls: entry === 'websecure' });
}

/** received returns what the server says that it got, but for what only tests need, and what Go adds (a case shows it). */
export function received({ body, status }: Pick<Answer, 'body' | 'status'>): Received {
  if (status !== 200) throw new Error(`The answer is ${status}: ${body}`);
  const parsed = JSON.parse(body) as Received;
  return { ...parsed, fields: ownFields(parsed.fields) };
}

/** serverOf returns the last number of the address of the server that answered, or the status of who else did. */
export function serverOf({ status, body }: Answer): string {
  if (status !== 200) return `${status}`;
  return (JSON.parse(body) as Received).address.split(/[.:]/)[3] ?? '';
}

/** spread counts by server how so many requests, one after the other, are answered. */
export async function spread(at: Pick<At, 'plane'>, host: string, requests: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let index = 0; index < requests; index += 1) {
    const server = serverOf(await get(at, host));
    counts[server] = (counts[server] ?? 0) + 1;
  }
  return counts;
}

/** ownFields leaves out what only tests need, and what Go adds. */
export function ownFields(fields: Fields): Fields {
  const isOwn = ([name, [value]]: readonly [string, readonly string[]]): boolean =>
    name !== 'x-script' && !(name === 'accept-encoding' && value === 'gzip');
  return Object.fromEntries(Object.entries(fields).filter(isOwn));
}

/** differs says that a case shows a difference, and what the result of the proxy then contains. */
export function differs(each: Case, difference: DifferenceName, sluice: object): Case {
  return { ...each, differs: difference, sluice };
}

/**
 * soonMs is how long a server may take to hear that a client left. It hears of it within 100 ms (test/unit/proxy/server); here
 * dozens of cases at once wait for the same two cores, and without an abort it would not hear of it at all.
 */
export const soonMs = 1000;
