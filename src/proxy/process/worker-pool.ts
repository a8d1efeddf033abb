import type { Clock } from '../../clock.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { ServerDown } from '../services/service-table.ts';
import type { CountersMessage, FromWorker, ListeningAddress, ToWorker } from './messages.ts';

/** WorkerPort is a worker as the primary sees it: another process, or a part of this one. */
export interface WorkerPort {
  /** name tells it apart in logs, e.g. its process id. */
  readonly name: string;
  send(message: ToWorker): void;
  /** kill ends it at once; what it has open breaks. */
  kill(): void;
}

/** WorkerEvents are called by a port: any messages, then one exit. */
export interface WorkerEvents {
  onMessage(message: FromWorker): void;
  onExit(how: string): void;
}

/** WorkerPoolOptions: `start` makes the first message of a worker, with everything that it has to know then. */
export interface WorkerPoolOptions {
  readonly count: number;
  readonly spawn: (events: WorkerEvents) => WorkerPort;
  readonly start: () => ToWorker & { readonly kind: 'Start' };
  readonly clock: Clock;
  readonly logger: Logger;
  /** graceMs is how long open streams have when a worker ends. */
  readonly graceMs: number;
  readonly onCounters: (worker: WorkerPort, message: CountersMessage) => void;
  readonly onGone: (worker: WorkerPort) => void;
  /** onServerDown is told what one worker found out; the pool tells the other workers. */
  readonly onServerDown: (down: ServerDown) => void;
  /** onApplied: every worker that serves has this generation of the configuration. */
  readonly onApplied: (generation: number) => void;
}

/** A worker that died younger than this is not replaced at once: it may be what it serves that kills it. */
const infancyMs = 10_000;
const firstDelayMs = 500;
const longestDelayMs = 30_000;

/** So long after its grace a worker that has not ended is killed. */
const killAfterMs = 5000;

type State = 'Starting' | 'Serving' | 'Leaving';

interface Member {
  readonly port: WorkerPort;
  readonly startedAtMs: number;
  readonly serving: PromiseWithResolvers<readonly ListeningAddress[]>;
  readonly gone: PromiseWithResolvers<void>;
  state: State;
  generation: number;
}

/** WorkerPool keeps `count` workers serving: it replaces those that die, and those that leave before they are gone. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #members = new Set<Member>();
  #delayMs = firstDelayMs;
  #isStopping = false;
  #died = 0;
  #applied = -1;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /** died is how many workers ended that nobody had told to. */
  get died(): number {
    return this.#died;
  }

  /** serving is how many workers serve now. */
  get serving(): number {
    return [...this.#members].filter(({ state }) => state === 'Serving').length;
  }

  /** start resolves with where all of them listen; it rejects when one cannot. */
  async start(): Promise<readonly ListeningAddress[]> {
    const members = Array.from({ length: this.#options.count }, () => this.#spawn());
    const [addresses = []] = await Promise.all(members.map(({ serving }) => serving.promise));
    return addresses;
  }

  /** send tells all workers, those that are starting too. */
  send(message: ToWorker): void {
    for (const { port } of this.#members) port.send(message);
  }

  /** restart replaces one worker after the other; each leaves when the one in its place serves. */
  async restart(): Promise<void> {
    // Those that come meanwhile are new already.
    const present = [...this.#members];
    for (const member of present) {
      if (member.state === 'Serving') await this.#replace(member);
    }
  }

  /** stop drains all workers and resolves when they are gone. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all([...this.#members].map((member) => this.#drain(member)));
  }

  #spawn(): Member {
    const { spawn, start, clock } = this.#options;
    const first = start();
    const port = spawn({
      onMessage: (message) => this.#onMessage(member, message),
      onExit: (how) => this.#onExit(member, how),
    });
    const member: Member = {
      port,
      startedAtMs: clock.monotonicMs(),
      serving: Promise.withResolvers(),
      gone: Promise.withResolvers(),
      state: 'Starting',
      generation: first.generation,
    };
    // Only the first ones are waited for.
    member.serving.promise.catch(() => undefined);
    this.#members.add(member);
    port.send(first);
    return member;
  }

  #onMessage(member: Member, message: FromWorker): void {
    switch (message.kind) {
      case 'Listening':
        if (member.state === 'Starting') member.state = 'Serving';
        member.serving.resolve(message.addresses);
        return this.#onApplied();
      case 'Failed':
        return member.serving.reject(new Error(message.message));
      case 'Applied':
        member.generation = message.generation;
        return this.#onApplied();
      case 'Counters':
        return this.#options.onCounters(member.port, message);
      case 'Leaving':
        return void this.#replace(member);
      case 'Health':
        this.#options.onServerDown(message.down);
        return this.#sendOthers(member, message);
    }
  }

  #onApplied(): void {
    const serving = [...this.#members].filter(({ state }) => state === 'Serving');
    const generation = Math.min(...serving.map((member) => member.generation));
    if (generation <= this.#applied || generation === Infinity) return;
    this.#applied = generation;
    this.#options.onApplied(generation);
  }

  #sendOthers(sender: Member, message: ToWorker): void {
    for (const member of this.#members) if (member !== sender) member.port.send(message);
  }

  async #replace(member: Member): Promise<void> {
    if (this.#isStopping || member.state === 'Leaving') return;
    member.state = 'Leaving';
    await this.#spawn().serving.promise.catch(() => undefined);
    await this.#drain(member);
  }

  async #drain(member: Member): Promise<void> {
    const { clock, graceMs } = this.#options;
    member.state = 'Leaving';
    member.port.send({ kind: 'Drain', graceMs });
    const cancel = clock.schedule(graceMs + killAfterMs, () => member.port.kill());
    await member.gone.promise;
    cancel();
  }

  #onExit(member: Member, how: string): void {
    const { clock, logger, onGone } = this.#options;
    const wasTold = member.state === 'Leaving';
    this.#members.delete(member);
    onGone(member.port);
    member.serving.reject(new Error(`a worker ended before it served (${how})`));
    member.gone.resolve();
    if (wasTold || this.#isStopping) return;
    this.#died += 1;
    const isInfant = clock.monotonicMs() - member.startedAtMs < infancyMs;
    const delayMs = isInfant ? this.#delayMs : 0;
    this.#delayMs = isInfant ? Math.min(this.#delayMs * 2, longestDelayMs) : firstDelayMs;
    logger.error('a worker of the proxy died', { worker: member.port.name, how, replacedInMs: delayMs });
    clock.schedule(delayMs, () => {
      if (!this.#isStopping) this.#spawn();
    });
  }
}
