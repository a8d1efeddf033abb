import { createHash } from 'node:crypto';
import { resources, type KubernetesObject, type ObjectKey, type ObjectMeta } from '../api/kubernetes.ts';
import { formatMicroTime } from '../api/lease.ts';
import type { ObjectStore } from '../api/object-store.ts';
import type { Clock } from '../clock.ts';
import { createSpamFilter, type SpamFilter } from './spam-filter.ts';

/** The API server refuses a longer note. */
const maxNoteBytes = 1024;

/** An event that comes again within this time continues the series of the first. */
const seriesWindowMs = 600_000;

/** client-go's limits for the events of one object. */
const objectLimits = { burst: 25, refillMs: 300_000 } as const;

/** Of a quick ramp not every step is an event: that would be a third of what it costs. status.history has all of them. */
const alikeLimits = { burst: 5, refillMs: 300_000 } as const;

/** client-go's sizes: what waits to be sent, and how many different events are remembered. */
const maxQueued = 1000;
const maxRemembered = 4096;

/** Where the API server is slower than what happens, what went well is left out first: that is in status too. */
const maxQueuedNormal = 100;

/** EventNote is one event on an object; reason and action are CamelCase words, the note is a sentence. */
export interface EventNote {
  readonly regarding: KubernetesObject;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly note: string;
  /** action is what was done or tried, e.g. `ShiftTraffic`; the API server demands one. */
  readonly action: string;
}

/** EventRecorder tells users what happened to an object; it never delays or fails its caller. */
export interface EventRecorder {
  /** record sends an event soon, or drops it when too many wait, the object has had too many, or the server refuses. */
  record(event: EventNote): void;
  /** flush resolves when all that was recorded has been sent or dropped. */
  flush(): Promise<void>;
}

/** EventRecorderOptions: `component` and `instance` (the pod's or host's name) become the reporting controller. */
export interface EventRecorderOptions {
  readonly clock: Clock;
  readonly component: 'sluice';
  readonly instance: string;
  /** random returns a number in [0, 1). */
  readonly random: () => number;
  /** isShared: replicas that see the same write one event for it; the second one continues its series. */
  readonly isShared?: boolean;
  /** onDrop is called for each event that was not sent, with a sentence that says why. */
  readonly onDrop?: ((event: EventNote, why: string) => void) | undefined;
}

/** The part of events.k8s.io/v1 Event that is written. */
interface EventObject extends KubernetesObject {
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
}

/** A remembered event: the first one, how often it came, and under which key the API server has it. */
interface Series {
  readonly event: EventNote;
  count: number;
  lastMs: number;
  key: ObjectKey | undefined;
  isQueued: boolean;
}

interface Recorder {
  readonly store: Pick<ObjectStore, 'create' | 'patch'>;
  readonly options: EventRecorderOptions;
  readonly spam: SpamFilter;
  readonly alike: SpamFilter;
  /** In order of last use, so that the first is the one to forget. */
  readonly series: Map<string, Series>;
  readonly queue: Series[];
  sending: Promise<void> | undefined;
}

/**
 * createEventRecorder returns an EventRecorder that sends one event at a time through `store`. The same object, type,
 * reason, action and note within 10 minutes becomes a series of the first event; an object may have 25 events at once
 * and then one each 5 minutes, as with client-go; of one reason, unless it is a Warning, 5 at once and then one each 5 minutes.
 */
export function createEventRecorder(store: Recorder['store'], options: EventRecorderOptions): EventRecorder {
  const { clock } = options;
  const spam = createSpamFilter(clock, maxRemembered, objectLimits);
  const alike = createSpamFilter(clock, maxRemembered, alikeLimits);
  const recorder: Recorder = { store, options, spam, alike, series: new Map(), queue: [], sending: undefined };
  return {
    record: (event) => record(recorder, event),
    flush: () => recorder.sending ?? Promise.resolve(),
  };
}

function record(recorder: Recorder, event: EventNote): void {
  const { options, queue } = recorder;
  const series = remember(recorder, event);
  // What waits to be sent is sent with the count that it has then.
  if (series.isQueued) return;
  if (event.type === 'Normal' && !recorder.alike.accept(`${objectId(event.regarding)}/${event.reason}`)) {
    options.onDrop?.(event, 'The object has had too many of this reason.');
  } else if (!recorder.spam.accept(objectId(event.regarding))) {
    options.onDrop?.(event, 'The object has had too many events.');
  } else if (queue.length >= (event.type === 'Normal' ? maxQueuedNormal : maxQueued)) {
    options.onDrop?.(event, `${queue.length} events wait to be sent.`);
  } else {
    series.isQueued = true;
    queue.push(series);
    recorder.sending ??= sendAll(recorder);
  }
}

function remember(recorder: Recorder, event: EventNote): Series {
  const { series: remembered } = recorder;
  const nowMs = recorder.options.clock.nowMs();
  forgetExpired(remembered, nowMs);
  const id = eventId(event);
  const found = remembered.get(id);
  const isFresh = found !== undefined && Math.abs(nowMs - found.lastMs) < seriesWindowMs;
  const series = isFresh ? found : newSeries(event, nowMs);
  series.count += 1;
  series.lastMs = nowMs;
  remembered.delete(id);
  remembered.set(id, series);
  const oldest = remembered.keys().next();
  if (remembered.size > maxRemembered && oldest.done !== true) remembered.delete(oldest.value);
  return series;
}

/** newSeries keeps of the object only what names it: its status would be the greater part of the memory of the process. */
function newSeries(event: EventNote, nowMs: number): Series {
  const { apiVersion, kind, metadata } = event.regarding;
  const { name, namespace, uid, resourceVersion } = metadata;
  const regarding = { apiVersion, kind, metadata: { name, namespace, uid, resourceVersion } } as KubernetesObject;
  return { event: { ...event, regarding }, count: 0, lastMs: nowMs, key: undefined, isQueued: false };
}

/** Those that nothing can continue any more are at the front. */
function forgetExpired(remembered: Map<string, Series>, nowMs: number): void {
  for (const [id, { lastMs }] of remembered) {
    if (nowMs - lastMs < seriesWindowMs) return;
    remembered.delete(id);
  }
}

async function sendAll(recorder: Recorder): Promise<void> {
  // Whoever records several events in one go should not wait for the first one to be built.
  await Promise.resolve();
  for (let series = recorder.queue.shift(); series !== undefined; series = recorder.queue.shift()) {
    series.isQueued = false;
    try {
      await send(recorder, series);
    } catch (error) {
      recorder.options.onDrop?.(series.event, error instanceof Error ? error.message : String(error));
    }
  }
  // In the same step that found the queue empty, or what is recorded in between would wait for ever.
  recorder.sending = undefined;
}

async function send(recorder: Recorder, series: Series): Promise<void> {
  if (series.key !== undefined && (await extend(recorder, series, series.key))) return;
  const { options } = recorder;
  const object = eventObject(options, series);
  const outcome = await recorder.store.create(resources.events, object);
  if (outcome.kind === 'Written') {
    series.key = `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
    return;
  }
  if (outcome.kind === 'Conflict' && options.isShared === true) {
    const key: ObjectKey = `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
    // Somebody has told it before, so that this is the second time at least.
    series.count = Math.max(series.count, 2);
    if (await extend(recorder, series, key)) series.key = key;
    return;
  }
  const why = outcome.kind === 'Missing' ? 'Its namespace does not exist.' : outcome.message;
  options.onDrop?.(series.event, why);
}

/** Continues a series; false when the event is no longer there, since the API server keeps it for an hour only. */
async function extend(recorder: Recorder, series: Series, key: ObjectKey): Promise<boolean> {
  const value = { count: series.count, lastObservedTime: formatMicroTime(series.lastMs) };
  const outcome = await recorder.store.patch(resources.events, key, [{ op: 'add', path: '/series', value }]);
  return outcome.kind === 'Written';
}

function eventObject(options: EventRecorderOptions, series: Series): EventObject {
  const { event } = series;
  const { metadata, apiVersion, kind } = event.regarding;
  const object = {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: eventMeta(options, series),
    eventTime: formatMicroTime(series.lastMs),
    reportingController: options.component,
    reportingInstance: options.instance.slice(0, 128),
    type: event.type,
    reason: event.reason,
    action: event.action,
    note: truncateBytes(event.note, maxNoteBytes),
    regarding: {
      apiVersion,
      kind,
      name: metadata.name,
      namespace: metadata.namespace,
      uid: metadata.uid,
      resourceVersion: metadata.resourceVersion,
    },
  };
  if (series.count < 2) return object;
  return { ...object, series: { count: series.count, lastObservedTime: formatMicroTime(series.lastMs) } };
}

/** Named after the object, and the time as client-go does; what replicas share, after what it says. */
function eventMeta(options: EventRecorderOptions, { event, lastMs }: Series): ObjectMeta {
  const regarding = event.regarding.metadata;
  const suffix = options.isShared === true ? digestOf(event) : chanceSuffix(options, lastMs);
  const stem = regarding.name.slice(0, 220).replace(/[^a-z0-9]+$/, '');
  // Events of objects without a namespace live in "default".
  return { name: `${stem}.${suffix}`, namespace: regarding.namespace ?? 'default' };
}

function digestOf(event: EventNote): string {
  return createHash('sha256').update(eventId(event)).digest('hex').slice(0, 16);
}

/** Chance too, since two replicas may report in one millisecond. */
function chanceSuffix({ random }: EventRecorderOptions, nowMs: number): string {
  const chance = Math.floor(random() * 0x1_0000_0000).toString(16);
  return `${nowMs.toString(16)}${chance.padStart(8, '0')}`;
}

function eventId({ regarding, type, reason, action, note }: EventNote): string {
  return [objectId(regarding), type, reason, action, note].join('\n');
}

function objectId({ kind, metadata }: KubernetesObject): string {
  return `${kind ?? ''}/${metadata.namespace ?? ''}/${metadata.name}/${metadata.uid ?? ''}`;
}

/** Cuts between characters, so that the note stays UTF-8. */
function truncateBytes(text: string, maxBytes: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= maxBytes) return text;
  const mark = '…';
  const kept = new TextDecoder().decode(bytes.subarray(0, maxBytes - 3), { stream: true });
  return kept + mark;
}
