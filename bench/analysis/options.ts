/** The command line of the bench. */
import { parseArgs } from 'node:util';

/** BenchOptions is what to run. */
export interface BenchOptions {
  readonly runs: number;
  /** seed: the same seed gives the same numbers. */
  readonly seed: string;
  /** scenarios are names; empty means all. */
  readonly scenarios: readonly string[];
  /** judges are names; empty means all. */
  readonly judges: readonly string[];
  readonly threads: number;
  readonly json: boolean;
  /** updateDocs writes the tables into docs/analysis.md. */
  readonly updateDocs: boolean;
}

/** usage is what the bench prints when it is called wrongly. */
export const usage =
  'usage: npm run bench:analysis -- [--runs N] [--seed S] [--scenario NAME ...] [--judge NAME ...] [--threads N] [--update-docs] [--json]';

/** parseOptions returns the options; it throws an Error that says what is wrong. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      runs: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      scenario: { type: 'string', multiple: true, default: [] },
      judge: { type: 'string', multiple: true, default: [] },
      threads: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      'update-docs': { type: 'boolean', default: false },
    },
  });
  if (values['update-docs'] && values.scenario.length + values.judge.length > 0) {
    throw new Error('--update-docs needs all scenarios and judges');
  }
  return {
    runs: wholeNumber('--runs', values.runs, 1_000_000),
    seed: values.seed,
    scenarios: values.scenario,
    judges: values.judge,
    threads: wholeNumber('--threads', values.threads, 64),
    json: values.json,
    updateDocs: values['update-docs'],
  };
}

/** choose returns the items with these names, all if none is given; it throws an Error that names one that is unknown. */
export function choose<T extends { readonly name: string }>(
  what: string,
  items: readonly T[],
  names: readonly string[],
): readonly T[] {
  const known = items.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${what} "${unknown}" is unknown; there are ${known.join(', ')}`);
  return names.length === 0 ? items : items.filter(({ name }) => names.includes(name));
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new Error(`${name} is "${text}"; it must be a whole number from 1 to ${max}`);
  }
  return value;
}
