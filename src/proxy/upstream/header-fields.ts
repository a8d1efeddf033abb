import { skipToken, skipValue } from './characters.ts';

/** HeaderFields is a parsed block of header lines. */
export interface HeaderFields {
  /** headers is the flat list without hop-by-hop and framing fields; Trailer is in it. */
  readonly headers: readonly string[];
  /** contentLength is -1 when there is none. */
  readonly contentLength: number;
  /** transferEncoding is all its values, joined; undefined when there is none. */
  readonly transferEncoding: string | undefined;
  /** upgrade is the value of the Upgrade field. */
  readonly upgrade: string | undefined;
  readonly isClose: boolean;
  readonly isKeepAlive: boolean;
}

interface Found {
  headers: string[];
  contentLength: number;
  transferEncoding: string | undefined;
  upgrade: string | undefined;
  /** connection is all values of Connection, joined and lower-cased. */
  connection: string | undefined;
}

/**
 * parseHeaderFields reads the lines of `text` from `from` to its end, each of which ends with CRLF; it returns a sentence
 * about what is wrong otherwise. Strict where leniency lets two readers see two messages: no line folding, no space
 * before the colon, no bare CR or LF, no other control characters, no second length.
 */
export function parseHeaderFields(text: string, from: number): HeaderFields | string {
  const found: Found = {
    headers: [],
    contentLength: -1,
    transferEncoding: undefined,
    upgrade: undefined,
    connection: undefined,
  };
  let at = from;
  while (at < text.length) {
    const colon = skipToken(text, at);
    if (colon === at || text.charCodeAt(colon) !== 58) return 'a header line does not begin with a name and a colon';
    const end = skipValue(text, colon + 1);
    if (text.charCodeAt(end) !== 13 || text.charCodeAt(end + 1) !== 10)
      return 'a header has a character it may not have';
    const problem = take(found, text.slice(at, colon), text.slice(colon + 1, end));
    if (problem !== undefined) return problem;
    at = end + 2;
  }
  return finish(found);
}

/** isFraming is true for fields that say where a body ends. */
export function isFraming({ contentLength, transferEncoding }: HeaderFields): boolean {
  return contentLength !== -1 || transferEncoding !== undefined;
}

function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (start < end && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/** take files one field. Only names of certain lengths are looked at closer, which leaves out most. */
function take(found: Found, name: string, untrimmed: string): string | undefined {
  const value = trimmed(untrimmed);
  switch (name.length) {
    case 2:
    case 7:
    case 10:
    case 14:
    case 16:
    case 17:
    case 18:
    case 19:
      return takeNamed(found, name, value, untrimmed);
    default:
      found.headers.push(name, value);
      return undefined;
  }
}

/** The hop-by-hop fields are those that Go's ReverseProxy, and so Traefik, takes out; Trailer stays, as it is announced anew there. */
function takeNamed(found: Found, name: string, value: string, untrimmed: string): string | undefined {
  switch (name.toLowerCase()) {
    case 'content-length':
      return takeLength(found, value);
    case 'transfer-encoding':
      found.transferEncoding = joined(found.transferEncoding, value);
      // node takes `chunked` and a tab for no chunks at all: what is read in two ways is not for us to decide.
      return untrimmed.endsWith(value) ? undefined : 'Transfer-Encoding ends with a blank';
    case 'connection':
      found.connection = joined(found.connection, value.toLowerCase());
      return undefined;
    case 'upgrade':
      found.upgrade = joined(found.upgrade, value);
      return undefined;
    case 'te':
    case 'keep-alive':
    case 'proxy-connection':
    case 'proxy-authenticate':
    case 'proxy-authorization':
      return undefined;
    default:
      found.headers.push(name, value);
      return undefined;
  }
}

function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before},${value}`;
}

function takeLength(found: Found, value: string): string | undefined {
  if (!/^[0-9]{1,16}$/.test(value)) return 'Content-Length is not a number';
  const length = Number(value);
  if (!Number.isSafeInteger(length)) return 'Content-Length is too large';
  if (found.contentLength !== -1 && found.contentLength !== length) return 'there are two different Content-Lengths';
  found.contentLength = length;
  return undefined;
}

function finish(found: Found): HeaderFields {
  const { contentLength, transferEncoding, upgrade, connection } = found;
  const isClose = connection === 'close';
  const isKeepAlive = connection === 'keep-alive';
  // Nearly always it is one of these two words, or there is none.
  if (isClose || isKeepAlive || connection === undefined) {
    return { headers: found.headers, contentLength, transferEncoding, upgrade, isClose, isKeepAlive };
  }
  const tokens = connection.split(',').map((token) => token.trim());
  return {
    headers: without(found.headers, tokens),
    contentLength,
    transferEncoding,
    upgrade,
    isClose: tokens.includes('close'),
    isKeepAlive: tokens.includes('keep-alive'),
  };
}

/** without leaves out the fields that Connection lists (RFC 9110, 7.6.1). */
function without(headers: readonly string[], names: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const [name, value] = [headers[index] ?? '', headers[index + 1] ?? ''];
    if (!names.includes(name.toLowerCase())) kept.push(name, value);
  }
  return kept;
}
