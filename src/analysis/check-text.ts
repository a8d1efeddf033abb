/** Short text of what the checks of a rollout have shown, for its status: 20 of them, whatever their names, take 400 characters. */
import { fnv1a } from '../api/hash.ts';
import type { CheckProblem, CheckResult, CheckSpec, CheckState } from './check.ts';
import { decodeNumbers, encodeNumbers } from './numbers.ts';

/** CheckStates are those of the checks of a spec, in its order; undefined where one was not evaluated yet. */
export type CheckStates = readonly (CheckState | undefined)[];

/** Only the names tell what a text is about. */
type Named = Pick<CheckSpec, 'name'>;

const tag = 'checks1';
const problems: readonly CheckProblem[] = ['SourceUnreachable', 'SourceRefused', 'SourcePartial', 'NotOneNumber'];
const numbersOfOne = 6;

/** encodeChecks returns the states as text. Times are kept as what they are before the last one, values as digits and an exponent. */
export function encodeChecks(checks: readonly CheckSpec[], states: CheckStates): string {
  const lastMs = Math.max(0, ...states.map((state) => state?.atMs ?? 0));
  return encodeNumbers(tag, [
    hashOf(checks),
    lastMs,
    ...checks.flatMap((_, index) => numbersOf(states[index], lastMs)),
  ]);
}

/** decodeChecks returns what encodeChecks wrote for these checks. Of others, and in any other text, nothing is known: all are due. */
export function decodeChecks(checks: readonly Named[], text: string | undefined): CheckStates {
  const [hash, lastMs = 0, ...numbers] = decodeNumbers(tag, text ?? '') ?? [];
  const isOfThese = hash === hashOf(checks) && numbers.length === numbersOfOne * checks.length;
  return checks.map((_, index) => {
    const own = numbers.slice(numbersOfOne * index, numbersOfOne * (index + 1));
    return isOfThese ? stateOf(own, lastMs) : undefined;
  });
}

/** The order of the spec says which check a state is of; a check with a query that cannot be used any more is left out of it. */
function hashOf(checks: readonly Named[]): number {
  return fnv1a(JSON.stringify(checks.map(({ name }) => name)));
}

function numbersOf(state: CheckState | undefined, lastMs: number): readonly number[] {
  if (state === undefined) return Array<number>(numbersOfOne).fill(0);
  const [digits = 0, exponent = 0] = 'value' in state ? scientific(state.value) : [];
  return [codeOf(state), state.failures, state.errors, lastMs - state.atMs, digits, exponent];
}

/** scientific returns whole digits and the power of ten that they are to be multiplied with. */
function scientific(value: number): readonly number[] {
  const [mantissa = '', exponent = ''] = value.toExponential().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  return [Number(whole + fraction), Number(exponent) - fraction.length];
}

/** codeOf is 0 for what was not evaluated, then Passing, Failing, NoData, and the problems. */
function codeOf(result: CheckResult): number {
  if (result.state === 'Error') return 4 + problems.indexOf(result.reason);
  return { Passing: 1, Failing: 2, NoData: 3 }[result.state];
}

function resultOf(code: number, value: number): CheckResult | undefined {
  if (code === 1) return { state: 'Passing', value };
  if (code === 2) return { state: 'Failing', value };
  if (code === 3) return { state: 'NoData' };
  const reason = problems[code - 4];
  return reason === undefined ? undefined : { state: 'Error', reason };
}

function stateOf(numbers: readonly number[], lastMs: number): CheckState | undefined {
  const [code = 0, failures = 0, errors = 0, beforeMs = 0, digits = 0, exponent = 0] = numbers;
  const result = resultOf(code, Number(`${digits}e${exponent}`));
  return result && { ...result, failures, errors, atMs: lastMs - beforeMs };
}
