/**
 * What a request says to its server about where it came from, as Traefik does it (forwardedheaders/forwarded_header.go and
 * Go's ReverseProxy): X-Forwarded-* and X-Real-Ip of untrusted peers are replaced, hop-by-hop headers end here.
 */
import { parseRange, rangeContains, type AddressRange } from '../../rule/client-ip.ts';
import type { Downstream, Peer } from '../downstream.ts';
import type { RequestRecord } from '../counters.ts';
import { hasToken, withoutHeaders } from './header-list.ts';

/** ForwardingOptions: `hostname` is this machine's, for X-Forwarded-Server. */
export interface ForwardingOptions {
  readonly trustedIps: readonly string[];
  readonly isInsecure: boolean;
  readonly hostname: string;
}

/** ForwardedRequest is a request's headers as its server gets them, with what else is read from them on the way. */
export interface ForwardedRequest {
  readonly headers: string[];
  /** cookie is all of them in one: HTTP/2 may split them up, HTTP/1 must not (RFC 9113, 8.2.3). */
  readonly cookie: string | undefined;
  readonly protocol: RequestRecord['protocol'];
}

/** HeaderForwarding makes the headers of the requests of one entry point. */
export type HeaderForwarding = (client: Downstream) => ForwardedRequest;

/** createHeaderForwarding throws a RangeError for a trusted range that is none. */
export function createHeaderForwarding(options: ForwardingOptions): HeaderForwarding {
  const ranges = options.trustedIps.map((text) => {
    const range = parseRange(text);
    if (range === undefined) throw new RangeError(`${text} is neither an address nor a range of them`);
    return range;
  });
  // One peer is one connection: it is looked up once, not with each of its requests.
  const known = new WeakMap<Peer, boolean>();
  const isTrusted = (peer: Peer): boolean => {
    if (options.isInsecure) return true;
    if (ranges.length === 0) return false;
    const answer = known.get(peer) ?? isWithin(ranges, peer);
    known.set(peer, answer);
    return answer;
  };
  return (client) => new Rewriting(client, isTrusted(client.peer)).finish(options.hostname);
}

function isWithin(ranges: readonly AddressRange[], { address }: Peer): boolean {
  return ranges.some((range) => rangeContains(range, address));
}

/** What becomes of a header. */
type Fate = 'Drop' | 'Managed' | 'Own' | 'Connection' | 'Te' | 'Trailer' | 'Cookie' | 'ContentType' | 'Accept';

const fates: ReadonlyMap<string, Fate> = new Map<string, Fate>([
  // The client of the server frames and addresses the request by itself.
  ...['host', 'content-length', 'transfer-encoding', 'expect'].map((name) => [name, 'Drop'] as const),
  ...['upgrade', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'http2-settings'].map(
    (name) => [name, 'Drop'] as const,
  ),
  ...['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'x-real-ip'].map(
    (name) => [name, 'Managed'] as const,
  ),
  ...['x-forwarded-uri', 'x-forwarded-method', 'x-forwarded-prefix', 'x-forwarded-scheme', 'x-scheme'].map(
    (name) => [name, 'Managed'] as const,
  ),
  ...['x-forwarded-tls-client-cert', 'x-forwarded-tls-client-cert-info'].map((name) => [name, 'Managed'] as const),
  ['x-forwarded-server', 'Own'],
  ['connection', 'Connection'],
  ['te', 'Te'],
  ['trailer', 'Trailer'],
  ['cookie', 'Cookie'],
  ['content-type', 'ContentType'],
  ['accept', 'Accept'],
]);

/** isHopByHop is true for a lower-cased name that is not sent on as it came. */
export function isHopByHop(name: string): boolean {
  const fate = fates.get(name);
  return fate === 'Drop' || fate === 'Connection' || fate === 'Te' || fate === 'Trailer';
}

/** Tokens of Connection that list no header to be dropped: what they name is not sent on, or only in its own way. */
const plainTokens: ReadonlySet<string> = new Set(['', 'close', 'keep-alive', 'upgrade', 'te', 'trailer', 'host']);

class Rewriting implements ForwardedRequest {
  readonly headers: string[] = [];
  cookie: string | undefined;
  protocol: RequestRecord['protocol'] = 'http';
  readonly #client: Downstream;
  readonly #isTrusted: boolean;
  #proto: string | undefined;
  #host: string | undefined;
  #port: string | undefined;
  #forwardedFor: string | undefined;
  #hasRealIp = false;
  #hasTrailersToken = false;
  #isSse = false;
  #listed: string[] | undefined;

  constructor(client: Downstream, isTrusted: boolean) {
    this.#client = client;
    this.#isTrusted = isTrusted;
    const { headers } = client;
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index] ?? '';
      const fate = fates.get(name.toLowerCase());
      if (fate === undefined) this.#pass(name, headers[index + 1] ?? '');
      else if (fate !== 'Drop' && fate !== 'Own') this.#take(fate, name, headers[index + 1] ?? '');
    }
  }

  finish(hostname: string): ForwardedRequest {
    if (this.#listed !== undefined) this.#dropListed(new Set(this.#listed));
    const { headers, cookie } = this;
    if (cookie !== undefined) headers.push('Cookie', cookie);
    if (this.#hasTrailersToken) headers.push('Te', 'trailers');
    const { address } = this.#client.peer;
    const prior = this.#forwardedFor;
    headers.push('X-Forwarded-For', prior === undefined ? address : `${prior}, ${address}`);
    this.#describe(hostname);
    if (!this.#hasRealIp) headers.push('X-Real-Ip', address);
    if (isWebSocket(this.#client.upgrade)) this.protocol = 'websocket';
    else if (this.#isSse) this.protocol = 'sse';
    return this;
  }

  #describe(hostname: string): void {
    const { authority, isTls, upgrade } = this.#client;
    const { headers } = this;
    if (this.#host === undefined && authority !== '') headers.push('X-Forwarded-Host', authority);
    if (this.#proto === undefined) {
      this.#proto = `${isWebSocket(upgrade) ? 'ws' : 'http'}${isTls ? 's' : ''}`;
      headers.push('X-Forwarded-Proto', this.#proto);
    }
    if (this.#port === undefined) {
      const isSecure = isTls || this.#proto === 'https' || this.#proto === 'wss';
      headers.push('X-Forwarded-Port', portOf(authority) ?? (isSecure ? '443' : '80'));
    }
    headers.push('X-Forwarded-Server', hostname);
  }

  #pass(name: string, value: string): void {
    if (!name.includes('_') || !isTwin(name)) this.headers.push(name, value);
  }

  #take(fate: Exclude<Fate, 'Drop' | 'Own'>, name: string, value: string): void {
    switch (fate) {
      case 'Managed':
        if (this.#isTrusted && value !== '') this.#keep(name, value);
        break;
      case 'Connection':
        this.#list(value);
        break;
      case 'Te':
      case 'Trailer':
        this.#readTrailers(fate, name, value);
        break;
      case 'ContentType':
      case 'Accept':
        this.#readProtocol(fate, name, value);
        break;
      case 'Cookie':
        this.cookie = this.cookie === undefined ? value : `${this.cookie}; ${value}`;
        break;
    }
  }

  #readTrailers(fate: 'Te' | 'Trailer', name: string, value: string): void {
    const { body } = this.#client;
    if (fate === 'Te') this.#hasTrailersToken ||= hasToken(value, 'trailers');
    // Only a body of unknown length can be followed by trailers.
    else if (body !== undefined && body.length === undefined) this.headers.push(name, value);
  }

  #readProtocol(fate: 'ContentType' | 'Accept', name: string, value: string): void {
    this.headers.push(name, value);
    if (fate === 'Accept') this.#isSse ||= hasToken(value, 'text/event-stream');
    else if (value.startsWith('application/grpc-web')) this.protocol = 'grpc-web';
    else if (value.startsWith('application/grpc')) this.protocol = 'grpc';
  }

  /** keep takes what a trusted peer says; where there are several, the first counts, except for X-Forwarded-For. */
  #keep(name: string, value: string): void {
    switch (name.toLowerCase()) {
      case 'x-forwarded-for':
        this.#forwardedFor = this.#forwardedFor === undefined ? value : `${this.#forwardedFor}, ${value}`;
        return;
      case 'x-forwarded-proto':
        this.#proto ??= value;
        break;
      case 'x-forwarded-host':
        this.#host ??= value;
        break;
      case 'x-forwarded-port':
        this.#port ??= value;
        break;
      case 'x-real-ip':
        this.#hasRealIp = true;
        break;
      default:
    }
    this.headers.push(name, value);
  }

  #list(value: string): void {
    const lower = value.toLowerCase();
    if (plainTokens.has(lower)) return;
    for (const token of lower.split(',').map((each) => each.trim())) {
      // A client must not take away what this proxy says about it.
      const fate = fates.get(token);
      if (plainTokens.has(token) || fate === 'Managed' || fate === 'Own') continue;
      (this.#listed ??= []).push(token);
    }
  }

  #dropListed(names: ReadonlySet<string>): void {
    const kept = withoutHeaders(this.headers, names);
    this.headers.length = 0;
    this.headers.push(...kept);
    if (names.has('cookie')) this.cookie = undefined;
    if (names.has('accept')) this.#isSse = false;
    if (names.has('content-type')) this.protocol = 'http';
  }
}

function isWebSocket(upgrade: string | undefined): boolean {
  return upgrade?.toLowerCase() === 'websocket';
}

/** A twin is read by many a server (CGI, WSGI) as the managed header: `X_Real_Ip`. */
function isTwin(name: string): boolean {
  const fate = fates.get(name.toLowerCase().replaceAll('_', '-'));
  return fate === 'Managed' || fate === 'Own';
}

/** portOf returns the port of `host:port`, as Go's SplitHostPort; undefined when there is none. */
export function portOf(authority: string): string | undefined {
  const colon = authority.lastIndexOf(':');
  if (colon === -1 || colon === authority.length - 1) return undefined;
  const isSplit = authority.startsWith('[') ? authority[colon - 1] === ']' : authority.indexOf(':') === colon;
  return isSplit ? authority.slice(colon + 1) : undefined;
}
