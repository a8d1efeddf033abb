/**
 * What node's parsers let through and a proxy must not: where two parsers could read a message differently, somebody
 * smuggles a request past the routes (RFC 9112, 11.2). All of it is answered with 400 and the end of the connection.
 */

/** Admission is what the head of a request says about its message. */
export interface Admission {
  /** isRefused: answer 400, and believe nothing else here. */
  readonly isRefused: boolean;
  readonly authority: string;
  readonly target: string;
  /** contentLength is undefined when there is none. */
  readonly contentLength: number | undefined;
  readonly isChunked: boolean;
}

const refused: Admission = {
  isRefused: true,
  authority: '',
  target: '',
  contentLength: undefined,
  isChunked: false,
};

/** Http1Head is what node's parser read. */
export interface Http1Head {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  readonly headers: readonly string[];
}

/** admitHttp1 checks a request that node's parser accepted; that already refuses two lengths, and a length beside chunked. */
export function admitHttp1({ method, url, httpVersion, headers }: Http1Head): Admission {
  const { host = '', contentLength, coding, isTwice } = readFields(headers);
  const isChunked = coding !== undefined;
  if (isTwice || (contentLength !== undefined && !Number.isSafeInteger(contentLength))) return refused;
  if (!isFramed(httpVersion, coding)) return refused;
  if (url.includes('#') || !isAuthority(host)) return refused;
  const target = url.startsWith('/') ? { authority: host, target: url } : splitTarget(method, url, host);
  if (target === undefined) return refused;
  return { isRefused: false, authority: target.authority, target: target.target, contentLength, isChunked };
}

/** isFramed: HTTP/0.9 is a line without a head, to which no head may be answered, and HTTP/1.0 knows no chunks. */
function isFramed(httpVersion: string, coding: string | undefined): boolean {
  if (coding === undefined) return httpVersion === '1.1' || httpVersion === '1.0';
  return httpVersion === '1.1' && coding.toLowerCase() === 'chunked';
}

interface Fields {
  host?: string;
  contentLength?: number;
  coding?: string;
  isTwice: boolean;
}

/** Names of other lengths are not worth a look. */
function readFields(headers: readonly string[]): Fields {
  const fields: Fields = { isTwice: false };
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? '';
    const { length } = name;
    if (length === 4 || length === 14 || length === 17) readField(fields, name.toLowerCase(), headers[index + 1] ?? '');
  }
  return fields;
}

function readField(fields: Fields, name: string, value: string): void {
  if (name === 'host') {
    fields.isTwice ||= fields.host !== undefined;
    fields.host = value;
  } else if (name === 'transfer-encoding') {
    fields.isTwice ||= fields.coding !== undefined;
    fields.coding = value;
  } else if (name === 'content-length') {
    fields.contentLength = Number(value);
  }
}

/** What is no path is a whole URL, whose authority counts whatever Host says (RFC 9112, 3.2.2), or the `*` of OPTIONS. */
function splitTarget(method: string, url: string, host: string): Pick<Admission, 'authority' | 'target'> | undefined {
  if (url === '*') return method === 'OPTIONS' ? { authority: host, target: url } : undefined;
  const [, authority = '', target = ''] = absoluteForm.exec(url) ?? [];
  if (authority === '' || !isAuthority(authority)) return undefined;
  return { authority, target: target.startsWith('/') ? target : `/${target}` };
}

const absoluteForm = /^https?:\/\/([^/?]*)(.*)$/i;

/** A name or an address with an optional port: no user, no spaces, nothing that begins a path (RFC 3986, 3.2). */
const authorityForm = /^(?:\[[0-9A-Fa-f:.%A-Za-z_~-]+\]|[\w.~!$&'()*+,;=%-]*)(?::[0-9]*)?$/;

/** isAuthority tells whether a Host header may be believed; it may be empty. */
export function isAuthority(text: string): boolean {
  return authorityForm.test(text);
}

/** Http2Admission has the method and the headers without pseudo headers besides. */
export interface Http2Admission extends Admission {
  readonly method: string;
  readonly headers: readonly string[];
}

const refusedHttp2: Http2Admission = { ...refused, method: '', headers: [] };

/**
 * admitHttp2 checks the raw headers of a request that nghttp2 accepted; that already refuses connection headers, bad
 * characters, pseudo headers twice or late, and a length that the body does not have.
 */
export function admitHttp2(raw: readonly string[]): Http2Admission {
  const first = pseudoLength(raw);
  const headers = raw.slice(first);
  const { host, contentLength, isTwice } = readFields(headers);
  const { authority = host ?? '', method = '', path: target = '' } = readPseudo(raw, first);
  // Two names for whom a request is for must be one (RFC 9113, 8.3.1).
  const isAgreed = !isTwice && (host ?? authority).toLowerCase() === authority.toLowerCase();
  if (!isAgreed || !isAuthority(authority) || !isTarget(method, target)) return refusedHttp2;
  return { isRefused: false, authority, target, contentLength, isChunked: false, method, headers };
}

function pseudoLength(raw: readonly string[]): number {
  let length = 0;
  while (raw[length]?.startsWith(':') === true) length += 2;
  return length;
}

function readPseudo(raw: readonly string[], length: number): { authority?: string; method?: string; path?: string } {
  const pseudo: { authority?: string; method?: string; path?: string } = {};
  for (let index = 0; index < length; index += 2) {
    const value = raw[index + 1] ?? '';
    if (raw[index] === ':authority') pseudo.authority = value;
    else if (raw[index] === ':method') pseudo.method = value;
    else if (raw[index] === ':path') pseudo.path = value;
  }
  return pseudo;
}

function isTarget(method: string, target: string): boolean {
  if (method === 'CONNECT') return true;
  return !target.includes('#') && (target.startsWith('/') || (target === '*' && method === 'OPTIONS'));
}
