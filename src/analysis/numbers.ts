/** Short text of the numbers that evidence consists of, for the status of a Rollout. */
import type { Dispersion } from './dispersion.ts';
import type { Counts } from './sample.ts';
import { noWealth } from './sequential.ts';
import type { RestartedWealth } from './wealth.ts';

/** Digits of base64url (RFC 4648): 5 bits of a number in each, the sixth says that more follow, as in the VLQ of source maps. */
const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const values: ReadonlyMap<string, number> = new Map(digits.split('').map((digit, value) => [digit, value]));
const more = 32;
/** scales make numbers whole: counts as they are, logarithms with their four decimals, anything else with nine. */
const scales: readonly number[] = [1, 1e4, 1e9];

/**
 * encodeNumbers returns the tag and the numbers, in half the room of decimal text: a thousand Rollouts are written and
 * read all day. Every finite number but -0 is kept exactly, up to nine decimals; what is finer is rounded.
 */
export function encodeNumbers(tag: string, numbers: readonly number[]): string {
  return numbers.reduce<string>((text, number) => text + wordOf(number), `${tag} `);
}

/**
 * decodeNumbers returns the numbers that encodeNumbers wrote with this tag, and undefined for any other text. NumberReader
 * checks them.
 */
export function decodeNumbers(tag: string, text: string): readonly number[] | undefined {
  const numbers: number[] = [];
  let word: number[] = [];
  for (const digit of text.slice(tag.length + 1)) {
    const value = values.get(digit);
    if (value === undefined) return undefined;
    word.push(value % more);
    if (value >= more) continue;
    numbers.push(numberOf(word));
    word = [];
  }
  // Writing them again refuses another tag, a word without its end, and a number in another form.
  return encodeNumbers(tag, numbers) === text ? numbers : undefined;
}

/** The first 5 bits are the sign, the scale, and two of the number. Beyond 2^53 every double is whole, and divided exactly. */
function wordOf(number: number): string {
  const kind = scales.findIndex((scale) => scale === 1e9 || Math.round(number * scale) / scale === number);
  const whole = Math.round(number * (scales[kind] ?? 1));
  const size = Math.abs(whole);
  let word = '';
  let value = (whole < 0 ? 1 : 0) + 2 * kind + 8 * (size % 4);
  for (let rest = Math.floor(size / 4); rest > 0; rest = Math.floor(rest / more)) {
    word += digits.charAt(more + value);
    value = rest % more;
  }
  return word + digits.charAt(value);
}

function numberOf([first = 0, ...rest]: readonly number[]): number {
  const high = rest.reduceRight((sum, value) => sum * more + value, 0);
  const size = high * 4 + Math.floor(first / 8);
  return (first % 2 === 1 ? -size : size) / (scales[Math.floor(first / 2) % 4] ?? 1);
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
