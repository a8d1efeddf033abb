/** Figures of a judge in a scenario, out of the outcomes of its runs. */
import { figures, type Figure, type Scenario } from './scenario.ts';
import type { Outcome } from './judges/judge.ts';

/** Entry is the row of one scenario and judge in the last line of the bench. */
export interface Entry {
  readonly scenario: string;
  readonly judge: string;
  readonly runs: number;
  /** rollbackPercent does not count those before the canary was bad. */
  readonly rollbackPercent: number;
  /** earlyPercent are rollbacks before a bad canary was bad. */
  readonly earlyPercent: number;
  /** medianSeconds is from the start of the fault to a right rollback; with a good canary from the start to its promotion, or in a Watch to when it was proven good. */
  readonly medianSeconds: number | null;
  /** provenPercent are the runs in which the canary was held to be proven good at some time, at whatever step; judges that go by time prove nothing. */
  readonly provenPercent: number;
  readonly promotedPercent: number;
  /** badPromotedPercent is promotedPercent of a bad canary, else 0. */
  readonly badPromotedPercent: number;
  readonly heldPercent: number;
  /** excessErrors is the mean number of errors that the canary's fault has cost. */
  readonly excessErrors: number;
  /** isAsExpected is whether each figure is within what the scenario states for this judge; null where it states nothing. */
  readonly isAsExpected: boolean | null;
}

/** score sums up the runs of a judge. */
export function score(scenario: Scenario, judge: string, outcomes: readonly Outcome[]): Entry {
  const onset = scenario.isBad ? (scenario.canary?.fromSeconds ?? 0) : 0;
  const rolledBack = outcomes.filter(({ end }) => end === 'RolledBack');
  const inTime = rolledBack.filter(({ seconds }) => seconds > onset);
  const promoted = outcomes.filter(({ end }) => end === 'Promoted');
  const proven = outcomes.flatMap(({ provenSeconds = [] }) => provenSeconds);
  const goodSeconds = scenario.plan === 'Watch' ? proven : secondsOf(promoted);
  const percent = (part: readonly unknown[]): number => round((100 * part.length) / outcomes.length);
  const numbers = {
    runs: outcomes.length,
    rollbackPercent: percent(inTime),
    earlyPercent: percent(rolledBack.filter(({ seconds }) => seconds <= onset)),
    medianSeconds: medianOf(scenario.isBad ? secondsOf(inTime).map((seconds) => seconds - onset) : goodSeconds),
    provenPercent: percent(proven),
    promotedPercent: percent(promoted),
    badPromotedPercent: scenario.isBad ? percent(promoted) : 0,
    heldPercent: percent(outcomes.filter(({ end }) => end === 'Held')),
    excessErrors: round(outcomes.reduce((sum, outcome) => sum + outcome.excessErrors, 0) / outcomes.length),
  };
  const misses = missesOf(scenario, judge, numbers);
  const isAsExpected = scenario.expect[judge] === undefined ? null : misses.length === 0;
  return { scenario: scenario.name, judge, ...numbers, isAsExpected };
}

/** missesOf returns the figures that are outside of what the scenario states for the judge, by more than chance with few runs. */
export function missesOf(
  { expect }: Pick<Scenario, 'expect'>,
  judge: string,
  numbers: Readonly<Record<Figure | 'runs', number | null>>,
): readonly Figure[] {
  return figures.filter((figure) => {
    const [least, most] = expect[judge]?.[figure] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    const value = numbers[figure];
    const slack = (bound: number): number => slackOf(figure, bound, numbers.runs ?? 1);
    return value !== null && (value < least - slack(least) || value > most + slack(most));
  });
}

/** What is expected is stated for so many runs. */
const statedRuns = 1_000;

/** slackOf is three standard errors of what fewer runs add to chance; of medians and means it is a rough guess. A bound of 0 or 100 percent has none. */
function slackOf(figure: Figure, bound: number, runs: number): number {
  const error = Math.sqrt(Math.max(0, 1 / runs - 1 / statedRuns));
  if (!figure.endsWith('Percent')) return Number.isFinite(bound) ? 1.5 * error * bound : 0;
  const share = Math.min(1, Math.max(0, bound / 100));
  return 300 * error * Math.sqrt(share * (1 - share));
}

function secondsOf(outcomes: readonly Outcome[]): readonly number[] {
  return outcomes.map(({ seconds }) => seconds);
}

function medianOf(values: readonly number[]): number | null {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.ceil(sorted.length / 2) - 1] ?? null;
}

function round(value: number): number {
  return Number(value.toFixed(1));
}
