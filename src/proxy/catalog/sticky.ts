import { cookieNameOf } from '../../api/traefik-names.ts';
import type { Sticky } from '../../api/traefik.ts';
import type { StickyCookie } from '../configuration.ts';

const sameSites = ['none', 'lax', 'strict'] as const;

/** stickyCookieOf returns the cookie of the service `name`; undefined: none is asked for. */
export function stickyCookieOf(sticky: Sticky | undefined, name: string): StickyCookie | undefined {
  const cookie = sticky?.cookie;
  if (cookie === undefined || cookie === null) return undefined;
  const { sameSite, domain = '' } = cookie;
  return {
    name: cookieNameOf(cookie.name, name),
    isSecure: cookie.secure ?? false,
    isHttpOnly: cookie.httpOnly ?? false,
    sameSite: sameSites.find((known) => known === sameSite),
    maxAgeSeconds: cookie.maxAge ?? 0,
    path: cookie.path ?? '/',
    domain: domain === '' ? undefined : domain,
  };
}
