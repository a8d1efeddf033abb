/** What a command needs beside the Rollout: who the caller is, and why a command was refused. */
import type { KubernetesObject } from './api/kubernetes.ts';
import type { Rollout } from './api/rollout.ts';
import { parseTime, systemClock } from './clock.ts';
import { isSluiceError, SluiceError } from './errors.ts';
import type { CommandHost, RolloutSource } from './rollout-source.ts';

/** askWho returns the name that the API server knows the caller by; without one, that of the user of this machine. */
export async function askWho({ backing }: RolloutSource, { env, signal }: CommandHost): Promise<string> {
  if (backing.kind === 'Folder') return env['USER'] ?? env['LOGNAME'] ?? 'unknown';
  const kind = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const answer = (await backing.store.client.request({ verb: 'create', path, body: kind, signal })) as Review;
  const { username } = answer.status?.userInfo ?? {};
  if (username !== undefined) return username;
  throw new SluiceError('ApiFailed', `POST ${path} did not say who you are.`);
}

interface Review {
  readonly status?: { readonly userInfo?: { readonly username?: string } };
}

/** The part of events.k8s.io/v1 Event that is read. */
interface Event extends KubernetesObject {
  readonly reason?: string;
  readonly note?: string;
  readonly eventTime?: string;
  readonly series?: { readonly lastObservedTime?: string };
}

/** An event follows the write of the status, when there is time for it. */
const eventDeadlineMs = 5_000;
const pollMs = 300;
/** Times of events are those of the controller's clock. */
const slackMs = 30_000;
const refusals = ['CommandIgnored', 'CommandStale'];

/** findRefusal returns the sentence of the newest event that refuses a command; undefined where there is none, or it may not be read. */
export async function findRefusal(
  source: RolloutSource,
  { metadata }: Rollout,
  { clock = systemClock, signal }: CommandHost,
): Promise<string | undefined> {
  const { backing } = source;
  if (backing.kind === 'Folder') return undefined;
  const sinceMs = source.nowMs() - slackMs;
  const untilMs = clock.monotonicMs() + eventDeadlineMs;
  const path = `/apis/events.k8s.io/v1/namespaces/${metadata.namespace ?? 'default'}/events`;
  const query = { fieldSelector: `regarding.name=${metadata.name},regarding.uid=${metadata.uid ?? ''}` };
  while (clock.monotonicMs() < untilMs && !signal.aborted) {
    const answer = await backing.store.client.request({ verb: 'list', path, query, signal }).catch((error: unknown) => {
      if (isSluiceError(error, 'ApiForbidden')) return undefined;
      throw error;
    });
    if (answer === undefined) return undefined;
    const { items = [] } = answer as { readonly items?: readonly Event[] };
    const [newest] = items
      .filter((event) => refusals.includes(event.reason ?? '') && timeOf(event) >= sinceMs)
      .toSorted((a, b) => timeOf(b) - timeOf(a));
    if (newest?.note !== undefined) return newest.note;
    await clock.sleep(pollMs, signal).catch(() => undefined);
  }
  return undefined;
}

function timeOf({ series, eventTime }: Event): number {
  return parseTime(series?.lastObservedTime ?? eventTime) ?? 0;
}
