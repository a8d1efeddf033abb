/** What the comparison shows so far, as one short text for status.message, `kubectl describe` and events. */
import type { Interval } from './interval.ts';
import type { Arms, Counts } from './sample.ts';

/** Findings is what a sentence tells; a part that is left out is not told. */
export interface Findings {
  readonly arms: Arms;
  /** excess is the interval of canary's minus stable's error ratio, at confidence 1 - alpha. */
  readonly excess?: Interval;
  /** tolerated is how much greater the canary's error ratio may be at stable's present one, as a difference of ratios. */
  readonly tolerated?: number;
  /** alpha is how often a canary within its margin may be rolled back, beta how often one that is worse may pass. */
  readonly alpha: number;
  readonly beta: number;
  /** evidence is the logs of the e-processes. */
  readonly evidence?: { readonly lnRollback: number; readonly lnSafe: number };
  /** phi is by how much errors vary more than independent ones would, 1 or more. */
  readonly phi?: number;
  /** etaSeconds is when a verdict is expected at the present pace. */
  readonly etaSeconds?: number;
  readonly weightPercent?: number;
  /** latency is written already: `p99 0.3-1.2s against 0.1-0.3s`. */
  readonly latency?: string;
}

/** Pace is the evidence of safety gathered so far, in logs of e-processes. */
export interface Pace {
  readonly lnSafe: number;
  /** lnNeeded is ln(1 / beta). */
  readonly lnNeeded: number;
  readonly secondsSoFar: number;
}

/**
 * describeFindings writes the sentence. Up to 250 characters it holds everything; beyond that the evidence goes first
 * (status has it as numbers), then the bursts, then the time left. Counts, excess and latency stay.
 */
export function describeFindings(findings: Findings): string {
  const parts = [
    { text: countsText(findings.arms), dropped: never },
    { text: excessText(findings), dropped: never },
    { text: findings.latency === undefined ? '' : `Latency ${findings.latency}.`, dropped: never },
    { text: evidenceText(findings), dropped: 0 },
    { text: burstsText(findings.phi), dropped: 1 },
    { text: etaText(findings), dropped: 2 },
  ].filter(({ text }) => text !== '');
  const texts = [0, 1, 2, 3].map((least) =>
    parts
      .filter(({ dropped }) => dropped >= least)
      .map(({ text }) => text)
      .join(' '),
  );
  return texts.find((text) => text.length <= maxLength) ?? texts.at(-1) ?? '';
}

/**
 * etaSeconds returns after how many more seconds like those so far the evidence suffices; undefined when it suffices
 * already, when none was gathered, or when it would take more than a day: such a number would only be read as a promise.
 */
export function etaSeconds({ lnSafe, lnNeeded, secondsSoFar }: Pace): number | undefined {
  const seconds = ((lnNeeded - lnSafe) / lnSafe) * secondsSoFar;
  return lnSafe > 0 && seconds > 0 && seconds <= maxEtaSeconds ? seconds : undefined;
}

/** evidencePercent returns how much of the evidence that `alpha` asks for is there, 0 to 100; 100 only when it is enough. */
export function evidencePercent(lnEvidence: number, alpha: number): number {
  const share = lnEvidence / -Math.log(alpha);
  // Rounded down, but not for the last bit of ln(1 / alpha) computed another way.
  return share > 0 ? Math.min(100, Math.floor(share * 100 + 1e-9)) : 0;
}

const never = Infinity;
const maxLength = 250;
const maxEtaSeconds = 24 * 3600;
const leastPhi = 1.5;

function countsText({ canary, stable }: Arms): string {
  if (canary.requests <= 0 && stable.requests <= 0) return 'No requests on canary or stable yet.';
  if (canary.requests <= 0) return `No requests on the canary yet, stable ${ratioText(stable, 'bad ')}.`;
  const bad = ratioText(canary, 'bad ');
  if (stable.requests > 0) return `Canary ${bad}, stable ${ratioText(stable, '')}.`;
  return `Canary ${bad}. Stable has no requests: only absolute limits are checked.`;
}

/** Without requests on both sides an interval would only say that nothing is known. */
function excessText({ arms, excess, tolerated, alpha }: Findings): string {
  if (excess === undefined || arms.canary.requests <= 0 || arms.stable.requests <= 0) return '';
  const decimals = decimalsFor((excess.high - excess.low) * 100);
  const limit = tolerated === undefined ? '' : `, tolerated ${signed(shortest(tolerated * 100))}`;
  const low = signed((excess.low * 100).toFixed(decimals));
  const high = signed((excess.high * 100).toFixed(decimals));
  return `Excess ${low}..${high} points (${shortest((1 - alpha) * 100)}%${limit}).`;
}

function evidenceText({ evidence, alpha, beta, arms }: Findings): string {
  if (evidence === undefined || arms.canary.requests <= 0) return '';
  const rollback = evidencePercent(evidence.lnRollback, alpha);
  return `Rollback evidence ${rollback}%, safety evidence ${evidencePercent(evidence.lnSafe, beta)}%.`;
}

function burstsText(phi = 1): string {
  return phi > leastPhi ? `Errors come in bursts of about ${Math.round(phi)}; counts discounted.` : '';
}

function etaText({ etaSeconds, weightPercent }: Findings): string {
  if (etaSeconds === undefined) return '';
  const weight = weightPercent === undefined ? '' : ` at ${shortest(weightPercent)}%`;
  return `About ${durationText(etaSeconds)}${weight} to a verdict.`;
}

/** Coarse, and rounded up: it is an estimate. */
function durationText(seconds: number): string {
  if (seconds <= 50) return `${Math.max(1, Math.ceil(seconds / 10)) * 10} s`;
  if (seconds <= 90 * 60) return `${Math.ceil(seconds / 60)} min`;
  return `${Math.ceil(seconds / 3600)} h`;
}

function ratioText({ requests, errors }: Counts, word: string): string {
  return `${countText(errors)}/${countText(requests)} ${word}(${percentText(errors, requests)})`;
}

/** Plain up to seven digits, so that people can compare them with what they see elsewhere; then in millions. */
function countText(count: number): string {
  const whole = Math.round(count);
  return whole < 1e7 ? `${whole}` : `${Number((whole / 1e6).toPrecision(3))}M`;
}

/** 0 and 100 are written only for none and all. */
function percentText(errors: number, requests: number): string {
  const percent = (errors / requests) * 100;
  if (errors <= 0) return '0%';
  if (errors >= requests) return '100%';
  if (percent > 99.99) return '>99.99%';
  if (percent >= 0.01) return `${percent.toFixed(2)}%`;
  return percent >= 0.0001 ? `${percent.toFixed(4)}%` : '<0.0001%';
}

/** decimalsFor returns the decimals that show an interval of that width in two digits, at most 4. */
function decimalsFor(width: number): number {
  if (!(width > 0)) return 2;
  return Math.min(4, Math.max(0, 1 - Math.floor(Math.log10(width))));
}

/** signed puts a + before what is above zero, and takes the - from what is written as zero. */
function signed(text: string): string {
  const value = Number(text);
  if (value === 0) return text.replace('-', '');
  return value > 0 ? `+${text}` : text;
}

/** shortest writes a number in at most four digits and none that is not needed. */
function shortest(value: number): string {
  return String(Number(value.toPrecision(4)));
}
