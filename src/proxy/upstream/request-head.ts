import { countForbidden, isToken, isVisible } from './characters.ts';
import type { UpstreamCall } from './upstream.ts';

/** RequestText is a head, or trailers, to be written as latin1; or a sentence about what may not be written. */
export type RequestText = { readonly text: string } | { readonly problem: string };

/** Methods that mean something by their content say so when there is none (RFC 9110, 8.6), as Go's client does. */
const methodsWithContent: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

const badName: RequestText = { problem: 'a header of the request has a name that it may not have' };
const badValue: RequestText = { problem: 'a header of the request has a character that it may not have' };

/** formatRequestHead returns the head of an HTTP/1.1 request, or why the server could read it as something else than it is. */
export function formatRequestHead(call: UpstreamCall): RequestText {
  if (!isToken(call.method) || call.method === 'CONNECT') return { problem: 'the method cannot be sent' };
  if (call.target === '' || !isVisible(call.target))
    return { problem: 'the target has a character that it may not have' };
  if (!isVisible(call.authority)) return { problem: 'the authority has a character that it may not have' };
  const start = `${call.method} ${call.target} HTTP/1.1\r\nHost: ${call.authority}\r\n`;
  return formatLines(start, 2, call.headers, framingLines(call));
}

/** formatTrailers returns what follows the last chunk. */
export function formatTrailers(trailers: readonly string[]): RequestText {
  return formatLines('', 0, trailers, []);
}

function framingLines({ method, headers, body, upgrade }: UpstreamCall): readonly string[] {
  const lines = upgrade === undefined ? [] : ['Connection', 'Upgrade', 'Upgrade', upgrade];
  if (body === undefined) return methodsWithContent.has(method) ? [...lines, 'Content-Length', '0'] : lines;
  if (body.isAwaited && !hasHeader(headers, 'expect')) lines.push('Expect', '100-continue');
  if (body.length === undefined) lines.push('Transfer-Encoding', 'chunked');
  else lines.push('Content-Length', String(body.length));
  return lines;
}

/**
 * formatLines writes `start`, which has `startLines` line ends, then the fields, and the empty line. One look at the whole
 * takes the place of one at each value: its only control characters must be its own line ends.
 */
function formatLines(
  start: string,
  startLines: number,
  headers: readonly string[],
  framing: readonly string[],
): RequestText {
  let text = start;
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? '';
    if (!isToken(name) || isFraming(name)) return badName;
    text += `${name}: ${headers[index + 1] ?? ''}\r\n`;
  }
  for (let index = 0; index < framing.length; index += 2)
    text += `${framing[index] ?? ''}: ${framing[index + 1] ?? ''}\r\n`;
  text += '\r\n';
  const lines = startLines + (headers.length + framing.length) / 2 + 1;
  return countForbidden(text) === 2 * lines ? { text } : badValue;
}

/** isFraming is true for the fields that only the client itself may write: they say where a request ends and whom it is for. */
function isFraming(name: string): boolean {
  switch (name.length) {
    case 4:
      return name.toLowerCase() === 'host';
    case 7:
      return name.toLowerCase() === 'upgrade';
    case 10:
      return name.toLowerCase() === 'connection';
    case 14:
      return name.toLowerCase() === 'content-length';
    case 17:
      return name.toLowerCase() === 'transfer-encoding';
    default:
      return false;
  }
}

/** hasHeader looks for a lower-cased name. */
export function hasHeader(headers: readonly string[], name: string): boolean {
  for (let index = 0; index < headers.length; index += 2) {
    const each = headers[index] ?? '';
    if (each.length === name.length && each.toLowerCase() === name) return true;
  }
  return false;
}
