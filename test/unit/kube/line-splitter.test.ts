import { describe, expect, it } from 'vitest';
import { createLineSplitter } from '../../../src/kube/line-splitter.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('createLineSplitter', () => {
  it('returns the lines that are complete and keeps the rest', () => {
    const splitter = createLineSplitter();
    expect(splitter.push(bytes('one\ntwo\nthr'))).toEqual(['one', 'two']);
    expect(splitter.pendingBytes).toBe(3);
    expect(splitter.push(bytes('ee\n'))).toEqual(['three']);
    expect(splitter.pendingBytes).toBe(0);
  });

  it('row 19: joins a character that was cut between two chunks', () => {
    const splitter = createLineSplitter();
    const text = bytes('{"note":"5 € 🚦"}\n');
    const lines = [...text].flatMap((byte) => splitter.push(Uint8Array.of(byte)));
    expect(lines).toEqual(['{"note":"5 € 🚦"}']);
  });

  it('row 19: does not split at U+2028, U+2029 or a lone carriage return', () => {
    const text = 'a\u2028b\u2029c\rd';
    expect(createLineSplitter().push(bytes(`${text}\n`))).toEqual([text]);
  });

  it('row 19: leaves the carriage return of CRLF to JSON, for which it is white space', () => {
    const [line] = createLineSplitter().push(bytes('{"a":1}\r\n'));
    expect(JSON.parse(line ?? '')).toEqual({ a: 1 });
  });

  it('refuses a line over its limit although its end has not come', () => {
    const splitter = createLineSplitter(10);
    expect(splitter.push(bytes('0123456789\n'))).toEqual(['0123456789']);
    splitter.push(bytes('012345'));
    expect(() => splitter.push(bytes('67890'))).toThrow(/more than 10 bytes/);
  });

  it('refuses bytes that are not UTF-8 instead of putting a replacement into an object', () => {
    expect(() => createLineSplitter().push(Uint8Array.of(0x22, 0xff, 0x22, 0x0a))).toThrow(/not UTF-8/);
  });
});
