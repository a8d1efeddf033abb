/** Lines of an access log as Traefik writes them (pkg/middlewares/accesslog). Headers are never logged, query strings only when asked for: they hold secrets. */
import { formatTime } from '../clock.ts';
import type { RequestRecord } from './counters.ts';
import type { Peer } from './downstream.ts';

/** AccessLogFormat: Common is Traefik's extension of the common log format. */
export type AccessLogFormat = 'Common' | 'Json';

/** AccessDetails is what an access log says of a request besides its record. */
export interface AccessDetails {
  readonly peer: Peer;
  /** forwardedFor is X-Forwarded-For, if the peer is trusted to set it. */
  readonly forwardedFor: string | undefined;
  /** username is who was authenticated. */
  readonly username: string | undefined;
  /** authority and target are as received. */
  readonly authority: string;
  readonly target: string;
  readonly httpVersion: '1.0' | '1.1' | '2.0';
  readonly isTls: boolean;
  /** origin is the answer of the server; undefined when none was asked. */
  readonly origin: OriginAnswer | undefined;
  /** requestCount numbers the requests of a worker, from 1. */
  readonly requestCount: number;
  readonly retries: number;
}

/** OriginAnswer is a server's answer. */
export interface OriginAnswer {
  readonly status: number;
  readonly bytes: number;
  readonly durationMs: number;
}

/** AccessLogOptions: without `hasQuery`, paths are logged without their query strings. */
export interface AccessLogOptions {
  readonly format: AccessLogFormat;
  readonly hasQuery: boolean;
}

/** accessLine returns the line of a request, with its end. */
export function accessLine(record: RequestRecord, details: AccessDetails, options: AccessLogOptions): string {
  const path = pathOf(details.target, options.hasQuery);
  return options.format === 'Json' ? jsonLine(record, details, path) : commonLine(record, details, path);
}

function commonLine(record: RequestRecord, details: AccessDetails, path: string): string {
  const { router, serverUrl, method, status, responseBytes } = record;
  const { forwardedFor, peer, username, requestCount } = details;
  const client = `${printable(forwardedFor ?? peer.address)} - ${printable(username ?? '-')}`;
  const request = `"${method} ${path} ${protocolOf(details)}"`;
  const places = `"${router ?? '-'}" "${serverUrl ?? '-'}"`;
  const took = `${Math.floor(record.durationMs)}ms`;
  // The two dashes are Referer and User-Agent.
  return `${client} [${commonTime(record.startedAtMs)}] ${request} ${status} ${responseBytes} "-" "-" ${requestCount} ${places} ${took}\n`;
}

/** Keys are in the order of Traefik's, which sorts them; durations are nanoseconds. */
function jsonLine(record: RequestRecord, details: AccessDetails, path: string): string {
  const { startedAtMs, durationMs, responseBytes, router, service, serverUrl } = record;
  const { peer, authority, origin = noAnswer } = details;
  const started = nanoTime(startedAtMs);
  const [host, port] = splitHostPort(authority);
  return `${JSON.stringify({
    ClientAddr: addressOf(peer),
    ClientHost: details.forwardedFor ?? peer.address,
    ClientPort: String(peer.port),
    ClientUsername: details.username ?? '-',
    DownstreamContentSize: responseBytes,
    DownstreamStatus: record.status,
    Duration: toNanoseconds(durationMs),
    GzipRatio: ratioOf(origin.bytes, responseBytes),
    OriginContentSize: origin.bytes,
    OriginDuration: toNanoseconds(origin.durationMs),
    OriginStatus: origin.status,
    Overhead: toNanoseconds(durationMs - origin.durationMs),
    RequestAddr: authority,
    RequestContentSize: record.requestBytes,
    RequestCount: details.requestCount,
    RequestHost: host,
    RequestMethod: record.method,
    RequestPath: path,
    RequestPort: port,
    RequestProtocol: protocolOf(details),
    RequestScheme: details.isTls ? 'https' : 'http',
    RetryAttempts: details.retries,
    RouterName: router,
    ServiceAddr: serverUrl?.slice(serverUrl.indexOf('://') + 3),
    ServiceName: service,
    ServiceURL: serverUrl,
    StartLocal: started,
    StartUTC: started,
    entryPointName: record.entryPoint,
    level: 'info',
    msg: '',
    time: nanoTime(Math.floor((startedAtMs + durationMs) / 1000) * 1000),
  })}\n`;
}

const noAnswer: OriginAnswer = { status: 0, bytes: 0, durationMs: 0 };

function addressOf({ address, port }: Peer): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Traefik leaves the ratio out where nothing was compressed, but gives its own answers one of 0. */
function ratioOf(originBytes: number, responseBytes: number): number | undefined {
  return responseBytes === 0 || responseBytes === originBytes ? undefined : originBytes / responseBytes;
}

function protocolOf({ httpVersion }: AccessDetails): string {
  return `HTTP/${httpVersion}`;
}

/** What may not stand in a path is escaped, so that nobody forges a line: Go does so with paths, we with queries too. */
function pathOf(target: string, hasQuery: boolean): string {
  const query = target.indexOf('?');
  const [path, rest] = query === -1 ? [target, ''] : [target.slice(0, query), target.slice(query)];
  const escaped = path.replaceAll(/[^!#-;=?-Z[\]_a-z~]/g, percent);
  return hasQuery ? escaped + rest.replaceAll(/[^!#-[\]-~]/g, percent) : escaped;
}

function percent(character: string): string {
  return `%${(character.charCodeAt(0) & 0xff).toString(16).toUpperCase().padStart(2, '0')}`;
}

function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, percent);
}

/** As Go's net.SplitHostPort; the port of what has none is `-`. */
function splitHostPort(authority: string): readonly [host: string, port: string] {
  const match = /^(?:\[([^\][]*)\]|([^:\][]*)):([^:\][]*)$/.exec(authority);
  return match === null ? [authority, '-'] : [match[1] ?? match[2] ?? '', match[3] ?? ''];
}

function toNanoseconds(ms: number): number {
  return Math.round(ms * 1e6);
}

/** RFC 3339 without zeros at the end of the fraction, as Go prints it. */
function nanoTime(ms: number): string {
  return formatTime(ms).replace(/\.?0+Z$/, 'Z');
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function commonTime(ms: number): string {
  const [, year, month, day, time] = /^(\d+)-(\d+)-(\d+)T([\d:]+)/.exec(formatTime(ms)) ?? [];
  return `${day}/${months[Number(month) - 1]}/${year}:${time} +0000`;
}
