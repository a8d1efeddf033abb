import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom, generateAnswer, readByNode, readByOurs, split, type Reading } from '../support/response-fuzz.ts';

/** SLUICE_FUZZ_RESPONSES is how many answers are compared; a million take some minutes. SLUICE_FUZZ_SEED chooses which. */
const count = Number(process.env['SLUICE_FUZZ_RESPONSES'] ?? 20_000);
const firstSeed = Number(process.env['SLUICE_FUZZ_SEED'] ?? 1) * 0x1000_0000;

/** What we refuse though node takes it, each because somebody else could read it in another way. */
const ourStrictness: ReadonlySet<string> = new Set([
  // node takes `identity` for no encoding, which RFC 9112 took out, in HTTP/1.0 too.
  'Transfer-Encoding is not chunked',
  'HTTP/1.0 has no Transfer-Encoding',
  // node skips empty lines before the status line.
  'the answer does not begin with HTTP/1',
  'the status line does not begin with HTTP/1.1 or HTTP/1.0',
  // node takes a status below 100 for an informational one.
  'the status is not a number of three digits',
  // node lets control characters into the reason phrase.
  'the status line has a character it may not have',
  // node takes `chunked` and a tab for another encoding, and the body for one that ends with the connection.
  'Transfer-Encoding ends with a blank',
  // node takes Transfer-Encoding among the trailers; RFC 9110, 6.5.1 forbids it there.
  'the trailers say how the body is framed',
]);

/** What we take though node refuses it. */
const ourLeniency: ReadonlySet<string> = new Set([
  // The same Content-Length twice; RFC 9110, 8.6 allows to take it as one. What is sent on has one.
  'HPE_UNEXPECTED_CONTENT_LENGTH',
  // Chunk extensions with quotes in the wrong places: they are dropped.
  'HPE_STRICT',
  // An informational answer with `Connection: close`.
  'HPE_CLOSED_CONNECTION',
]);

/** difference returns how two readings differ in a way that is on neither list. */
function difference(ours: Reading, nodes: Reading): string | undefined {
  if (ours.kind === 'Refused' && nodes.kind === 'Refused') return undefined;
  if (ours.kind === 'Refused') return ourStrictness.has(ours.reason) ? undefined : `only we refuse: ${ours.reason}`;
  if (nodes.kind === 'Refused') return ourLeniency.has(nodes.reason) ? undefined : `only node refuses: ${nodes.reason}`;
  const isSame = JSON.stringify(ours) === JSON.stringify(nodes);
  return isSame ? undefined : `we read ${JSON.stringify(ours)}, node ${JSON.stringify(nodes)}`;
}

/** What is wrong first may depend on how much there is to look at. */
function withoutReason(reading: Reading): unknown {
  return reading.kind === 'Refused' ? reading.kind : reading;
}

describe('ResponseParser', () => {
  it(
    `makes of ${count} answers, mutated ones too, what node's client makes of them`,
    { timeout: 60_000 + count },
    async () => {
      let accepted = 0;
      for (let seed = firstSeed; seed < firstSeed + count; seed += 1) {
        const random = createRandom(seed);
        const { method, bytes } = generateAnswer(random);
        const pieces = split(random, bytes);
        const ours = readByOurs(method, pieces);
        const found = difference(ours, await readByNode(method, pieces));
        if (found !== undefined) expect.fail(`${method} ${JSON.stringify(bytes)}, seed ${seed}: ${found}`);
        if (ours.kind === 'Accepted') accepted += 1;
      }
      expect(accepted).toBeGreaterThan(count / 4);
    },
  );

  it('tells the same whatever the pieces are that the bytes come in', () => {
    const seeds = fc.integer({ min: 0 });
    fc.assert(
      fc.property(seeds, fc.array(fc.nat(400), { maxLength: 20 }), fc.boolean(), (seed, places, isByteByByte) => {
        const { method, bytes } = generateAnswer(createRandom(seed));
        const whole = Buffer.from(bytes, 'latin1');
        const cuts = isByteByByte ? [...whole.keys()] : places.filter((place) => place <= whole.length);
        const ends = [...cuts.sort((a, b) => a - b), whole.length];
        const pieces = ends.map((end, index) => whole.subarray(ends[index - 1] ?? 0, end));
        expect(withoutReason(readByOurs(method, pieces))).toEqual(withoutReason(readByOurs(method, [whole])));
      }),
      { numRuns: 3000 },
    );
  });
});
