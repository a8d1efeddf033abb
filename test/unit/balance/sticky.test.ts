import { expect, test } from 'vitest';
import { cookieNameOf } from '../../../src/api/traefik-names.ts';
import { readCookie, setCookie, stickyValue, type CookieAttributes } from '../../../src/balance/sticky.ts';

const plain: CookieAttributes = {
  name: 'n',
  isSecure: false,
  isHttpOnly: false,
  sameSite: undefined,
  maxAgeSeconds: 0,
  path: '/',
  domain: undefined,
};

test('names, values and attributes are those of Traefik', () => {
  // What Traefik 3.6.12 answered for a weighted service with everything set, and for a child with nothing set.
  const all: CookieAttributes = {
    name: cookieNameOf('my cookie;x', 'w1@file'),
    isSecure: true,
    isHttpOnly: true,
    sameSite: 'lax',
    maxAgeSeconds: 60,
    path: '/a b;c',
    domain: '.x.test',
  };
  expect(setCookie(all, stickyValue('s1'))).toBe(
    'my_cookie_x=e8bc163c82eee187; Path=/a bc; Domain=x.test; Max-Age=60; HttpOnly; Secure; SameSite=Lax',
  );
  const none = { ...plain, name: cookieNameOf('', 's1@file') };
  expect(setCookie(none, stickyValue('http://127.0.0.1:18099'))).toBe('_d6d2b=c1475bc8b31c6679; Path=/');
  expect(stickyValue('default-canary-80')).toBe('6d929ddad0f78623');
});

test.each([
  [{ maxAgeSeconds: -1 }, 'n=v; Path=/; Max-Age=0'],
  [{ sameSite: 'none', isSecure: true }, 'n=v; Path=/; Secure; SameSite=None'],
  [{ sameSite: 'strict' }, 'n=v; Path=/; SameSite=Strict'],
  [{ path: '' }, 'n=v'],
  [{ path: '/é\r\n' }, 'n=v; Path=/'],
  // What follows is what Go 1.26 made of these domains.
  [{ domain: 'a.test' }, 'n=v; Path=/; Domain=a.test'],
  [{ domain: 'a.b.' }, 'n=v; Path=/; Domain=a.b.'],
  [{ domain: '1.2.3.4' }, 'n=v; Path=/; Domain=1.2.3.4'],
  [{ domain: '01.2.3.4' }, 'n=v; Path=/'],
  [{ domain: '..a' }, 'n=v; Path=/'],
  [{ domain: 'a..b' }, 'n=v; Path=/'],
  [{ domain: '-a.b' }, 'n=v; Path=/'],
  [{ domain: 'a_b' }, 'n=v; Path=/'],
  [{ domain: '123' }, 'n=v; Path=/'],
  [{ domain: 'a; Secure' }, 'n=v; Path=/'],
] as const)('a cookie with %j', (changes, text) => {
  expect(setCookie({ ...plain, ...changes }, 'v')).toBe(text);
});

// Each row is what Go 1.26 found; 3,000 generated headers were compared once, and equal.
test.each([
  ['_a=1', '1'],
  ['b=2; _a=1', '1'],
  ['b=2;_a=1;_a=2', '1'],
  ['  \t_a=1 \t; b=2', '1'],
  ['_a =1', '1'],
  ['_a= 1', ' 1'],
  ['_a="1"', '1'],
  ['_a="', undefined],
  ['_a=x"y; _a=z', 'z'],
  ['_a=\\; _a=é', undefined],
  ['_a=a,b c', 'a,b c'],
  ['_a=a=b', 'a=b'],
  ['_a', ''],
  ['_a=', ''],
  ['_A=1', undefined],
  ['x_a=1; _ab=2; c=_a', undefined],
  ['', undefined],
  [';;;', undefined],
])('of the header %j the cookie is %j', (header, value) => {
  expect(readCookie(header, '_a')).toBe(value);
});

test('of more than 3,000 cookies none is read', () => {
  expect(readCookie(`_a=1${'; b=2'.repeat(2999)}`, '_a')).toBe('1');
  expect(readCookie(`_a=1${'; b=2'.repeat(3000)}`, '_a')).toBeUndefined();
});
