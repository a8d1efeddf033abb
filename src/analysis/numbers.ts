/** Short text of the numbers that evidence consists of, for the status of a Rollout. */
import type { Dispersion } from './dispersion.ts';
import type { Counts } from './sample.ts';
import { noWealth } from './sequential.ts';
import type { RestartedWealth } from './wealth.ts';

/** encodeNumbers returns the tag and the numbers, separated by spaces. Every finite number but -0 is kept exactly. */
export function encodeNumbers(tag: string, numbers: readonly number[]): string {
  return `${tag} ${numbers.join(' ')}`;
}

/**
 * decodeNumbers returns the numbers that encodeNumbers wrote with this tag, and undefined for any other text. NumberReader
 * checks them.
 */
export function decodeNumbers(tag: string, text: string): readonly number[] | undefined {
  const numbers = text.split(' ').slice(1).map(Number);
  // Writing them again refuses another tag, and what Number is lenient with: nothing at all, spaces, 0x10, 1.50.
  return encodeNumbers(tag, numbers) === text ? numbers : undefined;
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

  counts(): Counts {
    const requests = this.number();
    return { requests, errors: this.#take(0, requests) };
  }

  dispersion(): Dispersion {
    return { observed: this.number(), expected: this.number(), last: this.counts() };
  }

  #take(least: number, most: number): number {
    const number = this.#numbers[this.#next++] ?? Number.NaN;
    this.#isPossible &&= number >= least && number <= most;
    return number;
  }
}
