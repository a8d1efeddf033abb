import { isIpv6 } from './client-ip.ts';
import { cleanPath, decodeRoutingPath, isPlainPath, normalisePath } from './path.ts';

/** RequestTarget is a request target as Traefik treats it. All strings are byte strings (bytes.ts). */
export interface RequestTarget {
  /** path is what rules see: cleaned, and decoded but for reserved characters (RFC 3986, 2.2), so `%2F` stays; `*` for `*`. */
  readonly path: string;
  /** escapedPath is the path that goes upstream: cleaned, %xx in upper case and only where needed. */
  readonly escapedPath: string;
  /** query is without its `?`; each `;` is an `&`, as servers disagree about what it means. */
  readonly query: string;
  /** upstream is the target to send on: escapedPath and query. */
  readonly upstream: string;
  /** authority stands in for the Host header where the target is a whole URL (RFC 9112, 3.2.2). */
  readonly authority: string | undefined;
}

const asterisk: RequestTarget = { path: '*', escapedPath: '*', query: '', upstream: '*', authority: undefined };
const absoluteForm = /^https?:\/\/([^/?]*)/i;
const authorityForm = /^(?:[A-Za-z0-9._~!$&'()*+,;=-]+|\[([0-9A-Fa-f:.]+)\])(?::[0-9]*)?$/;

/**
 * parseTarget reads a request target as received. 'Bad' is answered by 400: control characters and spaces, `#`, a % without
 * two hex digits, a URL of another scheme or with user information, anything that is neither a path, a URL nor `*`.
 */
export function parseTarget(raw: string): RequestTarget | 'Bad' {
  if (raw.charCodeAt(0) === 0x2f) return parsePath(raw, undefined);
  if (raw === '*') return asterisk;
  const url = absoluteForm.exec(raw);
  if (url === null) return 'Bad';
  const [start, authority = ''] = url;
  if (!isAuthority(authority)) return 'Bad';
  const rest = raw.slice(start.length);
  return parsePath(rest.startsWith('/') ? rest : `/${rest}`, authority);
}

function isAuthority(text: string): boolean {
  const parts = authorityForm.exec(text);
  return parts !== null && (parts[1] === undefined || isIpv6(parts[1]));
}

function parsePath(raw: string, authority: string | undefined): RequestTarget | 'Bad' {
  const mark = raw.indexOf('?');
  const rawPath = mark === -1 ? raw : raw.slice(0, mark);
  const query = mark === -1 ? '' : readQuery(raw.slice(mark + 1));
  if (query === undefined) return 'Bad';
  const isPlain = isPlainPath(rawPath);
  const normal = isPlain ? rawPath : normalisePath(rawPath);
  if (normal === undefined) return 'Bad';
  const escapedPath = cleanPath(normal);
  return {
    path: isPlain ? escapedPath : decodeRoutingPath(escapedPath),
    escapedPath,
    query,
    upstream: mark === -1 ? escapedPath : `${escapedPath}?${query}`,
    authority,
  };
}

/** Also `#`: Traefik lets it pass within a query, where the next server may take what follows for a fragment. */
const forbiddenInQuery = /[^\x21-\x7e\x80-\xff]|#/;

function readQuery(raw: string): string | undefined {
  if (forbiddenInQuery.test(raw)) return undefined;
  return raw.includes(';') ? raw.replaceAll(';', '&') : raw;
}
