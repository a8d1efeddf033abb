/** Reads what many rollouts need with few queries, chunk by chunk; each chunk succeeds or fails by itself. */
import type { SampleAnswer, SampleOutcome } from '../analysis/metric-source.ts';
import { cutChunks, groupByDistance, wantsDurations, type ChunkSize, type Group, type Wanted } from './chunks.ts';
import {
  addDurations,
  recount,
  joinBefore,
  lastScrapeBefore,
  lookAt,
  maxGapMs,
  noData,
  type Counted,
  type Data,
  type Late,
} from './count.ts';
import type { Lanes } from './lanes.ts';
import type { ApiAnswer, ApiFailure } from './prometheus-api.ts';
import { createInstanceBook, type InstanceBook, type RangeReader } from './prometheus-window.ts';
import { requestsSelector, type SelectorConfig } from './selectors.ts';
import { readDurations, type DurationReaderParts } from './duration-reader.ts';
import type { SeenInstances } from './seen-instances.ts';
import { groupBy, type Series } from './series.ts';
import { readAliveHours, skipUnknown } from './skip.ts';
import { instanceOf, type Span } from './targets.ts';

/** BatchConfig is what of the configuration counts here. */
export interface BatchConfig extends SelectorConfig {
  readonly scrapeIntervalMs: number;
}

/** BatchParts are what reads and counts; lanes and chunk size live as long as the source. */
export interface BatchParts extends DurationReaderParts {
  readonly config: BatchConfig;
  readonly range: RangeReader;
  /** findDown says that no Traefik was scraped shortly before `atMs`, if so. */
  readonly findDown: (atMs: number, signal: AbortSignal) => Promise<SampleOutcome | undefined>;
  /** lanes are for the usual windows, longLanes for those that are much longer: the past of stable, and what an absence has left. */
  readonly lanes: Lanes;
  readonly longLanes: Lanes;
  readonly chunkSize: ChunkSize;
  readonly seen: SeenInstances;
  /** baseMs is the length of the usual span. */
  readonly baseMs: number;
}

/** Emit hands answers on. */
type Emit = (answers: readonly SampleAnswer[]) => void;

/** Call is one call of the source: what all its chunks share. */
interface Call extends BatchParts {
  readonly signal: AbortSignal;
  readonly emit: Emit;
  readonly isDown: (atMs: number) => Promise<SampleOutcome | undefined>;
}

/** Reading is what the chunks of a group share: the lanes, and the instances, in the span and in the time before it. */
interface Reading {
  readonly call: Call;
  readonly group: Group;
  readonly lanes: Lanes;
  readonly recent: InstanceBook;
  readonly before: InstanceBook;
}

/** Chunk is what is asked together; `waiting` are those of it whose durations are still to be read. */
interface Chunk extends Reading {
  readonly waiting: Map<Wanted, Counted>;
}

/** runBatch emits an answer for each of `wanted`. Where chunks break, the others are answered first, and then the first error is thrown. */
export async function runBatch(
  parts: BatchParts,
  wanted: readonly Wanted[],
  signal: AbortSignal,
  emit: Emit,
): Promise<void> {
  const call: Call = { ...parts, signal, emit, isDown: onceFor((atMs) => parts.findDown(atMs, signal)) };
  const chunks = groupByDistance(wanted, parts.baseMs).flatMap((group) => {
    const reading = startReading(call, group);
    return cutChunks(group.members, parts.chunkSize.maxNames).map((members) => answerMembers(reading, members));
  });
  throwFirst(await Promise.allSettled(chunks));
}

/** Durations stand behind the counters of all chunks: they take longer, and a canary with errors must not wait for them. */
async function answerMembers(reading: Reading, members: readonly Wanted[]): Promise<void> {
  const chunk: Chunk = { ...reading, waiting: new Map() };
  await reading.lanes.run(() => runChunk(chunk, members));
  throwFirst(await Promise.allSettled(answerDurations(chunk)));
}

/** Spans of so many times the usual one are those of ticks that were missed; longer ones must not hold up the ticks. */
const maxUsual = 2;

function startReading(call: Call, group: Group): Reading {
  const earliestMs = Math.min(...group.members.map(({ sinceMs }) => sinceMs));
  const span = { fromMs: earliestMs - maxGapMs, toMs: group.span.fromMs };
  const { range, config, seen, signal, baseMs } = call;
  const { fromMs, toMs } = group.span;
  const lanes = toMs - fromMs > maxUsual * baseMs ? call.longLanes : call.lanes;
  const recent = createInstanceBook(range, config, group.span);
  // Beside the counters, so that a tick takes one round trip. Whoever needs an instance gets what went wrong.
  if (!group.isReplay) recent.read(seen.recent(), signal).catch(() => undefined);
  return { call, group, lanes, recent, before: createInstanceBook(range, config, span) };
}

async function runChunk(reading: Chunk, members: readonly Wanted[]): Promise<void> {
  const { call, group } = reading;
  // While Traefik is not scraped the watermarks stay, and the windows grow; ask the cheap question first.
  const live = group.isReplay ? await withoutDown(call, members) : members;
  if (live.length === 0) return;
  const requests = await readRequests(call, live, group.span);
  if (requests.kind === 'Failure' && requests.isTooMuch && live.length > 1) return runHalves(reading, live);
  if (requests.kind === 'Failure') return emitAll(call, live, failed(requests));
  const byService = groupBy(requests.value, (labels) => labels[call.config.serviceLabel] ?? '');
  const names = namesOf(requests.value);
  call.seen.note(names);
  const instances = await reading.recent.read(names, call.signal);
  if (instances.kind === 'Failure') return emitAll(call, live, failed(instances));
  const { blockMs, config } = call;
  const data = { serviceLabel: config.serviceLabel, blockMs, requests: byService, instances: instances.value };
  await answerChunk(reading, live, data);
}

async function answerChunk(reading: Chunk, members: readonly Wanted[], data: Data): Promise<void> {
  const { call } = reading;
  const looks = await call.turns.take(() => members.map((wanted) => ({ wanted, look: lookAt(wanted, data) })));
  const late = new Map<Wanted, Late>();
  const absent: Wanted[] = [];
  const counted = new Map<Wanted, Counted>();
  for (const { wanted, look } of looks) {
    if (look.kind === 'Absent') absent.push(wanted);
    else if (look.kind === 'Late') late.set(wanted, look);
    else counted.set(wanted, look);
  }
  // What is known now does not wait for what has to be asked further.
  answerCounted(reading, counted);
  throwFirst(await Promise.allSettled([answerAbsent(reading, absent), answerLate(reading, data, late)]));
}

/** answerCounted emits what is whole, and early what shows errors of a canary; the others wait for their durations. */
function answerCounted({ call, waiting }: Chunk, counted: ReadonlyMap<Wanted, Counted>): void {
  const answers: SampleAnswer[] = [];
  for (const [wanted, look] of counted) {
    const answer = { index: wanted.index, outcome: look.outcome };
    const isWaiting = look.outcome.kind === 'Samples' && wantsDurations(wanted, call.blockMs);
    if (isWaiting) waiting.set(wanted, look);
    if (!isWaiting) answers.push(answer);
    else if (hasErrors(look.outcome)) answers.push({ ...answer, isEarly: true });
  }
  if (answers.length > 0) call.emit(answers);
}

/** answerDurations answers those who wait, in parts. */
function answerDurations({ call, lanes, waiting }: Chunk): readonly Promise<void>[] {
  const { blockMs, turns, signal, emit } = call;
  const { scrapeIntervalMs } = call.config;
  return cutChunks([...waiting.keys()], call.bucketsSize.maxNames).map((members) =>
    lanes.run(async () => {
      const read = await readDurations(call, members, signal);
      const whole = { blockMs, durations: { read, scrapeIntervalMs } };
      const answers = await turns.take(() =>
        members.flatMap((wanted) => {
          const look = waiting.get(wanted);
          return look === undefined ? [] : [{ index: wanted.index, outcome: addDurations(look, wanted, whole) }];
        }),
      );
      emit(answers);
    }),
  );
}

function hasErrors(outcome: SampleOutcome): boolean {
  return outcome.kind === 'Samples' && outcome.blocks.some(({ arms }) => arms.canary.errors > 0);
}

/** throwFirst throws what the first of these threw, if one did: by then all of them have ended. */
function throwFirst(ends: readonly PromiseSettledResult<void>[]): void {
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

async function runHalves(reading: Chunk, members: readonly Wanted[]): Promise<void> {
  const middle = Math.ceil(members.length / 2);
  await runChunk(reading, members.slice(0, middle));
  await runChunk(reading, members.slice(middle));
}

async function withoutDown(call: Call, members: readonly Wanted[]): Promise<readonly Wanted[]> {
  const live: Wanted[] = [];
  for (const member of members) {
    const down = await call.isDown(member.askedUntilMs);
    if (down === undefined) live.push(member);
    else emitAll(call, [member], down);
  }
  return live;
}

async function readRequests(
  { config, range, chunkSize, signal }: Call,
  members: readonly Wanted[],
  span: Span,
  instances?: readonly string[],
): Promise<ApiAnswer<readonly Series[]>> {
  const names = [...new Set(members.flatMap(({ services }) => [...services.keys()]))];
  const answer = await range(requestsSelector(config, names, instances), span, signal);
  if (answer.kind === 'Answer') {
    if (instances === undefined) chunkSize.learn(names.length, answer.value.bytes);
    return { kind: 'Answer', value: answer.value.series };
  }
  if (answer.isTooMuch) chunkSize.halve(names.length);
  return answer;
}

/** Where there is no series at all, either nobody scrapes Traefik, or nobody has asked for these services. */
async function answerAbsent({ call, group }: Reading, absent: readonly Wanted[]): Promise<void> {
  if (absent.length === 0) return;
  if (group.isReplay) return answerUnknown(call, absent);
  const answers = absent.map(async (wanted): Promise<SampleAnswer> => {
    const outcome = (await call.isDown(wanted.untilMs)) ?? seriesAbsent(call.config, wanted);
    return { index: wanted.index, outcome };
  });
  call.emit(await Promise.all(answers));
}

async function answerUnknown(call: Call, absent: readonly Wanted[]): Promise<void> {
  const hours = await readAliveHours(call, absent, call.signal);
  if (hours.kind === 'Failure') return emitAll(call, absent, failed(hours));
  call.emit(absent.map((wanted) => ({ index: wanted.index, outcome: skipUnknown(wanted, hours.value, call.blockMs) })));
}

/** Instances whose first scrape in the window has no predecessor in the span are read further back. */
async function answerLate(reading: Chunk, data: Data, late: ReadonlyMap<Wanted, Late>): Promise<void> {
  if (late.size === 0) return;
  const { call } = reading;
  const members = [...late.keys()];
  const whole = await readBefore(reading, data, late);
  if (whole.kind === 'Failure') return emitAll(call, members, failed(whole));
  const counted = await call.turns.take(() =>
    [...late].map(([wanted, one]) => [wanted, recount(wanted, whole.value, one)] as const),
  );
  answerCounted(reading, new Map(counted));
}

async function readBefore(
  { call, group, before }: Reading,
  data: Data,
  late: ReadonlyMap<Wanted, Late>,
): Promise<ApiAnswer<Data>> {
  const unread = [...late].flatMap(([{ sinceMs }, one]) => one.unread.map((name) => ({ name, sinceMs })));
  const instances = await before.read([...new Set(unread.map(({ name }) => name))], call.signal);
  if (instances.kind === 'Failure') return instances;
  // Of an instance that was not scraped before, a new pod, there is nothing to read: no difference can start there.
  const found = unread.flatMap(({ name, sinceMs }) => {
    const atMs = lastScrapeBefore(instances.value, name, sinceMs);
    return atMs === undefined ? [] : [{ name, atMs }];
  });
  if (found.length === 0) return { kind: 'Answer', value: data };
  const names = [...new Set(found.map(({ name }) => name))];
  const span = { fromMs: Math.min(...found.map(({ atMs }) => atMs)), toMs: group.span.fromMs };
  const requests = await readRequests(call, [...late.keys()], span, names);
  if (requests.kind === 'Failure') return requests;
  const value = await call.turns.take(() => joinBefore(data, requests.value, instances.value, names));
  return { kind: 'Answer', value };
}

function namesOf(series: readonly Series[]): readonly string[] {
  return [...new Set(series.map(({ labels }) => instanceOf(labels)))];
}

function emitAll({ emit }: Call, members: readonly Wanted[], outcome: SampleOutcome): void {
  emit(members.map(({ index }) => ({ index, outcome })));
}

function failed({ reason, message }: ApiFailure): SampleOutcome {
  return noData(reason, message);
}

function seriesAbsent(config: SelectorConfig, { services, untilMs }: Wanted): SampleOutcome {
  return {
    kind: 'NoData',
    reason: 'SeriesAbsent',
    message:
      `Traefik is scraped, but there is no traefik_service_requests_total with ${config.serviceLabel} ${[...services.keys()].join(', ')}: ` +
      'no request yet, service metrics switched off, or another label name.',
    untilMs,
  };
}

/** onceFor asks once for each argument. */
function onceFor<T>(ask: (atMs: number) => Promise<T>): (atMs: number) => Promise<T> {
  const asked = new Map<number, Promise<T>>();
  return (atMs) => {
    const known = asked.get(atMs) ?? ask(atMs);
    asked.set(atMs, known);
    return known;
  };
}
