import { describe, expect, test } from 'vitest';
import { type ExpositionEnd, expositionLimits, ExpositionReader } from '../../../src/source/exposition.ts';
import { SeriesFilter } from '../../../src/source/exposition-filter.ts';
import { parseSeries } from '../../../src/source/exposition-labels.ts';
import { traefikExposition } from './exposition-text.ts';

const requests = 'traefik_service_requests_total';
const buckets = 'traefik_service_request_duration_seconds_bucket';
const filterOf = (...services: readonly string[]): SeriesFilter =>
  new SeriesFilter({
    byService: [requests, buckets],
    whole: ['process_start_time_seconds'],
    services: new Set(services),
  });

function read(text: string, ...services: readonly string[]): { samples: [string, number][]; end: ExpositionEnd } {
  const samples: [string, number][] = [];
  const reader = new ExpositionReader(filterOf(...services), (series, value) => samples.push([series, value]));
  reader.push(Buffer.from(text));
  return { samples, end: reader.end() };
}

describe('an exposition', () => {
  test('gives the series of wanted services and the metrics that are wanted whole, and no others', () => {
    const { samples, end } = read(
      [
        '# HELP traefik_service_requests_total How many',
        '# TYPE traefik_service_requests_total counter',
        `${requests}{code="200",method="GET",protocol="http",service="a@crd"} 12`,
        `${requests}{code="200",method="GET",protocol="http",service="ab@crd"} 13`,
        `${requests}{code="200",method="GET",protocol="http"} 14`,
        `${requests}_more{service="a@crd"} 15`,
        `traefik_router_requests_total{router="r",service="a@crd"} 16`,
        `${requests}{code="200",note="service=\\"a@crd\\"",service="b@crd"} 17`,
        'process_start_time_seconds 1.79522639e+09',
        '',
      ].join('\n'),
      'a@crd',
    );
    expect(samples).toEqual([
      [`${requests}{code="200",method="GET",protocol="http",service="a@crd"}`, 12],
      ['process_start_time_seconds', 1795226390],
    ]);
    expect(end).toEqual({ kind: 'Whole', samples: 2, hasEof: false });
  });

  test.each([
    ['a timestamp', `${requests}{service="a"} 7 1795226390000`, 7],
    ['an exemplar', `${requests}{service="a"} 7 # {trace_id="x} 9"} 1 1.5`, 7],
    ['blanks and a comma at the end', ` ${requests} \t{ code = "200" , service = "a" , } \t 7 `, 7],
    ['the service in front', `${requests}{service="a",code="200"} 7`, 7],
    ['a carriage return', `${requests}{service="a"} 7\r`, 7],
    ['infinity', `${requests}{service="a"} +Inf`, Infinity],
    ['negative infinity', `${requests}{service="a"} -inf`, -Infinity],
    ['no number', `${requests}{service="a"} NaN`, NaN],
    ['an exponent', `${requests}{service="a"} 1.25e-3`, 0.00125],
    ['more digits than are exact', `${requests}{service="a"} 1000000000000000000000`, 1e21],
  ])('may have %s', (_, line, value) => {
    expect(read(`${line}\n`, 'a').samples.map(([, found]) => found)).toEqual([value]);
    expect(read(line, 'a').samples.map(([, found]) => found)).toEqual([value]);
  });

  test('compares names of services after their escapes are undone', () => {
    const { samples } = read(`${requests}{service="a\\"b\\\\c\\nd"} 1\n`, 'a"b\\c\nd');
    expect(samples).toHaveLength(1);
    expect(parseSeries(samples[0]?.[0] ?? '')?.labels).toEqual({ service: 'a"b\\c\nd' });
  });

  test('compares names of services beyond ASCII', () => {
    expect(read(`${requests}{service="größe-80"} 1\n`, 'größe-80').samples).toHaveLength(1);
  });

  test('has its end only where the last line is # EOF', () => {
    const line = `${requests}{service="a"} 1\n`;
    expect(read(`${line}# EOF\n`, 'a').end).toMatchObject({ hasEof: true });
    expect(read(`${line}# EOF`, 'a').end).toMatchObject({ hasEof: true });
    expect(read(`# EOF\n${line}`, 'a').end).toMatchObject({ hasEof: false });
  });

  test.each([
    [
      'a label without a value',
      `${requests}{code,service="a"} 1`,
      'line 2 (traefik_service_requests_total) has malformed labels',
    ],
    ['a quote that is missing', `${requests}{service="a} 1`, 'malformed labels'],
    ['a brace that is missing', `${requests}{service="a" 1`, 'malformed labels'],
    ['two values for one name', `${requests}{service="a"code="1"} 1`, 'malformed labels'],
    ['no value', `${requests}{service="a"}`, 'no value'],
    ['a value cut in the middle', `${requests}{service="a"} 1e+`, 'no value'],
    ['a hexadecimal value', `${requests}{service="a"} 0x1p-2`, 'no value'],
  ])('with %s is refused as a whole', (_, line, reason) => {
    const { end } = read(`up 1\n${line}\n`, 'a');
    expect(end).toMatchObject({ kind: 'Refused', reason: expect.stringContaining(reason) as string });
  });

  test('with a label that comes twice has no series to tell', () => {
    expect(parseSeries(`${requests}{service="a",service="b"}`)).toBeUndefined();
  });

  test.each([
    ['lines', { maxLineBytes: 45 }, 'line 2 is too long'],
    ['bytes', { maxBytes: 60 }, 'more than 60 bytes'],
    ['wanted series', { maxSamples: 1 }, 'one more than 1 wanted series'],
  ])('with too many or too long %s is refused, and not read on', (_, limits, reason) => {
    const text = Buffer.from(`${requests}{service="a"} 1\n${requests}{service="a",code="500"} 1\nup 1\n`);
    const reader = new ExpositionReader(filterOf('a'), () => undefined, { ...expositionLimits, ...limits });
    expect(reader.push(text)).toBe(false);
    expect(reader.push(text)).toBe(false);
    expect(reader.end()).toMatchObject({ kind: 'Refused', reason: expect.stringContaining(reason) as string });
  });

  test('of a line without end is refused before it fills the memory', () => {
    const reader = new ExpositionReader(filterOf('a'), () => undefined);
    const piece = Buffer.alloc(1000, 'x');
    let pieces = 0;
    while (reader.push(piece)) pieces += 1;
    expect(pieces).toBe(65);
  });

  test('of 50,000 series costs at most 200 ms of CPU where 200 are wanted', () => {
    const { text, services } = traefikExposition(50_000);
    const bytes = Buffer.from(text);
    const pieces = Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, index) =>
      bytes.subarray(index * 65_536, (index + 1) * 65_536),
    );
    const wanted = filterOf(...services.slice(0, 7));
    const readAll = (): ExpositionEnd => {
      const reader = new ExpositionReader(wanted, () => undefined);
      for (const piece of pieces) reader.push(piece);
      return reader.end();
    };
    expect(readAll()).toEqual({ kind: 'Whole', samples: 7 * 5 * 6 + 1, hasEof: false });
    const before = process.cpuUsage();
    const runs = 5;
    for (let run = 0; run < runs; run += 1) readAll();
    const { user, system } = process.cpuUsage(before);
    const cpuMs = (user + system) / 1000 / runs;
    console.log(
      `${(bytes.length / 1e6).toFixed(1)} MB, 211 of 50,000 series: ${cpuMs.toFixed(1)} ms CPU an exposition`,
    );
    expect(cpuMs).toBeLessThan(200);
  });
});
