/** The port through which the analysis gets its numbers: Prometheus, a direct scrape, or Sluice's own proxy. */
import type { Block } from './block.ts';

/** SampleQuery asks for the requests answered in (sinceMs, untilMs], in milliseconds since the epoch. One of the arms may be empty. */
export interface SampleQuery {
  /** stable lists the exact values of the service label that count as stable. */
  readonly stable: readonly string[];
  /** canary lists the exact values of the service label that count as canary. */
  readonly canary: readonly string[];
  /** sinceMs is the watermark: on the grid of the blocks, but for the first query. */
  readonly sinceMs: number;
  /** untilMs is at most now - latenessMs of the source; the caller clamps it. */
  readonly untilMs: number;
  /** bounds asks also how long good requests took: at which bounds of the buckets, in seconds, or at all that there are. */
  readonly bounds?: 'All' | readonly number[];
}

/** NoDataReason says why there are no samples. */
export type NoDataReason = 'SourceUnreachable' | 'SourceRefused' | 'SourcePartial' | 'TargetDown' | 'SeriesAbsent';

/** SamplesOutcome is a window that was read: each request in it is counted once, in this answer and in no other. */
export interface SamplesOutcome {
  readonly kind: 'Samples';
  /** blocks are ascending. One without any scrape is left out, one whose scrapes saw no request holds zeros. */
  readonly blocks: readonly Block[];
  /** bounds are those of the durations in the blocks, in seconds, ascending and finite; there where they were asked for. */
  readonly bounds?: readonly number[];
  /** missingDurations says why durations that were asked for could not be read; the requests hold all the same. */
  readonly missingDurations?: { readonly reason: NoDataReason; readonly message: string };
  /**
   * untilMs is the watermark: everything up to here is counted. It is the end of a block, so that windows however cut
   * give the same blocks, or else `sinceMs` where no block is complete. A long replay stops before the queried end.
   */
  readonly untilMs: number;
  /** skipped is a time of which the source knows nothing any more, or never did; it is over at `untilMs`. */
  readonly skipped?: { readonly fromMs: number; readonly toMs: number };
  /** seen says whether any series of that arm exists. */
  readonly seen: { readonly stable: boolean; readonly canary: boolean };
  /** discarded is the number of scrapes of single instances whose difference to the one before could not be trusted. */
  readonly discarded: number;
}

/** NoDataOutcome is a window about which nothing is known. */
export interface NoDataOutcome {
  readonly kind: 'NoData';
  readonly reason: NoDataReason;
  readonly message: string;
  /** untilMs is set where the window was read completely and held no series: the watermark may move there. */
  readonly untilMs?: number;
}

/** SampleOutcome is the answer to a SampleQuery. */
export type SampleOutcome = SamplesOutcome | NoDataOutcome;

/** SampleAnswer is the answer to the query at `index` of those that were given. */
export interface SampleAnswer {
  readonly index: number;
  readonly outcome: SampleOutcome;
  /** isEarly says that the same comes again with the durations that were asked for; errors of the canary need not wait for them. */
  readonly isEarly?: boolean;
}

/** QueryOutcome is the answer to a user's query; `value` may be NaN or infinite, which no check passes. */
export type QueryOutcome =
  | { readonly kind: 'Value'; readonly value: number }
  | { readonly kind: 'NoData'; readonly message: string }
  | {
      readonly kind: 'Error';
      readonly reason: 'SourceUnreachable' | 'SourceRefused' | 'SourcePartial' | 'NotOneNumber';
      readonly message: string;
    };

/** MetricSource delivers samples. Its calls throw a SluiceError `Aborted` when `signal` aborts. */
export interface MetricSource {
  /**
   * sample counts the requests of both arms in the windows of many rollouts, in complete blocks; successive windows of
   * one rollout that touch count each request once. Every index comes once (besides an early answer), in parts, as they
   * are known: what is slow or fails holds up and spoils nothing else. Should it throw, the indexes that have not come are unknown, and the others hold.
   */
  sample(queries: readonly SampleQuery[], signal: AbortSignal): AsyncIterable<readonly SampleAnswer[]>;
  /** query evaluates PromQL that has been rendered and scoped to its namespace, at `atMs`. */
  query(promql: string, atMs: number, signal: AbortSignal): Promise<QueryOutcome>;
  /** latenessMs: samples newer than now - latenessMs may still be incomplete. */
  readonly latenessMs: number;
  /** blockMs is the length of a block; blocks end at multiples of it since the epoch. It is never shorter than resolutionMs. */
  readonly blockMs: number;
  /** resolutionMs is how often something new is there to be counted: one scrape interval. */
  readonly resolutionMs: number;
}
