/** Short text of the numbers that evidence consists of, for the status of a Rollout. */
import type { Dispersion } from './dispersion.ts';
import type { Counts } from './sample.ts';
import { noWealth } from './sequential.ts';
import type { RestartedWealth } from './wealth.ts';

/** Digits of base64url (RFC 4648): 5 bits of a number in each, the sixth says that more follow, as in the VLQ of source maps. */
const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** valueAt has the value of a digit at its character code, and -1 at any other below 128. */
const valueAt: readonly number[] = Array.from({ length: 128 }, (_none, code) =>
  digits.indexOf(String.fromCharCode(code)),
);
const more = 32;
/** scales make numbers whole: counts as they are, logarithms with their four decimals, anything else with nine. */
const scales: readonly number[] = [1, 1e4, 1e9];

/**
 * encodeNumbers returns the tag and the numbers, in half the room of decimal text: a thousand Rollouts are written and
 * read all day. Every finite number but -0 is kept exactly, up to nine decimals; what is finer is rounded.
 */
export function encodeNumbers(tag: string, numbers: readonly number[]): string {
  // One text is made at the end, not one for each digit: this is written for each block of each rollout.
  const codes: number[] = [];
  for (const number of numbers) pushWord(codes, number);
  return `${tag} ${String.fromCharCode(...codes)}`;
}

/**
 * decodeNumbers returns the numbers that encodeNumbers wrote with this tag, and undefined for any other text. NumberReader
 * checks them.
 */
export function decodeNumbers(tag: string, text: string): readonly number[] | undefined {
  if (!text.startsWith(tag) || text.charAt(tag.length) !== ' ') return undefined;
  const numbers: number[] = [];
  let [first, high, unit] = [0, 0, 0];
  for (let index = tag.length + 1; index < text.length; index += 1) {
    const value = valueAt[text.charCodeAt(index)] ?? -1;
    if (value < 0) return undefined;
    if (unit === 0) first = value % more;
    else high += (value % more) * unit;
    unit = unit === 0 ? 1 : unit * more;
    if (value >= more) continue;
    const number = numberOf(first, high);
    if (!Number.isFinite(number)) return undefined;
    numbers.push(number);
    [high, unit] = [0, 0];
  }
  // Writing them again refuses a word without its end, and a number in another form.
  return encodeNumbers(tag, numbers) === text ? numbers : undefined;
}

/** The first 5 bits are the sign, the scale, and two of the number. Beyond 2^53 every double is whole, and divided exactly. */
function pushWord(codes: number[], number: number): void {
  const kind = kindOf(number);
  const whole = Math.round(number * (scales[kind] ?? 1));
  const size = Math.abs(whole);
  let value = (whole < 0 ? 1 : 0) + 2 * kind + 8 * (size % 4);
  for (let rest = Math.floor(size / 4); rest > 0; rest = Math.floor(rest / more)) {
    codes.push(digits.charCodeAt(more + value));
    value = rest % more;
  }
  codes.push(digits.charCodeAt(value));
}

function numberOf(first: number, high: number): number {
  const size = high * 4 + Math.floor(first / 8);
  return (first % 2 === 1 ? -size : size) / (scales[Math.floor(first / 2) % 4] ?? 1);
}

function kindOf(number: number): number {
  if (Math.round(number) === number) return 0;
  return Math.round(number * 1e4) / 1e4 === number ? 1 : 2;
}

/** wealthNumbers are the numbers of a RestartedWealth, as NumberReader takes them. */
export function wealthNumbers({ logs, spent }: RestartedWealth): readonly number[] {
  return [...logs, spent];
}

/** countNumbers are the numbers of Counts. */
export function countNumbers({ requests, errors }: Counts): readonly number[] {
  return [requests, errors];
}

/** dispersionNumbers are the numbers of a Dispersion. */
export function dispersionNumbers({ observed, expected, last }: Dispersion): readonly number[] {
  return [observed, expected, ...countNumbers(last)];
}

/** NumberReader takes a state apart in the order in which it was written, and notes numbers that no state has. */
export class NumberReader {
  readonly #numbers: readonly number[];
  #next = 0;
  #isPossible = true;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  /** isComplete says whether every number was possible in its place, and none is missing or left over. */
  get isComplete(): boolean {
    return this.#isPossible && this.#next === this.#numbers.length;
  }

  /** number returns one that is 0 or more. */
  number(): number {
    return this.#take(0, Number.MAX_VALUE);
  }

  logs(count: number): readonly number[] {
    return Array.from({ length: count }, () => this.#take(noWealth, Number.MAX_VALUE));
  }

  wealth(alternatives: number): RestartedWealth {
    return { logs: this.logs(alternatives), spent: this.#take(0, 1) };
  }

  counts(requests = this.number()): Counts {
    return { requests, errors: this.#take(0, requests) };
  }

  /** dispersion takes the requests of its last block as known where they are given. */
  dispersion(requests?: number): Dispersion {
    return { observed: this.number(), expected: this.number(), last: this.counts(requests) };
  }

  #take(least: number, most: number): number {
    const number = this.#numbers[this.#next++] ?? Number.NaN;
    this.#isPossible &&= number >= least && number <= most;
    return number;
  }
}
