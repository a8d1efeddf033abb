import { expect, test } from 'vitest';
import { isUtf8, toBytes, toText } from '../../../src/rule/bytes.ts';
import { createRegexpCache } from '../../../src/rule/regexp.ts';

test('a pattern is compiled once, and forgotten when it was not asked for the longest', () => {
  const cache = createRegexpCache(2);
  const [first, second] = [cache.get('a'), cache.get('b')];
  expect(cache.get('a')).toBe(first);
  cache.get('c');
  expect(cache.get('a')).toBe(first);
  expect(cache.get('b')).not.toBe(second);
});

test('a pattern that explodes elsewhere takes no time', () => {
  const regexp = createRegexpCache().get('^(a+)+$');
  const startedMs = performance.now();
  expect(regexp.kind === 'Regexp' && regexp.test(`${'a'.repeat(10_000)}b`)).toBe(false);
  expect(performance.now() - startedMs).toBeLessThan(1000);
});

test('a pattern that is too deep or too large is Invalid, never an exception', () => {
  const cache = createRegexpCache();
  for (const pattern of ['('.repeat(5000) + ')'.repeat(5000), 'a{1000}{1000}', '((a{100}){100}){100}']) {
    expect(cache.get(pattern).kind).toBe('Invalid');
  }
});

test.each([
  ['abc', 'abc', true],
  [toBytes('é😀'), 'é😀', true],
  ['\xff', '\ufffd', false],
  ['a\xe2\x82b', 'a\ufffd\ufffdb', false],
  ['\xed\xa0\x80', '\ufffd\ufffd\ufffd', false],
  ['\xc0\x80', '\ufffd\ufffd', false],
  ['\xf4\x90\x80\x80', '\ufffd\ufffd\ufffd\ufffd', false],
  ['\xc3', '\ufffd', false],
])('the bytes %j are %j to Go', (bytes, text, isValid) => {
  expect(toText(bytes)).toBe(text);
  expect(isUtf8(bytes)).toBe(isValid);
});
