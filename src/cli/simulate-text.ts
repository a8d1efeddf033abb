/** The reports of `sluice simulate` as people read them. */
import { formatDuration } from '../api/duration.ts';
import type { PlannedStep } from '../rollout/steps.ts';
import type { ReleaseReport } from './simulate-release.ts';
import type { Margins } from './simulate-proposal.ts';
import type { Simulation, Spread } from './simulate.ts';

/** betterBuckets is what docs/analysis.md recommends. */
const betterBuckets = '0.005,0.01,0.025,0.05,0.075,0.1,0.15,0.2,0.3,0.4,0.5,0.75,1,1.5,2,3,5,7.5,10';

/** simulationText writes a Simulation of the Rollout `name`, whose steps are `steps`; `checks` are the lines about those. */
export function simulationText(
  report: Simulation,
  name: string,
  steps: readonly PlannedStep[],
  checks: readonly string[] = [],
): string {
  const parts = [
    historyLines(report, name),
    replayLines(report, steps),
    stepLines(report),
    latencyLines(report),
    checks,
    proposalLines(report),
  ];
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

/** releaseText writes the report on a past release of the Rollout `name`. */
export function releaseText(report: ReleaseReport, name: string): string {
  const { counted, changes, rollBackAt, provenAt, last } = report;
  const { canary, stable } = counted;
  return [
    `Rollout ${name}: the canary answered ${canary.requests} requests, ${canary.errors} with an error, stable ${stable.requests}, ${stable.errors} with an error.`,
    '',
    ...table([['TIME', 'VERDICT', 'REASON'], ...changes.map(({ at, kind, reason }) => [clock(at), kind, reason])]),
    '',
    endOf(rollBackAt, provenAt),
    ...(last === undefined ? [] : [last.message]),
  ].join('\n');
}

function endOf(rollBackAt: string | undefined, provenAt: string | undefined): string {
  const proven = provenAt === undefined ? '' : `It was proven safe at ${clock(provenAt)}. `;
  if (rollBackAt !== undefined) return `${proven}It would have been rolled back at ${clock(rollBackAt)}.`;
  return proven === '' ? 'It would have been held: neither proven safe nor worse.' : proven.trim();
}

function historyLines({ history }: Simulation, name: string): readonly string[] {
  const { from, until, requestsPerSecond, errorRatio, burst } = history;
  return [
    `Rollout ${name}: stable from ${clock(from)} to ${clock(until)}, ${requestsPerSecond} requests/s, ${percent(errorRatio)} errors.`,
    ...(burst > 1.5 ? [`Errors come in bursts of about ${burst}: they count as fewer, and proofs take longer.`] : []),
  ];
}

function replayLines({ plan, replays }: Simulation, steps: readonly PlannedStep[]): readonly string[] {
  const { count, promoted, promotedInTime, held, rolledBack, unproven, seconds } = replays;
  const planned = formatDuration(plan.seconds * 1000);
  const reasons = Object.entries(rolledBack);
  const missing = Object.entries(unproven).map(([test, times]) => `${testNames[test] ?? test} ${times}`);
  return [
    `Plan: ${steps.map(stepText).join(', ')}; ${planned} in all. ${toleratedText(plan)}`,
    `${count} replays with a canary just like stable:`,
    ...table([
      ['  promoted', `${promoted}`, `${promotedInTime} in the planned time; ${spreadText(seconds)}`],
      [
        '  rolled back',
        `${reasons.reduce((sum, [, times]) => sum + times, 0)}`,
        reasons.map(([reason, times]) => `${reason} ${times}`).join(', '),
      ],
      ['  held', `${held}`, missing.length === 0 ? '' : `not proven: ${missing.join(', ')}`],
    ]),
  ];
}

function toleratedText({ isCompared, errorMargin, latencyMargin }: Simulation['plan']): string {
  if (!isCompared) return 'Nothing is compared (compare: None), only slo is judged.';
  return `Tolerated: ${points(errorMargin)} errors, ${percent(latencyMargin)} slower.`;
}

const testNames: Readonly<Record<string, string>> = {
  errors: 'errors',
  latency: 'durations',
  slo: 'slo.errorRatio',
  latencySlo: 'slo.latency',
};

function stepText(step: PlannedStep): string {
  const time = formatDuration(step.durationMs ?? 0);
  return step.kind === 'Weight' ? `${step.weight}% ${time}` : `pause ${time}`;
}

function spreadText({ median, p90 }: Spread): string {
  return `median ${seconds(median)}, 90% within ${seconds(p90)}`;
}

function stepLines({ steps }: Simulation): readonly string[] {
  const rows = steps.map(({ weight, reached, proven, secondsToProof: { median, p90 } }) => {
    return [`${weight}%`, `${reached}`, `${proven}`, seconds(median), seconds(p90)];
  });
  return table([['WEIGHT', 'REACHED', 'PROVEN', 'MEDIAN', '90%'], ...rows]);
}

function latencyLines({ latency: { resolution, bounds } }: Simulation): readonly string[] {
  if (resolution === 'None') return ['Durations are not compared: no histogram of stable, or too few requests.'];
  const line = `Durations are compared at ${bounds.join(', ')} s.`;
  if (resolution === 'Fine') return [line];
  return [
    `${line} These buckets are coarse; give Traefik finer ones:`,
    `  --metrics.prometheus.buckets=${betterBuckets}`,
  ];
}

function proposalLines({ plan, proposal: { margins, longer } }: Simulation): readonly string[] {
  const planned = formatDuration(plan.seconds * 1000);
  const longerLines =
    longer === undefined
      ? []
      : [
          `With the limits as they are: make the steps ${longer.factor} times as long, ${seconds(longer.seconds)} in all.`,
        ];
  if (margins === undefined) {
    if (!plan.isCompared) return longerLines;
    const advice = 'Take larger weights or longer steps, or let the last step end by a person (promote).';
    const none = `No margin up to 10 points can be proven in ${planned} at this traffic.`;
    return [none, ...(longer === undefined ? [advice] : longerLines)];
  }
  return [
    `The least that is proven in ${planned}, in ${percent(margins.share)} of the replays; write into the spec:`,
    ...marginLines(margins, plan.latencyMargin),
    ...(margins.isWide
      ? ['That is more than ten times the errors of stable: users would notice what it lets pass.']
      : []),
    ...longerLines,
  ];
}

function marginLines({ errorMargin, latencyMargin }: Margins, present: number): readonly string[] {
  const latency = latencyMargin === present ? [] : [`    latency: {maxIncrease: ${percent(latencyMargin)}}`];
  return ['  analysis:', `    errorRatio: {maxIncrease: ${points(errorMargin)}}`, ...latency];
}

function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function clock(time: string): string {
  return `${time.slice(0, 19)}Z`;
}

function seconds(value: number | undefined): string {
  return value === undefined ? '-' : formatDuration(value * 1000);
}

function percent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(3))}%`;
}

function points(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(3))}pp`;
}
