/** What the judge would have said while a past release was under way, from what canary and stable really answered. */
import { sumBlocks, type Block } from '../analysis/block.ts';
import { addSamples, startEvidence, type Evidence, type Stage } from '../analysis/evidence.ts';
import type { Arms } from '../analysis/sample.ts';
import type { AnalysisSpec } from '../analysis/spec.ts';
import { judge, type Verdict } from '../analysis/verdict.ts';
import { formatTime } from '../clock.ts';
import { addPastChecks, type CheckPast } from './simulate-checks.ts';

/** Release is what was recorded of a past release; blocks hold both arms. */
export interface Release {
  readonly fromMs: number;
  readonly blocks: readonly Block[];
  readonly bounds: readonly number[];
  readonly blockMs: number;
  readonly latenessMs: number;
  /** before is stable's ten minutes before the release. */
  readonly before: { readonly blocks: readonly Block[]; readonly bounds: readonly number[] };
  /** checks are those of the spec, with what they said during the release. */
  readonly checks: readonly CheckPast[];
}

/** Change is when the verdict became another one. */
export interface Change {
  readonly at: string;
  readonly kind: Verdict['kind'];
  readonly reason: string;
  readonly message: string;
}

/** ReleaseReport is what the judge would have said; it stops at a Fail, for the canary would have had no traffic any more. */
export interface ReleaseReport {
  readonly counted: Arms;
  readonly changes: readonly Change[];
  /** rollBackAt is when the canary would have been taken out. */
  readonly rollBackAt: string | undefined;
  /** provenAt is when it was first proven safe. */
  readonly provenAt: string | undefined;
  /** last is the last verdict. */
  readonly last: Change | undefined;
}

/**
 * judgeRelease judges block by block. The weights of that time are not in the samples, so that all that both arms
 * answered together counts as one step, and what the canary answered after stable's last request as another, alone.
 */
export function judgeRelease(release: Release, spec: AnalysisSpec): ReleaseReport {
  const { fromMs, blocks, bounds, blockMs, latenessMs, before, checks } = release;
  const together: Stage = { sinceMs: fromMs, isAlone: false };
  const aloneMs = blocks.findLast(({ arms }) => arms.stable.requests > 0)?.endMs ?? fromMs;
  const alone: Stage = { sinceMs: aloneMs, isAlone: true };
  let evidence: Evidence = startEvidence('release', fromMs, spec, before);
  const changes: Change[] = [];
  let last: Change | undefined;
  let checkedMs = fromMs;
  for (const block of blocks) {
    const nowMs = block.endMs + latenessMs;
    const stage = block.endMs > aloneMs ? alone : together;
    const seen = { stable: true, canary: true };
    const outcome = { kind: 'Samples', blocks: [block], bounds, untilMs: block.endMs, seen, discarded: 0 } as const;
    evidence = addSamples(evidence, outcome, { spec, stage, blockMs }, nowMs);
    evidence = addPastChecks(evidence, checks, { sinceMs: checkedMs, untilMs: nowMs });
    checkedMs = nowMs;
    const verdict = judge(spec, evidence, { weightPercent: weightOf(evidence, stage), isComparable: false }, nowMs);
    const { kind, reason, message } = verdict;
    const isNew = last?.kind !== kind || last.reason !== reason;
    last = { at: formatTime(nowMs), kind, reason, message };
    if (isNew) changes.push(last);
    if (kind === 'Fail') break;
  }
  return {
    counted: sumBlocks(blocks),
    changes,
    rollBackAt: last?.kind === 'Fail' ? last.at : undefined,
    provenAt: changes.find(({ kind }) => kind === 'Pass')?.at,
    last,
  };
}

function weightOf({ canary, stable }: Evidence, { isAlone }: Stage): number {
  if (isAlone) return 100;
  return Math.min(99, Math.round((100 * canary.requests) / Math.max(1, canary.requests + stable.requests)));
}
