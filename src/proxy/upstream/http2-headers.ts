import { formatRequestHead, hasHeader } from './request-head.ts';
import type { ResponseHead, UpstreamCall } from './upstream.ts';

/** Http2Text is a flat list for a HEADERS frame, or a sentence about what may not be sent. */
export type Http2Text = { readonly headers: readonly string[] } | { readonly problem: string };

/** formatHttp2Request returns the pseudo headers and headers of a request. */
export function formatHttp2Request(call: UpstreamCall): Http2Text {
  // What may not be sent over HTTP/1.1 may not be sent over HTTP/2 (RFC 9113, 8.2.1): the same look finds it.
  const checked = formatRequestHead(call);
  if ('problem' in checked) return checked;
  const scheme = call.server.scheme === 'https' ? 'https' : 'http';
  const headers = [':method', call.method, ':scheme', scheme, ':path', call.target];
  if (call.authority !== '') headers.push(':authority', call.authority);
  pushFields(headers, call.headers);
  const { body } = call;
  if (body?.length !== undefined) headers.push('content-length', String(body.length));
  if (body?.isAwaited === true && !hasHeader(call.headers, 'expect')) headers.push('expect', '100-continue');
  return { headers };
}

function pushFields(headers: string[], fields: readonly string[]): void {
  for (let index = 0; index < fields.length; index += 2) {
    const name = (fields[index] ?? '').toLowerCase();
    const value = fields[index + 1] ?? '';
    if (mayBeSent(name, value)) headers.push(name, value);
  }
}

/** Fields of one HTTP/1.1 hop make an HTTP/2 message malformed (RFC 9113, 8.2.2). */
function mayBeSent(name: string, value: string): boolean {
  if (name === 'te') return value.toLowerCase() === 'trailers';
  return name !== 'keep-alive' && name !== 'proxy-connection';
}

/** parseHttp2Head returns what a HEADERS frame says. `isWhole`: nothing follows it. */
export function parseHttp2Head(raw: readonly string[], method: string, isWhole: boolean): ResponseHead {
  const headers: string[] = [];
  let status = 0;
  let length: number | undefined;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? '';
    const value = raw[index + 1] ?? '';
    if (name === ':status') status = Number(value);
    else if (name === 'content-length') length = Number(value);
    else headers.push(name, value);
  }
  const hasNoBody = status === 204 || (isWhole && method !== 'HEAD' && status !== 304);
  return { status, headers, bodyLength: hasNoBody ? 0 : length };
}

/** parseFields returns the headers of a frame without its pseudo headers and without framing. */
export function parseFields(raw: readonly string[]): readonly string[] {
  return parseHttp2Head(raw, '', false).headers;
}

/** formatHttp2Trailers gathers the values of each name, as node's sendTrailers takes no flat list. */
export function formatHttp2Trailers(trailers: readonly string[]): Record<string, string[]> {
  const fields: string[] = [];
  pushFields(fields, trailers);
  const byName = Object.create(null) as Record<string, string[]>;
  for (let index = 0; index < fields.length; index += 2) {
    (byName[fields[index] ?? ''] ??= []).push(fields[index + 1] ?? '');
  }
  return byName;
}
