/** Reads the JSON of Prometheus' query API (https://prometheus.io/docs/prometheus/latest/querying/api/). */
import type { QueryOutcome } from '../analysis/metric-source.ts';
import { parseByRow } from './answer-rows.ts';
import type { Labels, Series } from './series.ts';

/** ApiData is `data` of a successful answer; in a matrix each row is a Series. */
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

interface MatrixRow {
  readonly metric: Labels;
  readonly values?: readonly Point[];
}

/** parseAnswer returns the body of an answer, or undefined where it is none. */
export function parseAnswer(bytes: Buffer): ApiBody | undefined {
  try {
    const { body, rows } = parseByRow(bytes, readRow);
    if (typeof body !== 'object' || body === null) return undefined;
    const { data, ...rest } = body as ApiBody;
    if (data === undefined) return rest;
    const { result } = data;
    if (rows === undefined && (data.resultType !== 'matrix' || !Array.isArray(result))) return body;
    return { ...rest, data: { ...data, result: rows ?? (result as readonly unknown[]).map(readRow) } };
  } catch {
    return undefined;
  }
}

/** A row of a vector has a value; that of a matrix has none if it consists of histograms. */
function readRow(row: unknown): unknown {
  return typeof row === 'object' && row !== null && !('value' in row) ? toSeries(row as MatrixRow) : row;
}

function toSeries({ metric: labels, values = [] }: MatrixRow): Series {
  const samples = new Map<number, number>();
  for (const [seconds, text] of values) samples.set(Math.round(seconds * 1000), parseValue(text));
  return { labels, samples };
}

/** readMatrix returns the series of a range answer, or undefined when it is none. */
export function readMatrix({ resultType, result }: ApiData): readonly Series[] | undefined {
  return resultType === 'matrix' && Array.isArray(result) ? (result as readonly Series[]) : undefined;
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
