import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalHost } from '../../../src/rule/host.ts';
import { queryValues } from '../../../src/rule/query.ts';
import { parseTarget } from '../../../src/rule/target.ts';

test.each([
  ['/a/b?c=1', '/a/b', '/a/b?c=1'],
  ['/', '/', '/'],
  ['*', '*', '*'],
  ['//a/./b/../c/', '/a/c/', '/a/c/'],
  ['/%2e%2E/%61%2f%c3%a9%20', '/a%2F\u00c3\u00a9 ', '/a%2F%C3%A9%20'],
  ['/a%2Fb|', '/a/b|', '/a/b%7C'],
  ['/?a;b=%3B', '/', '/?a&b=%3B'],
  ['/a?', '/a', '/a?'],
])('%s is seen by rules as %j and sent on as %s', (raw, path, upstream) => {
  expect(parseTarget(raw)).toMatchObject({ path, upstream, authority: undefined });
});

test('a URL gives the authority', () => {
  expect(parseTarget('HTTP://A.test:80?x')).toEqual({
    path: '/',
    escapedPath: '/',
    query: 'x',
    upstream: '/?x',
    authority: 'A.test:80',
  });
});

test.each([
  '',
  'a',
  '?a',
  '/a#b',
  '/?a#b',
  '/a b',
  '/?a b',
  '/%',
  '/%4',
  '/%zz',
  '/\n',
  '/\u007f',
  '/?\0',
  '/\u0100',
  'a.test:80',
  'http://',
  'http://a b/',
])('%j is refused', (raw) => {
  expect(parseTarget(raw)).toBe('Bad');
});

test('whatever comes in, what goes out is a clean path, and reading it again changes nothing', () => {
  const piece = fc.oneof(
    fc.constantFrom('/', '.', '..', '%2e', '%2F', '%5c', '?', '%', ';', '#', '//', '/../', '/./', '*', 'http://a'),
    fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 3 }),
  );
  const raw = fc.array(piece, { maxLength: 10 }).map((pieces) => `/${pieces.join('')}`);
  fc.assert(
    fc.property(raw, (text) => {
      const target = parseTarget(text);
      if (target === 'Bad') return;
      expect(target.upstream).toMatch(/^\/[!-~\u0080-\u00ff]*$/);
      expect(target.escapedPath).toMatch(/^\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/[\]]|%[0-9A-F]{2})*$/);
      expect(target.escapedPath.split('/').slice(1, -1)).not.toContain('');
      expect(target.escapedPath.split('/')).not.toContain('.');
      expect(target.escapedPath.split('/')).not.toContain('..');
      expect(parseTarget(target.upstream)).toEqual(target);
    }),
    { numRuns: 5000 },
  );
});

test.each([
  ['A.Test', 'a.test'],
  ['a.test:80', 'a.test'],
  ['a.test.:80', 'a.test'],
  ['[::1]:80', '::1'],
  ['[::1]', '::1'],
  ['::1', '::1'],
  ['', ''],
])('the host of %j is %j', (authority, host) => {
  expect(canonicalHost(authority)).toBe(host);
});

test.each([
  ['a=1&b=2&a=3', ['1', '3']],
  ['a', ['']],
  ['a=', ['']],
  ['%61=x+y%21', ['x y!']],
  ['a=%zz&a=1', ['1']],
  ['%zz=1', []],
  ['A=1&&=a', []],
  ['', []],
])('the values of a in %j are %j', (query, values) => {
  expect(queryValues(query, 'a')).toEqual(values);
});
