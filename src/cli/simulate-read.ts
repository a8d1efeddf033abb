/** Reads hours of samples from a metric source, in windows that it can answer. */
import { lastBlockEnd, type Block } from '../analysis/block.ts';
import type { Durations } from '../analysis/durations.ts';
import type { MetricSource, NoDataReason, SampleQuery, SamplesOutcome } from '../analysis/metric-source.ts';

/** Names are the exact values of the service label of each arm; canary may be empty. */
export interface Names {
  readonly stable: readonly string[];
  readonly canary: readonly string[];
}

/** Read is what a source has of a span: also nothing, as no blocks. */
export interface Read {
  readonly kind: 'Read';
  readonly blocks: readonly Block[];
  /** bounds are those that all durations have, in seconds. */
  readonly bounds: readonly number[];
  /** missing says why some of the span has no samples, or no durations. */
  readonly missing: readonly string[];
}

/** Unread is a span that the source could not answer for. */
export interface Unread {
  readonly kind: 'Unread';
  readonly message: string;
}

const hourMs = 3_600_000;

/** These are gaps in what is known; anything else is a source that does not answer. */
const gaps: readonly NoDataReason[] = ['TargetDown', 'SeriesAbsent'];

/** readSpan counts what both arms answered in (fromMs, untilMs]. */
export async function readSpan(
  source: MetricSource,
  names: Names,
  span: { readonly fromMs: number; readonly untilMs: number },
  signal: AbortSignal,
): Promise<Read | Unread> {
  const queries = windowsOf(source, span).map((window): SampleQuery => ({ ...names, ...window, bounds: 'All' }));
  const outcomes = new Map<number, SamplesOutcome>();
  const missing = new Set<string>();
  for await (const answers of source.sample(queries, signal)) {
    for (const { index, outcome } of answers) {
      if (outcome.kind === 'Samples') outcomes.set(index, outcome);
      else if (!gaps.includes(outcome.reason)) return { kind: 'Unread', message: outcome.message };
      const reason = outcome.kind === 'Samples' ? outcome.missingDurations?.message : outcome.message;
      if (reason !== undefined) missing.add(reason);
    }
  }
  const read = queries.flatMap((_, index) => outcomes.get(index) ?? []);
  return { kind: 'Read', ...join(read), missing: [...missing] };
}

function windowsOf(
  { blockMs }: MetricSource,
  { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
): readonly { readonly sinceMs: number; readonly untilMs: number }[] {
  const lengthMs = Math.max(blockMs, lastBlockEnd(hourMs, blockMs));
  const windows: { sinceMs: number; untilMs: number }[] = [];
  for (let sinceMs = lastBlockEnd(fromMs, blockMs); sinceMs < untilMs; sinceMs += lengthMs) {
    windows.push({ sinceMs, untilMs: Math.min(sinceMs + lengthMs, untilMs) });
  }
  return windows;
}

/** Buckets may have been changed meanwhile: only bounds that were there all the time can be looked at. */
function join(read: readonly SamplesOutcome[]): Pick<Read, 'blocks' | 'bounds'> {
  const known = read.flatMap(({ blocks, bounds }) => {
    return bounds !== undefined && blocks.some(({ durations }) => durations !== undefined) ? [bounds] : [];
  });
  const common = (known[0] ?? []).filter((bound) => known.every((bounds) => bounds.includes(bound)));
  const blocks = read.flatMap(({ blocks, bounds = [] }) => {
    const indexes = common.map((bound) => bounds.indexOf(bound));
    return blocks.map((block) => withBounds(block, indexes));
  });
  return { blocks, bounds: common };
}

function withBounds({ durations, ...block }: Block, indexes: readonly number[]): Block {
  if (durations === undefined || indexes.length === 0) return block;
  const pick = ({ total, within }: Durations): Durations => ({
    total,
    within: indexes.map((index) => within[index] ?? total),
  });
  return { ...block, durations: { stable: pick(durations.stable), canary: pick(durations.canary) } };
}
