/** Writes samples of the past to a Prometheus, by its remote-write protocol 1.0. */
import { request } from 'undici';

/** WrittenSeries is a series with its samples in the order of time, as pairs of milliseconds and value. */
export interface WrittenSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly samples: readonly (readonly [number, number])[];
}

/** remoteWrite sends all in one request: an empty database takes the first, however old, and refuses what is an hour older than the newest. */
export async function remoteWrite(url: string, series: readonly WrittenSeries[]): Promise<void> {
  const { statusCode, body } = await request(`${url}/api/v1/write`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
    },
    body: asSnappy(Buffer.concat(series.map((one) => field(1, timeSeries(one))))),
  });
  const text = await body.text();
  if (statusCode !== 204) throw new Error(`Prometheus has refused the samples (${statusCode}): ${text}`);
}

/** prometheus.TimeSeries: labels, which must be sorted, and samples. */
function timeSeries({ labels, samples }: WrittenSeries): Buffer {
  const names = Object.keys(labels).toSorted();
  const pairs = names.map((name) =>
    Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(labels[name] ?? ''))]),
  );
  return Buffer.concat([...pairs.map((pair) => field(1, pair)), ...samples.map((sample) => field(2, encoded(sample)))]);
}

/** prometheus.Sample: a double and an int64 of milliseconds. */
function encoded([atMs, value]: readonly [number, number]): Buffer {
  const double = Buffer.alloc(9);
  double.writeUInt8((1 << 3) | 1);
  double.writeDoubleLE(value, 1);
  return Buffer.concat([double, Buffer.from([2 << 3]), varint(atMs)]);
}

function field(number: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(content.length), content]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Buffer.from([...bytes, rest]);
}

/** Literals only: what Snappy makes of bytes that it finds no repetition in. */
function asSnappy(content: Buffer): Buffer {
  const chunks: Buffer[] = [varint(content.length)];
  for (let at = 0; at < content.length; at += 0x10000) {
    const chunk = content.subarray(at, at + 0x10000);
    const length = Buffer.alloc(3);
    length.writeUInt8(61 << 2);
    length.writeUInt16LE(chunk.length - 1, 1);
    chunks.push(length, chunk);
  }
  return Buffer.concat(chunks);
}
