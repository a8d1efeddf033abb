/** Which rollouts are asked for together: by the window that they need, and no more than one answer should hold. */
import { blockEndOf } from '../analysis/block.ts';
import { escapeRegex } from '../analysis/promql.ts';
import type { Arm, Span } from './targets.ts';

/** Wanted is one SampleQuery, ready to be read. */
export interface Wanted {
  /** index is its place among the queries of the call. */
  readonly index: number;
  readonly services: ReadonlyMap<string, Arm>;
  readonly sinceMs: number;
  /** untilMs is the end of the last block that this call counts, at least sinceMs; with a long absence that is before what was asked for. */
  readonly untilMs: number;
  /** askedUntilMs is the end of the last complete block that was asked for. */
  readonly askedUntilMs: number;
  /** bounds are ascending. */
  readonly bounds?: 'All' | readonly number[];
  /** span is what has to be read: the window, and enough before it to hold the scrape that the first difference starts from. */
  readonly span: Span;
}

/** wantsDurations tells whether bounds were asked for, of at least one whole block. */
export function wantsDurations({ bounds, sinceMs, untilMs }: Wanted, blockMs: number): boolean {
  return bounds !== undefined && blockEndOf(sinceMs, blockMs) < untilMs;
}

/** Group is what is read in one span; the spans of its members differ by so little that nobody reads much in vain. */
export interface Group {
  readonly span: Span;
  readonly isReplay: boolean;
  readonly members: readonly Wanted[];
}

/**
 * groupByDistance puts queries together whose spans have about the same length and place, the shortest first. A span
 * grows to at most twice its shortest member (or twice `baseMs`): so a rollout that is hours behind makes nobody else's
 * window long, and however far all are apart, there are few groups.
 */
export function groupByDistance(wanted: readonly Wanted[], baseMs: number): readonly Group[] {
  const groups: { span: Span; isReplay: boolean; maxMs: number; members: Wanted[] }[] = [];
  const ordered = wanted.toSorted(
    (left, right) => Number(isReplay(left)) - Number(isReplay(right)) || lengthOf(left.span) - lengthOf(right.span),
  );
  for (const one of ordered) {
    const fitting = groups.find(
      (group) => group.isReplay === isReplay(one) && lengthOf(union(group.span, one.span)) <= group.maxMs,
    );
    if (fitting === undefined) {
      const maxMs = 2 * Math.max(lengthOf(one.span), baseMs);
      groups.push({ span: one.span, isReplay: isReplay(one), maxMs, members: [one] });
    } else {
      fitting.span = union(fitting.span, one.span);
      fitting.members.push(one);
    }
  }
  return groups;
}

function isReplay({ untilMs, askedUntilMs }: Wanted): boolean {
  return untilMs < askedUntilMs;
}

function lengthOf({ fromMs, toMs }: Span): number {
  return toMs - fromMs;
}

function union(left: Span, right: Span): Span {
  return { fromMs: Math.min(left.fromMs, right.fromMs), toMs: Math.max(left.toMs, right.toMs) };
}

/** A longer expression is spilled to disk or refused by some proxies in between. */
const maxExpressionChars = 32_768;

/** cutChunks cuts members into runs that together name at most `maxNames` services, and at least one member each. */
export function cutChunks(members: readonly Wanted[], maxNames: number): readonly (readonly Wanted[])[] {
  const chunks: Wanted[][] = [];
  let names = new Set<string>();
  let chars = 0;
  for (const member of members) {
    const added = [...member.services.keys()].filter((name) => !names.has(name));
    const addedChars = lengthOfNames(added);
    const chunk = chunks.at(-1);
    if (chunk !== undefined && names.size + added.length <= maxNames && chars + addedChars <= maxExpressionChars) {
      chunk.push(member);
      for (const name of added) names.add(name);
      chars += addedChars;
    } else {
      chunks.push([member]);
      names = new Set(member.services.keys());
      chars = lengthOfNames(names);
    }
  }
  return chunks;
}

function lengthOfNames(names: Iterable<string>): number {
  let chars = 0;
  for (const name of names) chars += escapeRegex(name).length + 1;
  return chars;
}

/** ChunkSize finds out how many services one answer may hold, from the size of the answers before. */
export interface ChunkSize {
  readonly maxNames: number;
  /** learn is told of every answer: how many services were asked for, and how many bytes came. */
  learn(names: number, bytes: number): void;
  /** halve is told of a query that was too much for the other side. */
  halve(names: number): void;
}

/** Up to so many alternatives Prometheus looks each up in its index; beyond, it tries the expression on every value of the label (model/labels/regexp.go, maxSetMatches). */
const maxAlternatives = 256;
const firstNames = 64;
const minNames = 4;

/**
 * What is read of an answer takes three times its size, and should be let go while it is young: the young generation is
 * small (Dockerfile). With smaller ones there were more than 120 queries a minute at 1,000 rollouts.
 */
const targetBytes = 576 * 1024;

/** After so many answers of the largest size that was not too much, a larger one is tried again. */
const answersPerTrial = 1_000;

/** createChunkSize starts small and doubles while answers are small, as TCP does: how many pods and codes a service has is not known before. */
export function createChunkSize(): ChunkSize {
  let maxNames = firstNames;
  let ceiling = maxAlternatives;
  let answers = 0;
  const limit = (names: number): number => Math.min(ceiling, Math.max(minNames, Math.floor(names)));
  const grow = (names: number): void => {
    answers += 1;
    if (answers % answersPerTrial === 0) ceiling = Math.min(maxAlternatives, ceiling * 2);
    maxNames = Math.max(maxNames, limit(Math.min(names, maxNames * 2)));
  };
  return {
    get maxNames() {
      return maxNames;
    },
    learn: (names, bytes) => {
      const fitting = (names * targetBytes) / bytes;
      if (bytes > 2 * targetBytes) maxNames = Math.min(maxNames, limit(fitting));
      else if (names > maxNames / 2) grow(fitting);
    },
    halve: (names) => {
      ceiling = limit(names / 2);
      maxNames = Math.min(maxNames, ceiling);
    },
  };
}
