import type { RequestRecord } from '../../../../src/proxy/counters.ts';
import type { CountersDelta, SeriesDelta } from '../../../../src/proxy/metrics/counters.ts';

/** record returns a finished request. */
export function record(changes: Partial<RequestRecord> = {}): RequestRecord {
  return {
    entryPoint: 'web',
    router: 'route@k',
    service: 'stable@k',
    serverUrl: 'http://10.0.0.1:80',
    method: 'GET',
    protocol: 'http',
    code: 200,
    status: 200,
    requestBytes: 3,
    responseBytes: 50,
    startedAtMs: 0,
    durationMs: 10,
    ...changes,
  };
}

/** find returns the only series of a delta with these properties. */
export function find(delta: CountersDelta, wanted: Partial<SeriesDelta>): SeriesDelta | undefined {
  const found = delta.series.filter((series) =>
    Object.entries(wanted).every(([key, value]) => series[key as keyof SeriesDelta] === value),
  );
  if (found.length > 1) throw new Error(`${found.length} series have ${JSON.stringify(wanted)}`);
  return found[0];
}
