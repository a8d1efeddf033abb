/** The label `le` of a bucket. Its text depends on who wrote it (`1`, `1.0`, `1e+00`), so it is read and asked for as a number. */

/** toBound returns the bound that a label `le` says, in seconds; NaN where it is none. */
export function toBound(le: string | undefined): number {
  if (le === '+Inf') return Number.POSITIVE_INFINITY;
  return le === undefined || le === '' ? Number.NaN : Number(le);
}

/** boundPattern returns an expression (RE2) for all the ways in which a label `le` says a bound. */
export function boundPattern(bound: number): string {
  if (bound === Number.POSITIVE_INFINITY) return String.raw`\+Inf`;
  const [mantissa = '', exponent = '0'] = bound.toExponential().split('e');
  const sign = exponent.startsWith('-') ? '-' : String.raw`\+?`;
  const scientific = `${decimal(mantissa)}[eE]${sign}0*${exponent.slice(1)}`;
  const text = String(bound);
  return text.includes('e') ? scientific : `${decimal(text)}|${scientific}`;
}

/** decimal matches a number with zeros that change nothing before and after it. */
function decimal(text: string): string {
  const [whole = '', fraction] = text.split('.');
  return fraction === undefined ? String.raw`0*${whole}(?:\.0*)?` : String.raw`0*${whole}\.${fraction}0*`;
}
