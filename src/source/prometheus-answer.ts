/** Reads the JSON of Prometheus' query API (https://prometheus.io/docs/prometheus/latest/querying/api/). */
import type { QueryOutcome } from '../analysis/metric-source.ts';
import type { Labels, Series } from './series.ts';

/** ApiData is `data` of a successful answer. */
export interface ApiData {
  readonly resultType?: string;
  readonly result?: unknown;
}

/** ApiBody is the body of any answer of the API. */
export interface ApiBody {
  readonly status?: string;
  readonly data?: ApiData;
  readonly errorType?: string;
  readonly error?: string;
  readonly warnings?: readonly string[];
}

type Point = readonly [number, string];

/** readMatrix returns the series of a range answer, or undefined when it is none. */
export function readMatrix(data: ApiData): readonly Series[] | undefined {
  if (data.resultType !== 'matrix' || !Array.isArray(data.result)) return undefined;
  const rows = data.result as readonly { readonly metric: Labels; readonly values?: readonly Point[] }[];
  return rows.map(({ metric: labels, values = [] }) => {
    const samples = new Map<number, number>();
    for (const [seconds, text] of values) samples.set(Math.round(seconds * 1000), parseValue(text));
    return { labels, samples };
  });
}

/** readNumber returns the single number of an instant answer; several, or none that is a number, are an Error. */
export function readNumber(data: ApiData): QueryOutcome {
  if (data.resultType === 'scalar') return { kind: 'Value', value: parseValue((data.result as Point)[1]) };
  if (data.resultType !== 'vector' || !Array.isArray(data.result)) {
    return notOneNumber(`The query returns a ${data.resultType ?? 'value of no type'}, not one number.`);
  }
  const rows = data.result as readonly { readonly value?: Point }[];
  const [first] = rows;
  if (first === undefined) return nothing;
  if (rows.length > 1) return severalSeries(rows.length);
  if (first.value === undefined) return notOneNumber('The query returns a histogram, not one number.');
  return { kind: 'Value', value: parseValue(first.value[1]) };
}

/** numbersAt returns of the series of a range answer what readNumber would return at each of the times. */
export function numbersAt(series: readonly Series[], timesMs: readonly number[]): readonly QueryOutcome[] {
  return timesMs.map((atMs) => {
    const values = series.flatMap(({ samples }) => samples.get(atMs) ?? []);
    const [value] = values;
    if (value === undefined) return nothing;
    return values.length > 1 ? severalSeries(values.length) : { kind: 'Value', value };
  });
}

const nothing: QueryOutcome = { kind: 'NoData', message: 'The query returned nothing.' };

function severalSeries(count: number): QueryOutcome {
  return notOneNumber(`The query returns ${count} series, not one number; aggregate them, e.g. with max(…).`);
}

function notOneNumber(message: string): QueryOutcome {
  return { kind: 'Error', reason: 'NotOneNumber', message };
}

function parseValue(text: string): number {
  if (text === '+Inf' || text === 'Inf') return Number.POSITIVE_INFINITY;
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);
}
