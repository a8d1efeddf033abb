/** The value of a sample, read from its bytes. */

const zero = 0x30;

/** A number of so many digits is exact. */
const maxDigits = 15;

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const infinity = /^([+-]?)inf(?:inity)?$/i;

/**
 * parseValue returns the number that begins at `at` and ends before a blank or at `end`; undefined where there is none.
 * Both formats take what Go's ParseFloat takes, of which this is what an exporter writes: no hexadecimal.
 */
export function parseValue(bytes: Buffer, at: number, end: number): number | undefined {
  let to = at;
  let digits = 0;
  let isWhole = true;
  while (to < end && bytes[to] !== 0x20 && bytes[to] !== 0x09) {
    const digit = (bytes[to] ?? 0) - zero;
    if (digit < 0 || digit > 9) isWhole = false;
    else digits = digits * 10 + digit;
    to += 1;
  }
  if (to === at) return undefined;
  return isWhole && to - at <= maxDigits ? digits : parseText(bytes.toString('latin1', at, to));
}

function parseText(text: string): number | undefined {
  if (decimal.test(text)) return Number(text);
  if (/^nan$/i.test(text)) return Number.NaN;
  const sign = infinity.exec(text)?.[1];
  if (sign === undefined) return undefined;
  return sign === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
