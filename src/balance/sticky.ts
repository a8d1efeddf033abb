/** Sticky cookies as Traefik sets and reads them (pkg/server/service/loadbalancer/sticky.go, pkg/server/cookie), so that clients keep theirs when the proxy changes. */
import { createHash } from 'node:crypto';

/** CookieAttributes are what a sticky cookie says besides its value. */
export interface CookieAttributes {
  /** name is a token (RFC 9110, 5.6.2). */
  readonly name: string;
  readonly isSecure: boolean;
  readonly isHttpOnly: boolean;
  readonly sameSite: 'none' | 'lax' | 'strict' | undefined;
  /** maxAgeSeconds: 0 is a cookie of the session, less than 0 one that is deleted at once. */
  readonly maxAgeSeconds: number;
  readonly path: string;
  readonly domain: string | undefined;
}

/** stickyValue returns the value of the cookie that sticks to `name`: a child service's name, or a server's URL. */
export function stickyValue(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 16);
}

const sameSites = { none: 'None', lax: 'Lax', strict: 'Strict' };

/** setCookie returns a Set-Cookie header as Go's net/http writes it: what cannot stand in a path is left out, a domain that is none too. */
export function setCookie(cookie: CookieAttributes, value: string): string {
  const path = cookie.path.replaceAll(/[^\x20-\x3a\x3c-\x7e]/g, '');
  const domain = cookie.domain?.replace(/^\./, '');
  const parts = [`${cookie.name}=${value}`];
  if (cookie.path !== '') parts.push(`Path=${path}`);
  if (domain !== undefined && isDomain(domain)) parts.push(`Domain=${domain}`);
  if (cookie.maxAgeSeconds !== 0) parts.push(`Max-Age=${Math.max(0, cookie.maxAgeSeconds)}`);
  if (cookie.isHttpOnly) parts.push('HttpOnly');
  if (cookie.isSecure) parts.push('Secure');
  if (cookie.sameSite !== undefined) parts.push(`SameSite=${sameSites[cookie.sameSite]}`);
  return parts.join('; ');
}

/** Go's isCookieDomainName: labels of letters, digits and inner hyphens, and a letter somewhere; or an IPv4 address. */
function isDomain(domain: string): boolean {
  if (/^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/.test(domain)) return true;
  const isName = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*\.?$/i.test(domain);
  return isName && domain.length <= 255 && /[a-z]/i.test(domain);
}

/** Go reads no cookie at all when there are more. */
const maxCookies = 3000;

/** readCookie returns the value of the first readable cookie of that name in a Cookie header, as Go's Request.Cookie finds it. */
export function readCookie(header: string, name: string): string | undefined {
  // Most requests have no such cookie, and are done here.
  if (!header.includes(name) || countSemicolons(header) >= maxCookies) return undefined;
  for (const part of header.split(';')) {
    const cookie = trim(part);
    const equals = cookie.indexOf('=');
    if (trim(equals === -1 ? cookie : cookie.slice(0, equals)) !== name) continue;
    const value = readValue(equals === -1 ? '' : cookie.slice(equals + 1));
    if (value !== undefined) return value;
  }
  return undefined;
}

function countSemicolons(header: string): number {
  let count = 0;
  for (let at = header.indexOf(';'); at !== -1; at = header.indexOf(';', at + 1)) count += 1;
  return count;
}

/** Only the white space of headers, other than String.trim. */
function trim(text: string): string {
  return text.replaceAll(/^[ \t\r\n]+|[ \t\r\n]+$/g, '');
}

function readValue(text: string): string | undefined {
  const isQuoted = text.length > 1 && text.startsWith('"') && text.endsWith('"');
  const value = isQuoted ? text.slice(1, -1) : text;
  return /^[\x20\x21\x23-\x3a\x3c-\x5b\x5d-\x7e]*$/.test(value) ? value : undefined;
}
