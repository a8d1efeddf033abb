import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RequestRecord } from '../../src/proxy/counters.ts';
import { createCounters, type Counters } from '../../src/proxy/metrics/counters.ts';
import { createTotals, type Totals } from '../../src/proxy/metrics/totals.ts';

const options = { bucketsSeconds: [0.1, 0.3, 1.2, 5], hasRouterLabels: true };

const records: fc.Arbitrary<RequestRecord> = fc.record({
  entryPoint: fc.constantFrom('web', 'websecure'),
  router: fc.constantFrom(undefined, 'r1', 'r2'),
  routerService: fc.constantFrom(undefined, 'w1', 'w2'),
  service: fc.constantFrom(undefined, 'a', 'b'),
  serverUrl: fc.constant(undefined),
  method: fc.constantFrom('GET', 'POST', 'FOO', 'BAR'),
  protocol: fc.constantFrom('http', 'grpc', 'sse'),
  code: fc.constantFrom(0, 14, 200, 499, 503),
  status: fc.constant(200),
  requestBytes: fc.nat(1000),
  responseBytes: fc.nat(100_000),
  startedAtMs: fc.constant(0),
  tls: fc.constantFrom(undefined, { version: '1.2', cipher: 'C' }, { version: '1.3', cipher: 'C' }),
  durationMs: fc.constantFrom(0, 100, 100.5, 299, 1200, 4999, 60_000),
});

type Step =
  | { readonly kind: 'Observe'; readonly worker: number; readonly record: RequestRecord }
  | { readonly kind: 'Take' | 'Die' | 'Leave'; readonly worker: number };

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('Observe' as const), worker: fc.nat(3), record: records }) },
    fc.record({ kind: fc.constantFrom('Take' as const, 'Die' as const, 'Leave' as const), worker: fc.nat(3) }),
  ),
  { maxLength: 200 },
);

/** A simple count of the same: every sum by the labels as text. */
class Model {
  readonly sums = new Map<string, number>();

  add(record: RequestRecord): void {
    const { method, protocol, router, service, tls } = record;
    const isGrpc = protocol === 'grpc';
    const code = isGrpc && record.code > 16 ? 2 : record.code;
    const common = `method="${['GET', 'POST'].includes(method) ? method : 'EXTENSION_METHOD'}",protocol="${protocol}"`;
    this.#count(`code="${code}",entrypoint="${record.entryPoint}",${common}`, record);
    if (service !== undefined) this.#count(`code="${code}",${common},service="${service}"`, record);
    const named = record.routerService ?? service ?? '';
    if (tls !== undefined) {
      const last = `tls_cipher="C",tls_version="${tls.version}"`;
      this.#sum(`entrypoint="${record.entryPoint}",${last}`, 1);
      if (service !== undefined) this.#sum(`service="${service}",${last}`, 1);
      if (router !== undefined) this.#sum(`router="${router}",service="${named}",${last}`, 1);
    }
    if (router !== undefined) this.#count(`code="${code}",${common},router="${router}",service="${named}"`, record);
  }

  #count(labels: string, { requestBytes, responseBytes, durationMs }: RequestRecord): void {
    const values = { requests: 1, requestBytes, responseBytes, ms: durationMs };
    for (const [name, value] of Object.entries(values)) this.#sum(`${labels} ${name}`, value);
    for (const bound of options.bucketsSeconds) this.#sum(`${labels} le ${bound}`, durationMs <= bound * 1000 ? 1 : 0);
  }

  #sum(name: string, value: number): void {
    this.sums.set(name, (this.sums.get(name) ?? 0) + value);
  }
}

function sumsOf({ series, tls }: Totals): Map<string, number> {
  const sums = new Map([...tls].map(({ labels, requests }) => [labels, requests]));
  for (const { labels, requests, requestBytes, responseBytes, seconds, buckets } of series) {
    // Durations are multiples of half a millisecond here.
    const values = { requests, requestBytes, responseBytes, ms: Math.round(seconds * 2000) / 2 };
    for (const [name, value] of Object.entries(values)) sums.set(`${labels} ${name}`, value);
    let below = 0;
    for (const [index, bound] of options.bucketsSeconds.entries()) {
      below += buckets[index] ?? 0;
      sums.set(`${labels} le ${bound}`, below);
    }
    expect(buckets.reduce((sum, count) => sum + count, 0)).toBe(requests);
  }
  return sums;
}

test('totals are what the workers told, never fall, and lose of a worker that dies only what it had not told', () => {
  fc.assert(
    fc.property(steps, (steps) => {
      const totals = createTotals();
      const model = new Model();
      const workers: Counters[] = Array.from({ length: 4 }, () => createCounters(options));
      const untold: RequestRecord[][] = [[], [], [], []];
      let before = new Map<string, number>();
      for (const step of steps) {
        const counters = workers[step.worker];
        const own = untold[step.worker];
        if (counters === undefined || own === undefined) throw new Error('There are four workers');
        if (step.kind === 'Observe') {
          counters.observe(step.record);
          own.push(step.record);
          continue;
        }
        if (step.kind !== 'Die') {
          // A delta goes from process to process as JSON.
          totals.add(JSON.parse(JSON.stringify(counters.takeDelta())));
          for (const record of own) model.add(record);
        }
        own.length = 0;
        if (step.kind !== 'Take') workers[step.worker] = createCounters(options);
        const sums = sumsOf(totals);
        for (const [name, value] of before) expect(sums.get(name)).toBeGreaterThanOrEqual(value);
        before = sums;
      }
      expect(sumsOf(totals)).toStrictEqual(model.sums);
    }),
  );
});
