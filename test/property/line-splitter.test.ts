import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLineSplitter } from '../../src/kube/line-splitter.ts';

describe('createLineSplitter, however the network cuts the bytes', () => {
  it('returns the same lines as for the whole', () => {
    const line = fc.string({ unit: 'binary', maxLength: 20 }).map((text) => text.replaceAll('\n', ' '));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), fc.boolean(), fc.array(fc.nat(200)), (lines, isCut, cuts) => {
        const rest = isCut ? 'rest' : '';
        const whole = new TextEncoder().encode(lines.map((each) => `${each}\n`).join('') + rest);
        const places = [0, ...cuts.filter((cut) => cut < whole.length).sort((a, b) => a - b), whole.length];
        const splitter = createLineSplitter();
        const found = places.slice(1).flatMap((end, index) => splitter.push(whole.subarray(places[index], end)));
        expect(found).toEqual(lines);
        expect(splitter.pendingBytes).toBe(rest.length);
      }),
    );
  });
});
