/**
 * MetricSource over the metrics that Traefik itself shows, without a Prometheus. What it counts it counts as if a
 * Prometheus had scraped at every tick. Memory is all it has: after a restart it counts from its first scrapes on.
 */
import { lastBlockEnd } from '../analysis/block.ts';
import type { MetricSource, SampleAnswer, SampleOutcome, SampleQuery } from '../analysis/metric-source.ts';
import type { Clock } from '../clock.ts';
import { SluiceError } from '../errors.ts';
import type { Wanted } from './chunks.ts';
import { countLate, maxGapMs, noData, type Late } from './count.ts';
import { emitted } from './emitted.ts';
import { dataOf, hasAnswered } from './scrape-data.ts';
import { Rounds } from './scrape-rounds.ts';
import type { ScrapeEndpoint } from './scrape-target.ts';
import { readServices } from './services.ts';
import type { Arm } from './targets.ts';
import { createTurns, type Turns } from './turns.ts';

/** ScrapeConfig is which Traefiks are scraped, and how often. */
export interface ScrapeConfig {
  /** targets are every single Traefik, never a Service in front of several: its counters would jump from one to the other. */
  readonly targets: readonly ScrapeEndpoint[] | (() => readonly ScrapeEndpoint[]);
  /** intervalMs is the time between two scrapes, and the length of a block; default `scrapeDefaults`. At each, Traefik writes out all its series. */
  readonly intervalMs?: number;
  /** timeoutMs is how long a round of scrapes may take; at most, and by default, three quarters of the interval. */
  readonly timeoutMs?: number;
}

/** scrapeDefaults holds the value of each optional setting. */
export const scrapeDefaults = { intervalMs: 2_000 } as const satisfies Partial<ScrapeConfig>;

/** ScrapeCollaborators are what the source needs from outside. */
export interface ScrapeCollaborators {
  readonly clock: Clock;
  /** nowMs is the time in which queries are asked, the API server's; default that of the clock. */
  readonly nowMs?: () => number;
  /** queries answers what users ask for in PromQL. */
  readonly queries?: Pick<MetricSource, 'query'>;
  /** onTarget is told when a target begins to fail, with what is wrong, and with nothing when it answers again. */
  readonly onTarget?: (name: string, problem: string | undefined) => void;
}

/** ScrapeSource is a MetricSource with connections to close. */
export interface ScrapeSource extends MetricSource {
  /** close ends all scrapes and connections; what is asked for afterwards is SourceUnreachable. */
  close(): Promise<void>;
}

/** Rollouts that are counted in one turn. */
const queriesPerTurn = 20;

/** The round that is under way may have begun before a service was wanted: the one after has it. */
const maxRoundsAwaited = 2;

/** createScrapeSource returns the source; it does no I/O before the first query, and none when nobody has asked for some time. */
export function createScrapeSource(config: ScrapeConfig, collaborators: ScrapeCollaborators): ScrapeSource {
  const { clock, nowMs = () => clock.nowMs(), queries, onTarget = () => undefined } = collaborators;
  const { targets, intervalMs = scrapeDefaults.intervalMs } = config;
  const timeoutMs = Math.min(config.timeoutMs ?? Infinity, 0.75 * intervalMs);
  const endpoints = typeof targets === 'function' ? targets : () => targets;
  const turns = createTurns(clock);
  const rounds = new Rounds({ endpoints, intervalMs, timeoutMs, clock, nowMs, turns, onTarget });
  return {
    latenessMs: 0,
    blockMs: intervalMs,
    resolutionMs: intervalMs,
    sample: (asked, signal) => emitted((emit) => sample({ rounds, turns, intervalMs, signal, emit }, asked)),
    query: (promql, atMs, signal) => queries?.query(promql, atMs, signal) ?? Promise.resolve(noQueries),
    close: () => rounds.close(),
  };
}

const noQueries = {
  kind: 'Error',
  reason: 'SourceRefused',
  message: 'Checks need Prometheus, and Sluice is configured to scrape Traefik itself.',
} as const;

/** Call is one call of the source. */
interface Call {
  readonly rounds: Rounds;
  readonly turns: Turns;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  readonly emit: (answers: readonly SampleAnswer[]) => void;
}

interface Asked {
  readonly index: number;
  readonly query: SampleQuery;
  readonly services: ReadonlyMap<string, Arm>;
}

async function sample(call: Call, queries: readonly SampleQuery[]): Promise<void> {
  const { rounds, emit, signal } = call;
  let open: readonly Asked[] = readQueries(queries, emit);
  for (let awaited = 0; open.length > 0; awaited += 1) {
    rounds.want(open.flatMap(({ services }) => [...services.keys()]));
    const { end } = rounds;
    const ready = new Set(open.filter((asked) => awaited === maxRoundsAwaited || isReady(asked, awaited, call)));
    open = open.filter((asked) => !ready.has(asked));
    await answer(call, [...ready]);
    if (open.length > 0) await unlessAborted(end, signal);
  }
}

function readQueries(queries: readonly SampleQuery[], emit: Call['emit']): readonly Asked[] {
  const asked: Asked[] = [];
  const refused: SampleAnswer[] = [];
  for (const [index, query] of queries.entries()) {
    const services = readServices(query);
    if ('kind' in services) refused.push({ index, outcome: services });
    else asked.push({ index, query, services });
  }
  if (refused.length > 0) emit(refused);
  return asked;
}

/** A block that is just over is waited for; one round is enough, also where the clocks disagree and it is not that block's. */
function isReady({ query, services }: Asked, awaited: number, { rounds, intervalMs }: Call): boolean {
  const { last, isClosed } = rounds;
  if (isClosed) return true;
  if (last === undefined || ![...services.keys()].every((name) => last.services.has(name))) return false;
  return awaited > 0 || last.atMs >= lastBlockEnd(query.untilMs, intervalMs);
}

async function answer({ rounds, turns, intervalMs, signal, emit }: Call, ready: readonly Asked[]): Promise<void> {
  for (let from = 0; from < ready.length; from += queriesPerTurn) {
    const answers = await turns.take(() =>
      ready.slice(from, from + queriesPerTurn).map((asked) => ({
        index: asked.index,
        outcome: count(rounds, toWanted(asked, rounds.last?.atMs, intervalMs), intervalMs),
      })),
    );
    throwIfAborted(signal);
    emit(answers);
  }
}

function toWanted({ index, query, services }: Asked, lastMs: number | undefined, intervalMs: number): Wanted {
  const { sinceMs, bounds } = query;
  const askedUntilMs = Math.max(sinceMs, lastBlockEnd(query.untilMs, intervalMs));
  const untilMs = Math.max(sinceMs, Math.min(askedUntilMs, lastMs ?? sinceMs));
  // The first scrape that looked for a service may come after the end of the window: it tells at least what there is.
  const span = { fromMs: sinceMs - maxGapMs, toMs: Math.max(untilMs, lastMs ?? untilMs) };
  return { index, services, sinceMs, untilMs, askedUntilMs, span, ...(bounds === undefined ? {} : { bounds }) };
}

function count(rounds: Rounds, wanted: Wanted, blockMs: number): SampleOutcome {
  if (rounds.isClosed) return noData('SourceUnreachable', 'The source is closed.');
  const { targets } = rounds;
  if (hasAnswered(targets, wanted) === false) return targetDown(rounds);
  const data = dataOf(targets, wanted, blockMs);
  if (data.requests.size > 0) return countLate(wanted, data, nothingLate);
  return rounds.last?.isDown === false ? seriesAbsent(wanted) : targetDown(rounds);
}

/** Nothing is read later: the data hold all that there is. */
const nothingLate: Late = { kind: 'Late', instances: [], unread: [] };

function targetDown({ listed }: Rounds): SampleOutcome {
  const first = listed.find(({ problem }) => problem !== undefined) ?? listed[0];
  if (first === undefined) return noData('TargetDown', 'There is no Traefik to scrape.');
  const others = listed.length > 1 ? ` (and ${listed.length - 1} more)` : '';
  return noData(
    'TargetDown',
    `No Traefik can be scraped: ${first.name} ${first.problem ?? 'did not answer'}${others}.`,
  );
}

function seriesAbsent({ services, untilMs }: Wanted): SampleOutcome {
  const message =
    `Traefik is scraped, but shows no traefik_service_requests_total of ${[...services.keys()].join(', ')}: ` +
    'no request yet, or service metrics are switched off.';
  return { kind: 'NoData', reason: 'SeriesAbsent', message, untilMs };
}

async function unlessAborted(task: Promise<void>, signal: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  const aborted = Promise.withResolvers<void>();
  const onAbort = (): void => aborted.resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  await Promise.race([task, aborted.promise]);
  signal.removeEventListener('abort', onAbort);
  throwIfAborted(signal);
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new SluiceError('Aborted', 'The question to the scraped Traefiks was cancelled.');
}
