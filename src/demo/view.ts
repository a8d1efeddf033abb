/** The live view of the demo: from what is known to lines, purely. */
import type { RolloutStatus } from '../api/rollout-status.ts';
import { parseTime } from '../clock.ts';
import { differences, hostOf, type Arm, type Story } from './stories.ts';
import type { Answers, HostTally } from './tally.ts';
import { bar, between, cut, grouped, padded, paint, percent, wrap, type Screen, type Style } from '../cli/text.ts';

/** StoryView is one story at a moment. */
export interface StoryView {
  readonly story: Story;
  /** status is that of the Rollout; empty before it is applied. */
  readonly status: RolloutStatus;
  readonly tally: HostTally;
  /** observed is the canary's part, 0 to 1, of the requests of the last seconds, as the clients saw it. */
  readonly observed: number | undefined;
}

/** DemoView is all that is shown at a moment. */
export interface DemoView {
  readonly seconds: number;
  readonly seed: number;
  /** rate is how many requests per second were answered of late. */
  readonly rate: number;
  /** releasedAtMs is when the Rollouts were applied, in milliseconds since the epoch; undefined before. */
  readonly releasedAtMs: number | undefined;
  readonly stories: readonly StoryView[];
}

/** From this width on the stories stand beside each other. */
const widthForTwo = 130;
const gap = '   ';
const indent = '  ';
const labelWidth = 10;
const longestBar = 60;

/** frame returns the lines of the view: none wider than the screen, if that has 8 columns, and fewer than it has rows where that can be done. */
export function frame(view: DemoView, screen: Screen): readonly string[] {
  const { width, rows } = screen;
  const isBeside = width >= widthForTwo;
  const column = isBeside ? Math.floor((width - gap.length) / 2) : width;
  const stacked = isBeside ? 1 : view.stories.length;
  // On a terminal of 24 rows the blank line would cost each story a line of what the judge says.
  const isTight = stacked > 1 && rows < 27;
  const head = [title(view, screen), ...differs(screen), ...(isTight ? [] : [''])];
  const spare = Math.floor((rows - 1 - head.length - (stacked - 1)) / stacked) - linesWithoutMessage;
  const messageLines = Math.max(1, Math.min(isBeside ? 5 : 4, spare));
  const parts = view.stories.map((one) =>
    storyLines(one, view, { screen: { ...screen, width: column }, messageLines }),
  );
  const body = isBeside
    ? beside(parts, column)
    : parts.flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]));
  return [...head, ...body];
}

function beside(parts: readonly (readonly string[])[], column: number): readonly string[] {
  const height = Math.max(...parts.map((lines) => lines.length));
  return Array.from({ length: height }, (_, row) => {
    const last = parts.length - 1;
    return parts
      .map((lines, index) => (index === last ? (lines[row] ?? '') : padded(lines[row] ?? '', column)))
      .join(gap);
  });
}

function title({ seconds, rate, seed }: DemoView, screen: Screen): string {
  const [left, right] = between(
    `sluice demo: ${grouped(rate)} requests/s through the proxy, seed ${seed}`,
    `${seconds.toFixed(0)} s`,
    screen.width,
  );
  return paint(screen, 'bold', left) + right;
}

function differs(screen: Screen): readonly string[] {
  return wrap(differencesText(), screen.width, 3).map((line) => paint(screen, 'dim', line));
}

/** differencesText names the values that are not the defaults. */
export function differencesText(): string {
  const listed = differences.map(({ field, value, default: usual }) => `${field} ${value} (${usual})`);
  return `To end in a minute, unlike the defaults (in brackets): ${listed.join(', ')}.`;
}

const linesWithoutMessage = 6;

/** beforeRelease explains what the rows show while there is nothing else to say. */
const beforeRelease =
  'v1, the stable version, answers everything. In a moment v2, the canary, is released. Weight is the share of the ' +
  'requests that it is to get, observed is what it gets.';
/** versions are what the stories call the two arms. */
const versions: Readonly<Record<Arm, string>> = { stable: 'stable v1', canary: 'canary v2' };

function storyLines(
  { story, status, tally, observed }: StoryView,
  { releasedAtMs }: DemoView,
  { screen, messageLines }: { readonly screen: Screen; readonly messageLines: number },
): readonly string[] {
  const weight = (status.weight ?? 0) / 100;
  const told = judgement(status.message ?? beforeRelease);
  const message = wrap(told, screen.width - indent.length, messageLines);
  const filler = Array.from({ length: messageLines - message.length }, () => '');
  return [
    heading(story, status, screen),
    barLine('weight', weight, `${status.weight ?? 0}%`, { screen, style: styleOf(status) }),
    barLine('observed', observed ?? 0, observed === undefined ? '-' : percent(observed), {
      screen,
      style: styleOf(status),
    }),
    armLine('stable', tally, screen),
    armLine('canary', tally, screen),
    indent + paint(screen, 'dim', cut(trail(status, releasedAtMs), screen.width - indent.length)),
    ...message.map((line) => indent + line),
    ...filler,
  ];
}

/** judgement leaves out of a message what the view shows anyway: the step, and until when it lasts. */
function judgement(message: string): string {
  return message.replace(/^[^:]*? \(step \d+ of \d+\)(?: until \S+)?[.:] (?=\S)/, '');
}

function heading({ name, title }: Story, status: RolloutStatus, screen: Screen): string {
  const { phase = 'Waiting', step } = status;
  const state = step === undefined || phase !== 'Progressing' ? phase : `${phase}, step ${step}`;
  const [left, right] = between(`${hostOf(name)}: ${title}`, state, screen.width);
  return paint(screen, 'bold', left) + paint(screen, styleOf(status), right);
}

const styles: Readonly<Record<string, Style>> = {
  Succeeded: 'green',
  Failed: 'red',
  RollingBack: 'red',
  Degraded: 'red',
};

function styleOf({ phase = 'Pending' }: RolloutStatus): Style {
  return styles[phase] ?? 'cyan';
}

function barLine(
  label: string,
  part: number,
  value: string,
  { screen, style }: { readonly screen: Screen; readonly style: Style },
): string {
  const valueWidth = 7;
  const room = screen.width - indent.length - labelWidth - valueWidth;
  if (room < 4) return cut(`${indent}${padded(label, labelWidth)}${value}`, screen.width);
  const [filled, empty] = bar(part, Math.min(longestBar, room), screen);
  const bars = paint(screen, style, filled) + paint(screen, 'dim', empty);
  return `${indent}${padded(label, labelWidth)}${bars}${value.padStart(valueWidth)}`;
}

function armLine(arm: Arm, tally: HostTally, screen: Screen): string {
  const { requests, errors, totalMs }: Answers = tally[arm];
  const ratio = requests === 0 ? '' : ` (${percent(errors / requests)})`;
  const mean = requests === 0 ? '' : `, ${grouped(totalMs / requests)} ms on average`;
  const lost = arm === 'stable' && tally.lost > 0 ? `, ${grouped(tally.lost)} answered by nobody` : '';
  const start = `${indent}${padded(versions[arm], labelWidth)}${grouped(requests)} answers, `;
  const bad = `${grouped(errors)} ${errors === 1 ? 'error' : 'errors'}${ratio}`;
  const line = cut(`${start}${bad}${mean}${lost}`, screen.width);
  const isNotable = requests > 0 && errors / requests > 0.05;
  return isNotable ? line.replace(bad, paint(screen, 'red', bad)) : line;
}

/** trail tells from the history when which weight began, in seconds after the release. */
function trail({ history = [] }: RolloutStatus, releasedAtMs: number | undefined): string {
  if (releasedAtMs === undefined) return '';
  const marks = history.flatMap(({ time, reason, to, weight }) => {
    const seconds = Math.max(0, ((parseTime(time) ?? releasedAtMs) - releasedAtMs) / 1000).toFixed(0);
    if (to === 'Succeeded' || to === 'Failed') return [`${to} at ${seconds} s`];
    return reason === 'StepStarted' ? [`${weight}% at ${seconds} s`] : [];
  });
  return marks.length === 0 ? '' : `after the release: ${marks.join(', ')}`;
}
