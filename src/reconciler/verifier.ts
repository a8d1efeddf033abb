/** Asks every replica of the data plane whether it has loaded the weights that were written; of rollouts that run, and only of those. */
import type { ObjectKey } from '../api/kubernetes.ts';
import type { Clock } from '../clock.ts';
import type { ReplicaFinding } from '../rollout/observation.ts';
import { createLanes } from '../source/lanes.ts';
import { findEffect, type ReplicaEffect } from '../source/replica-effect.ts';
import type { ReplicaEndpoint, TraefikApi } from '../source/traefik-api.ts';
import type { EffectQuestion } from '../traffic/effect.ts';
import { Ticker } from './ticker.ts';

/** VerifierOptions are the collaborators; `nowMs` is the API server's time. */
export interface VerifierOptions {
  /** endpoints are the replicas of now. */
  readonly endpoints: () => readonly ReplicaEndpoint[];
  readonly open: (endpoint: ReplicaEndpoint) => TraefikApi;
  readonly clock: Clock;
  readonly nowMs: () => number;
  /** onChange is called when a replica says something else of a rollout than before. */
  readonly onChange: (key: ObjectKey) => void;
  readonly onAsk: (kind: ReplicaFinding['kind']) => void;
  /** onReplica is told when a replica cannot be asked any more, with what is wrong, and with nothing when it can. */
  readonly onReplica: (name: string, problem: string | undefined) => void;
  /** signal ends all questions and connections. */
  readonly signal: AbortSignal;
}

/**
 * Whoever waits for a weight hears of it within a second. Who has it is asked again now and then, so that a stale replica
 * shows, and so is who has not answered for so long.
 */
const awaitedMs = 1_000;
const knownMs = 30_000;

/** Questions that one replica answers at the same time. */
const questionsAtOnce = 4;

interface Asked {
  readonly key: ObjectKey;
  question: EffectQuestion;
  readonly answers: Map<string, Answer>;
}

interface Answer {
  readonly finding: ReplicaFinding;
  readonly askedMs: number;
}

interface Replica {
  readonly name: string;
  readonly api: TraefikApi;
  /** isBusy while a round is under way: a replica that hangs holds up only itself. */
  isBusy: boolean;
  problem: string | undefined;
  /** silentSinceMs is the monotonic time of the first of the last questions that all were without an answer. */
  silentSinceMs: number | undefined;
}

/** Verifier holds what the replicas say; all of it can be asked again. */
export class Verifier {
  readonly #options: VerifierOptions;
  readonly #followed = new Map<ObjectKey, Asked>();
  readonly #replicas = new Map<string, Replica>();
  readonly #awaited: Ticker;
  readonly #known: Ticker;

  constructor(options: VerifierOptions) {
    const { clock, signal } = options;
    this.#options = options;
    this.#awaited = new Ticker({ clock, periodMs: awaitedMs, onTick: () => this.#ask() });
    this.#known = new Ticker({ clock, periodMs: knownMs, onTick: () => this.#ask() });
    signal.addEventListener('abort', () => void this.#close(), { once: true });
  }

  /** follow asks `question` of a rollout from now on, in the place of the former one. */
  follow(key: ObjectKey, question: EffectQuestion): void {
    if (this.#options.signal.aborted) return;
    const asked = this.#followed.get(key);
    if (asked?.question.id === question.id) {
      asked.question = question;
      return;
    }
    this.#followed.set(key, { key, question, answers: new Map() });
    this.#known.start();
    this.#awaited.start();
  }

  /** unfollow asks no more about a rollout. */
  unfollow(key: ObjectKey): void {
    this.#followed.delete(key);
    if (this.#followed.size === 0) this.#stop();
  }

  /** findings are what each replica says; empty where the question is new, or no replica is known. */
  findings(key: ObjectKey, { id }: EffectQuestion): readonly ReplicaFinding[] {
    const asked = this.#followed.get(key);
    if (asked?.question.id !== id) return [];
    return [...this.#replicas.keys()].map((name) => asked.answers.get(name)?.finding ?? unasked(name));
  }

  async #close(): Promise<void> {
    this.#stop();
    this.#followed.clear();
    await Promise.all([...this.#replicas.values()].map(({ api }) => api.close()));
  }

  #stop(): void {
    this.#awaited.stop();
    this.#known.stop();
  }

  #isAwaited(): boolean {
    if (this.#replicas.size === 0) return true;
    const replicas = [...this.#replicas.values()];
    return [...this.#followed.values()].some((asked) => replicas.some((replica) => this.#isOpen(replica, asked)));
  }

  #isOpen({ name, silentSinceMs }: Replica, { answers }: Asked): boolean {
    const isSilent = silentSinceMs !== undefined && this.#options.clock.monotonicMs() - silentSinceMs >= knownMs;
    const kind = answers.get(name)?.finding.kind;
    return kind !== 'InEffect' && !(kind === 'Unreachable' && isSilent);
  }

  #ask(): void {
    this.#list();
    if (!this.#isAwaited()) this.#awaited.stop();
    const dueMs = this.#options.clock.monotonicMs() - knownMs + awaitedMs;
    for (const replica of this.#replicas.values()) {
      if (replica.isBusy) continue;
      const due = [...this.#followed.values()].filter((asked) => {
        return this.#isOpen(replica, asked) || (asked.answers.get(replica.name)?.askedMs ?? 0) <= dueMs;
      });
      if (due.length > 0) void this.#askReplica(replica, due);
    }
  }

  #list(): void {
    const { endpoints, open } = this.#options;
    const listed = new Map(endpoints().map((endpoint) => [endpoint.name, endpoint]));
    for (const [name, { api }] of this.#replicas) {
      if (listed.has(name)) continue;
      this.#replicas.delete(name);
      for (const { answers } of this.#followed.values()) answers.delete(name);
      void api.close();
    }
    for (const [name, endpoint] of listed) {
      if (this.#replicas.has(name)) continue;
      this.#replicas.set(name, {
        name,
        api: open(endpoint),
        isBusy: false,
        problem: undefined,
        silentSinceMs: undefined,
      });
    }
  }

  /** One that does not answer the first question is not asked the others. */
  async #askReplica(replica: Replica, [first, ...others]: readonly Asked[]): Promise<void> {
    if (first === undefined) return;
    replica.isBusy = true;
    const found = await this.#askOne(replica, first);
    this.#notice(replica, found);
    if (found.kind === 'Unreachable') {
      for (const asked of others) this.#record(replica, asked, found);
    } else {
      const lanes = createLanes(questionsAtOnce);
      await Promise.all(others.map((asked) => lanes.run(() => this.#askOne(replica, asked))));
    }
    replica.isBusy = false;
  }

  async #askOne(replica: Replica, asked: Asked): Promise<ReplicaEffect> {
    const { question } = asked;
    const found = await findEffect(replica.api, question);
    this.#options.onAsk(found.kind);
    this.#record(replica, asked, found);
    return found;
  }

  #record({ name, api }: Replica, asked: Asked, { kind, message }: ReplicaEffect): void {
    const isWanted = this.#followed.get(asked.key) === asked && this.#replicas.get(name)?.api === api;
    if (!isWanted || this.#options.signal.aborted) return;
    const { clock, nowMs, onChange } = this.#options;
    const before = asked.answers.get(name)?.finding;
    const finding = nextFinding(before, { name, kind, message, sinceMs: nowMs() });
    asked.answers.set(name, { finding, askedMs: clock.monotonicMs() });
    if (kind !== 'InEffect') this.#awaited.start();
    if (before?.kind !== kind || before.message !== message) onChange(asked.key);
  }

  #notice(replica: Replica, { kind, message }: ReplicaEffect): void {
    const problem = kind === 'Unreachable' ? message : undefined;
    if ((problem === undefined) !== (replica.problem === undefined)) this.#options.onReplica(replica.name, problem);
    replica.problem = problem;
    replica.silentSinceMs =
      problem === undefined ? undefined : (replica.silentSinceMs ?? this.#options.clock.monotonicMs());
  }
}

function nextFinding(before: ReplicaFinding | undefined, found: ReplicaFinding): ReplicaFinding {
  if (before?.kind !== found.kind) return found;
  const { sinceMs, hasMoved } = before;
  const moves = found.kind === 'NotYet' && found.message !== before.message;
  return { ...found, sinceMs, ...(moves || hasMoved === true ? { hasMoved: true } : {}) };
}

function unasked(name: string): ReplicaFinding {
  return { name, kind: 'Unasked', message: 'was not asked yet', sinceMs: 0 };
}
