/** MetricSource over Prometheus: raw samples are read from it for many rollouts at once, and counted here. */
import type {
  MetricSource,
  QueryOutcome,
  SampleAnswer,
  SampleOutcome,
  SampleQuery,
} from '../analysis/metric-source.ts';
import { lastBlockEnd } from '../analysis/block.ts';
import type { Clock } from '../clock.ts';
import { runBatch, type BatchParts } from './batch.ts';
import { Breaker, type SourceHealth } from './breaker.ts';
import { createChunkSize, type Wanted } from './chunks.ts';
import { noData } from './count.ts';
import { emitted } from './emitted.ts';
import { guardApi } from './guarded-api.ts';
import { createLanes } from './lanes.ts';
import {
  createPrometheusApi,
  type ApiAnswer,
  type ApiConfig,
  type Grid,
  type PrometheusApi,
} from './prometheus-api.ts';
import { numbersAt, readMatrix, readNumber } from './prometheus-answer.ts';
import { createGridReader, createRangeReader } from './prometheus-window.ts';
import { aliveQuery, type SelectorConfig } from './selectors.ts';
import { createSeenInstances } from './seen-instances.ts';
import { readServices } from './services.ts';
import { createTurns } from './turns.ts';
import type { UserQueryMode } from './user-query.ts';

/** PrometheusConfig is the operator's configuration of the source, with its defaults applied (`prometheusDefaults`). */
export interface PrometheusConfig extends Omit<ApiConfig, 'idleMs'>, SelectorConfig {
  /** scrapeIntervalMs is how often Prometheus scrapes Traefik. */
  readonly scrapeIntervalMs: number;
  /** latenessMs is how long a sample may take to become visible; default the greater of two scrapes and 15 s. */
  readonly latenessMs?: number;
  /** blockMs is the length of a block, at least one scrape; default the greater of one scrape and 10 s. */
  readonly blockMs?: number;
  readonly userQueries: UserQueryMode;
}

/** prometheusDefaults holds the value of each optional setting. */
export const prometheusDefaults = {
  serviceLabel: 'service',
  timeoutMs: 10_000,
  scrapeIntervalMs: 15_000,
  userQueries: 'Namespaced',
} as const satisfies Partial<PrometheusConfig>;

/** SourceOptions are what the host knows: `random` is in [0, 1). */
export interface SourceOptions {
  readonly random?: () => number;
  /** onHealth is told when Prometheus becomes unreachable, and when it answers again. */
  readonly onHealth?: (health: SourceHealth) => void;
}

/** PrometheusSource is a MetricSource with connections to close. */
export interface PrometheusSource extends MetricSource {
  /** health says since when, and why, Prometheus is unreachable, for samples and for the queries of users. */
  health(): SourceHealth;
  /** queryOver evaluates PromQL as `query` does, at every time of a grid. */
  queryOver(promql: string, grid: Grid, signal: AbortSignal): Promise<readonly QueryOutcome[]>;
  /** close ends all connections; queries under way fail. */
  close(): Promise<void>;
}

/** One call replays at most this much, so that a long absence is caught up in steps that each can be saved. */
const maxReplayMs = 3_600_000;

/** Chunks under way at once: of 8 connections some are left for the instances that they share, and for another call. */
const chunkLanes = 4;
const longLanes = 2;

/** A pod of Traefik that is gone is asked about for so long. */
const seenForMs = 300_000;

/** The largest answer that is read: raw samples of a chunk, and one number for a user's query. */
const maxSampleBytes = 32 * 1024 * 1024;
const maxNumberBytes = 1024 * 1024;

/** A connection rests from one tick to the next, and a server that has said nothing of it keeps one for minutes (Prometheus: five). */
const minIdleMs = 60_000;

/** createPrometheusSource returns the source; it does no I/O before the first query. */
export function createPrometheusSource(
  config: PrometheusConfig,
  clock: Clock,
  { random = Math.random, onHealth = () => {} }: SourceOptions = {},
): PrometheusSource {
  const turns = createTurns(clock);
  const blockMs = config.blockMs ?? Math.max(10_000, config.scrapeIntervalMs);
  const lookbackMs = 2 * config.scrapeIntervalMs + 5_000;
  const reach = { ...config, idleMs: Math.max(minIdleMs, 2 * blockMs) };
  const server = createPrometheusApi(reach, { maxBodyBytes: maxSampleBytes, turns }, clock);
  const probe = (signal: AbortSignal): Promise<ApiAnswer<unknown>> => server.query('vector(1)', clock.nowMs(), signal);
  const breaker = new Breaker({ clock, random, onHealth, probe });
  const samples = guardApi(server, breaker);
  // Connections of their own, so that slow queries of users hold up no samples. What a user asks may be too much for the
  // source, and says nothing of its health.
  const numbers = createPrometheusApi(reach, { maxBodyBytes: maxNumberBytes, turns }, clock);
  const parts: Parameters<typeof sample>[0] = {
    config,
    range: createRangeReader(samples, turns),
    grid: createGridReader(samples, turns),
    findDown: (atMs, signal) => findDown(samples, { config, atMs, windowMs: lookbackMs }, signal),
    lanes: createLanes(chunkLanes),
    longLanes: createLanes(longLanes),
    turns,
    chunkSize: createChunkSize(),
    bucketsSize: createChunkSize(),
    seen: createSeenInstances(clock, seenForMs),
    blockMs,
    breaker,
    lookbackMs,
    baseMs: lookbackMs + config.scrapeIntervalMs,
  };
  return {
    latenessMs: config.latenessMs ?? Math.max(2 * config.scrapeIntervalMs, 15_000),
    blockMs,
    resolutionMs: config.scrapeIntervalMs,
    sample: (queries, signal) => emitted((emit) => sample(parts, queries, signal, emit)),
    query: (promql, atMs, signal) => runUserQuery({ api: numbers, breaker, config }, { promql, atMs }, signal),
    queryOver: (promql, grid, signal) => queryOver(numbers, { promql, grid }, signal),
    health: () => breaker.health(),
    close: async () => {
      breaker.close();
      await Promise.all([samples.close(), numbers.close()]);
    },
  };
}

async function runUserQuery(
  {
    api,
    breaker,
    config,
  }: { readonly api: PrometheusApi; readonly breaker: Breaker; readonly config: PrometheusConfig },
  { promql, atMs }: { readonly promql: string; readonly atMs: number },
  signal: AbortSignal,
): Promise<QueryOutcome> {
  if (config.userQueries === 'Off') {
    return { kind: 'Error', reason: 'SourceRefused', message: 'User queries are switched off (--user-queries=Off).' };
  }
  const answer = (await breaker.ready(signal)) ?? (await api.query(promql, atMs, signal));
  if (answer.kind === 'Answer') return readNumber(answer.value.data);
  return { kind: 'Error', reason: answer.reason, message: answer.message };
}

/** Prometheus refuses ranges of more than 11,000 points (web/api/v1, api.go). */
const maxPoints = 10_000;

async function queryOver(
  api: PrometheusApi,
  { promql, grid: { fromMs, toMs, stepMs } }: { readonly promql: string; readonly grid: Grid },
  signal: AbortSignal,
): Promise<readonly QueryOutcome[]> {
  const outcomes: QueryOutcome[] = [];
  for (let startMs = fromMs; startMs <= toMs; startMs += maxPoints * stepMs) {
    const endMs = Math.min(toMs, startMs + (maxPoints - 1) * stepMs);
    const times = Array.from({ length: Math.floor((endMs - startMs) / stepMs) + 1 }, (_, at) => startMs + at * stepMs);
    const answer = await api.queryGrid(promql, { fromMs: startMs, toMs: endMs, stepMs }, signal);
    if (answer.kind === 'Answer') outcomes.push(...numbersAt(readMatrix(answer.value.data) ?? [], times));
    else
      outcomes.push(...times.map(() => ({ kind: 'Error', reason: answer.reason, message: answer.message }) as const));
  }
  return outcomes;
}

async function sample(
  parts: BatchParts & { readonly lookbackMs: number; readonly breaker: Breaker },
  queries: readonly SampleQuery[],
  signal: AbortSignal,
  emit: (answers: readonly SampleAnswer[]) => void,
): Promise<void> {
  const down = await parts.breaker.ready(signal);
  if (down !== undefined) {
    return emit(queries.map((_query, index) => ({ index, outcome: noData(down.reason, down.message) })));
  }
  const wanted: Wanted[] = [];
  const refused: SampleAnswer[] = [];
  for (const [index, query] of queries.entries()) {
    const services = readServices(query);
    if ('kind' in services) refused.push({ index, outcome: services });
    else wanted.push(toWanted(query, { index, services }, parts));
  }
  if (refused.length > 0) emit(refused);
  await runBatch(parts, wanted, signal, emit);
}

function toWanted(
  { sinceMs, untilMs: latestMs, bounds }: SampleQuery,
  { index, services }: Pick<Wanted, 'index' | 'services'>,
  { blockMs, lookbackMs }: { readonly blockMs: number; readonly lookbackMs: number },
): Wanted {
  const askedUntilMs = Math.max(sinceMs, lastBlockEnd(latestMs, blockMs));
  const untilMs = Math.min(askedUntilMs, Math.max(sinceMs, lastBlockEnd(sinceMs + maxReplayMs, blockMs)));
  const span = { fromMs: sinceMs - lookbackMs, toMs: untilMs };
  const wanted = { index, services, sinceMs, untilMs, askedUntilMs, span };
  if (bounds === undefined) return wanted;
  return { ...wanted, bounds: bounds === 'All' ? bounds : bounds.toSorted((left, right) => left - right) };
}

async function findDown(
  api: PrometheusApi,
  ask: { readonly config: SelectorConfig; readonly atMs: number; readonly windowMs: number },
  signal: AbortSignal,
): Promise<SampleOutcome | undefined> {
  const { config, atMs, windowMs } = ask;
  const answer = await api.query(aliveQuery(config, windowMs), atMs, signal);
  if (answer.kind === 'Failure') return noData(answer.reason, answer.message);
  const alive = readNumber(answer.value.data);
  if (alive.kind === 'Value' && alive.value > 0) return undefined;
  const which = config.extraMatchers ? `No target with ${config.extraMatchers}` : 'No Traefik instance';
  return noData('TargetDown', `${which} was scraped successfully in the last ${windowMs / 1000} s.`);
}
