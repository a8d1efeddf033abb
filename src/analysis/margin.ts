/** Margins as users write them: percentages and percentage points. */
import { anytimeInterval } from './interval.ts';
import type { Counts } from './sample.ts';

/** parsePoints returns percentage points as a difference of ratios: `0.5pp` is 0.005. The schema has checked the form, anything else is 0, the strictest. */
export function parsePoints(text: string): number {
  return hundredths(/^([0-9]{1,3}(?:\.[0-9]{1,4})?)pp$/, text);
}

/** parsePercent returns a percentage as a ratio: `20%` is 0.2. The schema has checked the form, anything else is 0, the strictest. */
export function parsePercent(text: string): number {
  return hundredths(/^([0-9]{1,4}(?:\.[0-9]{1,4})?)%$/, text);
}

/**
 * isMarginWide says that a margin (0.005 is half a point) tolerates more than ten times the error ratio of stable on top
 * of it: users would notice what the judge lets pass. The ratio is the highest that the counts of stable do not refute
 * (95 %, at any time): of few requests nothing is known, and without errors it takes many thousands to know that there are
 * hardly any.
 */
export function isMarginWide(margin: number, stable: Counts): boolean {
  return margin > 10 * anytimeInterval(stable, 0.05).high;
}

/** The exponent is read with the digits, for 0.7 / 100 is not the number nearest to 0.007. */
function hundredths(pattern: RegExp, text: string): number {
  const digits = pattern.exec(text)?.[1];
  return digits === undefined ? 0 : Number(`${digits}e-2`);
}
