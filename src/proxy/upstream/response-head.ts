import { skipValue } from './characters.ts';
import { parseHeaderFields, type HeaderFields } from './header-fields.ts';

/** ParsedHead is the head of an answer, with how its body is framed. */
export interface ParsedHead {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: BodyFraming;
  /** bodyLength is what a reader is told: undefined when not known, for HEAD and 304 what the server said. */
  readonly bodyLength: number | undefined;
  /** isReusable: the connection stays open after this answer. */
  readonly isReusable: boolean;
  readonly upgrade: string | undefined;
}

/** BodyFraming says where the body ends: there is none, after so many bytes, with the last chunk, with the connection. */
export type BodyFraming = 'None' | 'Length' | 'Chunked' | 'Close';

/**
 * parseResponseHead reads a status line and header lines, each with its CRLF and without the empty line, of an answer to a
 * request with this method (RFC 9112, 4 and 6.3). It returns a sentence for what is not HTTP/1 or could be read in two ways.
 */
export function parseResponseHead(text: string, method: string): ParsedHead | string {
  const isVersion0 = text.startsWith('HTTP/1.0 ');
  if (!isVersion0 && !text.startsWith('HTTP/1.1 ')) return 'the status line does not begin with HTTP/1.1 or HTTP/1.0';
  const status = parseStatus(text);
  if (status === undefined) return 'the status is not a number of three digits';
  const end = skipValue(text, 12);
  if (text.charCodeAt(end) !== 13 || text.charCodeAt(end + 1) !== 10)
    return 'the status line has a character it may not have';
  const fields = parseHeaderFields(text, end + 2);
  return typeof fields === 'string' ? fields : frame(status, method, isVersion0, fields);
}

function parseStatus(text: string): number | undefined {
  const hundreds = text.charCodeAt(9) - 48;
  const tens = text.charCodeAt(10) - 48;
  const ones = text.charCodeAt(11) - 48;
  const after = text.charCodeAt(12);
  if (after !== 32 && after !== 13) return undefined;
  if (!(hundreds >= 1 && hundreds <= 9 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9)) return undefined;
  return hundreds * 100 + tens * 10 + ones;
}

function frame(status: number, method: string, isVersion0: boolean, fields: HeaderFields): ParsedHead | string {
  const { transferEncoding, contentLength, upgrade } = fields;
  if (transferEncoding !== undefined) {
    if (isVersion0) return 'HTTP/1.0 has no Transfer-Encoding';
    if (contentLength !== -1) return 'there are both Transfer-Encoding and Content-Length';
    if (transferEncoding.toLowerCase() !== 'chunked') return 'Transfer-Encoding is not chunked';
  }
  const body = framingOf(status, method, transferEncoding !== undefined, contentLength);
  const isKept = isVersion0 ? fields.isKeepAlive && !fields.isClose : !fields.isClose;
  const bodyLength = lengthOf(status, body, contentLength);
  return {
    status,
    headers: announced(fields, body),
    body,
    bodyLength,
    isReusable: isKept && body !== 'Close',
    upgrade,
  };
}

function framingOf(status: number, method: string, isChunked: boolean, contentLength: number): BodyFraming {
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 'None';
  if (isChunked) return 'Chunked';
  if (contentLength === -1) return 'Close';
  return contentLength === 0 ? 'None' : 'Length';
}

function lengthOf(status: number, body: BodyFraming, contentLength: number): number | undefined {
  if (status < 200 || status === 204) return 0;
  return body === 'Chunked' || contentLength === -1 ? undefined : contentLength;
}

/** announced leaves Trailer out where no trailers can follow, as Go's client does. */
function announced(fields: HeaderFields, body: BodyFraming): readonly string[] {
  const { headers } = fields;
  if (body === 'Chunked') return headers;
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? '';
    if (name.length === 7 && name.toLowerCase() === 'trailer') {
      return announced({ ...fields, headers: headers.toSpliced(index, 2) }, body);
    }
  }
  return headers;
}
