/** Calls of the metric source, and sources for those who need one. */
import { sumBlocks } from '../../src/analysis/block.ts';
import type { MetricSource, SampleOutcome, SampleQuery } from '../../src/analysis/metric-source.ts';
import type { Arms } from '../../src/analysis/sample.ts';
import { emitted } from '../../src/source/emitted.ts';

/** sampleMany returns the answers in the order of the queries, without early ones; it fails where an index comes twice, or not at all. */
export async function sampleMany(
  source: Pick<MetricSource, 'sample'>,
  queries: readonly SampleQuery[],
  signal: AbortSignal,
): Promise<readonly SampleOutcome[]> {
  const outcomes = new Map<number, SampleOutcome>();
  for await (const answers of source.sample(queries, signal)) {
    for (const { index, outcome, isEarly = false } of answers) {
      if (isEarly) continue;
      if (outcomes.has(index)) throw new Error(`The answer ${index} came twice.`);
      outcomes.set(index, outcome);
    }
  }
  return queries.map((_query, index) => {
    const outcome = outcomes.get(index);
    if (outcome === undefined) throw new Error(`The answer ${index} did not come.`);
    return outcome;
  });
}

/** sampleOne returns the answer to a single query. */
export async function sampleOne(
  source: Pick<MetricSource, 'sample'>,
  query: SampleQuery,
  signal: AbortSignal,
): Promise<SampleOutcome> {
  const [outcome] = await sampleMany(source, [query], signal);
  if (outcome === undefined) throw new Error('There is no answer.');
  return outcome;
}

/** withSum adds to an answer what its blocks hold together. */
export function withSum(outcome: SampleOutcome): SampleOutcome & { readonly arms?: Arms } {
  return outcome.kind === 'Samples' ? { ...outcome, arms: sumBlocks(outcome.blocks) } : outcome;
}

/** eachAlone is how a source samples that answers every query by itself, in the order in which the answers are known. */
export function eachAlone(
  answer: (query: SampleQuery, signal: AbortSignal) => Promise<SampleOutcome>,
): MetricSource['sample'] {
  return (queries, signal) =>
    emitted(async (emit) => {
      await Promise.all(queries.map(async (query, index) => emit([{ index, outcome: await answer(query, signal) }])));
    });
}
