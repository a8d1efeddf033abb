import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ExpositionEnd, expositionLimits, ExpositionReader } from '../../src/source/exposition.ts';
import { SeriesFilter } from '../../src/source/exposition-filter.ts';
import { parseSeries } from '../../src/source/exposition-labels.ts';

const wanted = { byService: ['req_total', 'req_bucket'], whole: ['start'], services: new Set(['a', 'b\n"\\', 'ü@x']) };
const filter = new SeriesFilter(wanted);

interface Read {
  readonly samples: readonly (readonly [string, number])[];
  readonly end: ExpositionEnd;
}

function read(pieces: readonly Uint8Array[], limits = expositionLimits): Read {
  const samples: [string, number][] = [];
  const reader = new ExpositionReader(filter, (series, value) => samples.push([series, value]), limits);
  for (const piece of pieces) reader.push(piece);
  return { samples, end: reader.end() };
}

function cut(bytes: Uint8Array, cuts: readonly number[]): readonly Uint8Array[] {
  const places = [0, ...cuts.map((at) => at % (bytes.length + 1)).sort((left, right) => left - right), bytes.length];
  // Copies, as the network hands them out: what is kept of a piece must not depend on the next.
  return places.slice(1).map((end, index) => Uint8Array.from(bytes.subarray(places[index], end)));
}

/** What a generated line says; undefined for one that holds no wanted sample. */
interface Line {
  readonly text: string;
  readonly sample?: {
    readonly metric: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  };
}

const blank = fc.constantFrom('', '', '', ' ', '\t ');
const valueText = fc.oneof(
  fc.nat().map((value) => [String(value), value] as const),
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .map((value) => [Object.is(value, -0) ? '-0' : String(value), value] as const),
  fc.constantFrom(['NaN', Number.NaN] as const, ['+Inf', Infinity] as const, ['-Inf', -Infinity] as const),
);
const label = fc.tuple(
  fc.constantFrom('code', 'le', 'service', 'service', 'servic', 'services', 'xservice', '_1'),
  fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...wanted.services, 'aa', '', 'service="a"', '},{', '# EOF') },
    { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 6 }) },
  ),
);

const sampleLine: fc.Arbitrary<Line> = fc
  .record({
    metric: fc.constantFrom('req_total', 'req_total', 'req_bucket', 'req_totals', 'req', 'start', 'other'),
    labels: fc.uniqueArray(label, { maxLength: 4, selector: ([name]) => name }),
    value: valueText,
    blanks: fc.array(blank, { minLength: 6, maxLength: 6 }),
    tail: fc.constantFrom('', '', ' 1795226390', ' 1.5 # {trace_id="a"} 1', ' # {service="a"} 7 1.5', '\r', ' '),
    hasBraces: fc.boolean(),
    hasComma: fc.boolean(),
  })
  .map((parts) => {
    const { metric, labels, value } = parts;
    const text = write(parts);
    const isWanted = metric === 'start' || (wanted.byService.includes(metric) && hasWantedService(labels));
    return isWanted ? { text, sample: { metric, labels: Object.fromEntries(labels), value: value[1] } } : { text };
  });

interface Parts {
  readonly metric: string;
  readonly labels: readonly (readonly [string, string])[];
  readonly value: readonly [string, number];
  readonly blanks: readonly string[];
  readonly tail: string;
  readonly hasBraces: boolean;
  readonly hasComma: boolean;
}

function write({ metric, labels, value: [value], blanks, tail, hasBraces, hasComma }: Parts): string {
  const blank = (index: number): string => blanks[index] ?? '';
  if (labels.length === 0 && !hasBraces) return `${blank(0)}${metric} ${value}${tail}`;
  const pairs = labels.map(([name, raw]) => `${blank(2)}${name}${blank(3)}=${blank(4)}"${escape(raw)}"${blank(5)}`);
  const inside = pairs.join(',') + (hasComma && pairs.length > 0 ? ',' : '') + blank(1);
  return `${blank(0)}${metric}${blank(1)}{${inside}}${blank(5)}${value}${tail}`;
}

const otherLine: fc.Arbitrary<Line> = fc
  .oneof(
    fc.constantFrom('', '\t', '\r', '# HELP req_total a\\nb', '# TYPE req_total counter', '# EOF', '#', 'rubbish {'),
    fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => `# ${text.replaceAll('\n', ' ')}`),
  )
  .map((text) => ({ text }));

const lines = fc.array(fc.oneof({ weight: 3, arbitrary: sampleLine }, { weight: 1, arbitrary: otherLine }), {
  maxLength: 30,
  size: 'max',
});
const cuts = fc.array(fc.nat(2_000), { maxLength: 12 });

function hasWantedService(labels: Parts['labels']): boolean {
  return labels.some(([name, value]) => name === 'service' && wanted.services.has(value));
}

function escape(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

const pair = String.raw`[ \t]*([\w:]+)[ \t]*=[ \t]*"((?:[^"\\]|\\[^])*)"[ \t]*`;
const number = String.raw`(?:[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?)|nan)`;
const wholeLine = new RegExp(
  String.raw`^((?:req_total|req_bucket|start)(?:[ \t]*\{(?:${pair},)*(?:${pair})?[ \t]*\})?)[ \t]*(${number})(?:[ \t]|$)`,
  'i',
);

/** readNaively reads line by line with regular expressions, on strings. */
function readNaively(bytes: Buffer): { readonly samples: Read['samples']; readonly isWellFormed: boolean } {
  const samples: [string, number][] = [];
  let isWellFormed = true;
  for (const raw of bytes.toString('latin1').split('\n')) {
    const line = raw.replace(/\r$/, '').replace(/^[ \t]+/, '');
    if (!/^(?:req_total|req_bucket|start)[{ \t]/.test(line)) continue;
    const found = wholeLine.exec(line);
    const [, series = ''] = found ?? [];
    isWellFormed &&= found !== null;
    const value = found?.at(-1)?.replace(/inf(?:inity)?/i, 'Infinity');
    if (found !== null && isWantedNaively(series)) samples.push([toUtf8(series), Number(value)]);
  }
  return { samples, isWellFormed };
}

function isWantedNaively(series: string): boolean {
  const service = [...series.matchAll(new RegExp(pair, 'g'))].find(([, name]) => name === 'service')?.[2];
  return series.startsWith('start') || (service !== undefined && wanted.services.has(unescape(toUtf8(service))));
}

function toUtf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString();
}

function unescape(value: string): string {
  return value.replaceAll(/\\([\\"n])/g, (_, char: string) => (char === 'n' ? '\n' : char));
}

function compareWithNaive(bytes: Buffer): void {
  const { samples, end } = read([bytes]);
  const naive = readNaively(bytes);
  if (naive.isWellFormed) expect(end.kind).toBe('Whole');
  // A line of which nobody wants the service is not read to its end, so it may be malformed there.
  if (end.kind === 'Whole') expect(samples).toEqual(naive.samples);
}

describe('an exposition', () => {
  test('gives what was written into it, however it is cut and whether or not a line feed ends it', () => {
    let kept = 0;
    fc.assert(
      fc.property(lines, cuts, fc.constantFrom('', '\n'), (written, places, ending) => {
        const bytes = Buffer.from(written.map(({ text }) => text).join('\n') + ending);
        const { samples, end } = read(cut(bytes, places));
        const expected = written.flatMap(({ sample }) => sample ?? []);
        kept += expected.length;
        expect(end).toMatchObject({ kind: 'Whole', samples: expected.length });
        expect(samples.map(([series, value]) => ({ ...parseSeries(series), value }))).toEqual(expected);
      }),
      { numRuns: 2_000 },
    );
    expect(kept).toBeGreaterThan(2_000);
  });

  test('is read or refused alike however it is cut, also where it is broken or over a limit', () => {
    const kinds = new Set<string>();
    const damage = fc.array(fc.tuple(fc.nat(2_000), fc.constantFrom(...Buffer.from('{}",=\\\n\r# aé0'), 0, 255)), {
      maxLength: 4,
    });
    const limits = fc.record({
      maxBytes: fc.constantFrom(200, 1_000_000),
      maxLineBytes: fc.constantFrom(60, 1_000_000),
      maxSamples: fc.constantFrom(3, 1_000_000),
    });
    fc.assert(
      fc.property(lines, damage, limits, cuts, (written, damages, limit, places) => {
        const bytes = Buffer.from(written.map(({ text }) => `${text}\n`).join(''));
        for (const [at, byte] of damages) if (bytes.length > 0) bytes[at % bytes.length] = byte;
        const whole = read([bytes], limit);
        compareWithNaive(bytes);
        kinds.add(whole.end.kind === 'Whole' ? 'Whole' : whole.end.reason.replaceAll(/\d+|\(.*\)/g, ''));
        expect(read(cut(bytes, places), limit)).toEqual(whole);
        expect(
          read(
            [...bytes].map((byte) => Uint8Array.of(byte)),
            limit,
          ),
        ).toEqual(whole);
      }),
      { numRuns: 2_000 },
    );
    expect(kinds.size).toBe(6);
  });

  test('never throws, whatever the bytes are', () => {
    const seed = Buffer.from('req_total{service="a"} 1\n');
    const bytes = fc.array(
      fc.oneof(
        { weight: 2, arbitrary: fc.uint8Array({ maxLength: 40 }) },
        { weight: 1, arbitrary: fc.nat(seed.length).map((length) => Uint8Array.from(seed.subarray(0, length))) },
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(bytes, (pieces) => {
        const { samples, end } = read(pieces);
        if (end.kind === 'Whole') expect(end.samples).toBe(samples.length);
        for (const [series] of samples) parseSeries(series);
      }),
      { numRuns: 5_000 },
    );
  });
});
