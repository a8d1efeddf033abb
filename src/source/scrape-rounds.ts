/** Scrapes all targets on a grid of time, while somebody asks for services. */
import { lastBlockEnd } from '../analysis/block.ts';
import type { Clock } from '../clock.ts';
import { maxGapMs } from './count.ts';
import { expositionLimits } from './exposition.ts';
import { SeriesFilter } from './exposition-filter.ts';
import { createLanes } from './lanes.ts';
import { bucketsMetric, requestsMetric, startMetric } from './scrape-history.ts';
import { ScrapeTarget, type ScrapeEndpoint } from './scrape-target.ts';
import type { Turns } from './turns.ts';

/** RoundsOptions are the collaborators; a round takes at most `timeoutMs`, which is less than `intervalMs`. */
export interface RoundsOptions {
  readonly endpoints: () => readonly ScrapeEndpoint[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly nowMs: () => number;
  readonly turns: Turns;
  /** onTarget is told when a target begins to fail, with what is wrong, and when it answers again. */
  readonly onTarget: (name: string, problem: string | undefined) => void;
}

/** Round is one that is over: when it was, of which services it kept the series, and whether no target answered. */
interface Round {
  readonly atMs: number;
  readonly services: ReadonlySet<string>;
  readonly isDown: boolean;
}

/** Scrapes of a window that nobody has asked for in this time are gone. */
const keepMs = 180_000;

/** Targets that are read at the same time: more would only share the same thread. */
const targetsAtOnce = 4;

/** A service that nobody has asked for in this time, or in ten intervals, is not kept any more. */
const idleMs = 60_000;

/** A clock that was set back by less is waited for. */
const patienceIntervals = 5;

/**
 * Rounds holds the targets. A round has the timestamp of the tick of the grid it belongs to, so that what it brings is
 * in the block that ends there, and every block has one scrape of each target.
 */
export class Rounds {
  readonly #options: RoundsOptions;
  readonly #stop = new AbortController();
  readonly #targets = new Map<string, ScrapeTarget>();
  /** #askedMs holds the services that are wanted, by when they were asked for last. */
  readonly #askedMs = new Map<string, number>();
  #filter: { readonly services: ReadonlySet<string>; readonly series: SeriesFilter } = filterOf(new Set());
  #listed: readonly ScrapeTarget[] = [];
  #last: Round | undefined;
  #end = Promise.withResolvers<void>();
  #isRunning = false;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** last is the round that ended last. */
  get last(): Round | undefined {
    return this.#last;
  }

  /** end resolves when the next round has ended, or there will be none. */
  get end(): Promise<void> {
    return this.#end.promise;
  }

  get isClosed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** targets are those that are listed, and those that were while what they showed is still kept. */
  get targets(): readonly ScrapeTarget[] {
    return [...this.#targets.values()];
  }

  /** listed are the targets of the last round. */
  get listed(): readonly ScrapeTarget[] {
    return this.#listed;
  }

  /** want keeps services for some time, from the next round on. Where nothing is scraped, a round begins at once. */
  want(services: Iterable<string>): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const name of services) this.#askedMs.set(name, nowMs);
    if (this.#isRunning || this.isClosed) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** close ends what is under way, and all connections. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#endRound();
    await this.#forgetAll();
  }

  async #run(): Promise<void> {
    const { intervalMs, nowMs } = this.#options;
    while (!this.isClosed && this.#isWanted()) {
      const atMs = lastBlockEnd(nowMs(), intervalMs);
      if (this.#last !== undefined && atMs < this.#last.atMs - patienceIntervals * intervalMs) await this.#forgetAll();
      if (this.#last === undefined || atMs > this.#last.atMs) await this.#round(atMs);
      else await this.#sleep(atMs + intervalMs - nowMs());
    }
    this.#isRunning = false;
    // Who comes back later starts anew: a difference over the time in between would count what was before its question.
    await this.#forgetAll();
  }

  /** Not interrupted by close, as the timer of a signal does not keep the process alive, in contrast to that of Clock.sleep. */
  async #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#options.clock.timeout(ms).addEventListener('abort', () => resolve(), { once: true });
    await promise;
  }

  #isWanted(): boolean {
    const { clock, intervalMs } = this.#options;
    const oldestMs = clock.monotonicMs() - Math.max(idleMs, 10 * intervalMs);
    for (const [name, askedMs] of this.#askedMs) if (askedMs < oldestMs) this.#askedMs.delete(name);
    return this.#askedMs.size > 0;
  }

  async #round(atMs: number): Promise<void> {
    const { clock, timeoutMs, turns } = this.#options;
    if (!isSame(this.#filter.services, this.#askedMs)) this.#filter = filterOf(new Set(this.#askedMs.keys()));
    const { services, series } = this.#filter;
    this.#list();
    for (const { history } of this.#targets.values()) history.keepOnly(services);
    const signal = AbortSignal.any([this.#stop.signal, clock.timeout(timeoutMs)]);
    const lanes = createLanes(targetsAtOnce);
    // Those that hang come last, so that they hold up nobody.
    const ordered = this.#listed.toSorted((left, right) => Number(hasProblem(left)) - Number(hasProblem(right)));
    await Promise.all(
      ordered.map((target) => lanes.run(() => this.#scrape(target, { atMs, filter: series, turns, signal }))),
    );
    if (this.isClosed) return;
    await this.#dropOld(atMs);
    this.#last = { atMs, services, isDown: !this.#listed.some(hasAnswered) };
    this.#endRound();
  }

  async #scrape(target: ScrapeTarget, attempt: Parameters<ScrapeTarget['scrape']>[0]): Promise<void> {
    const before = target.problem;
    await target.scrape(attempt);
    const { name, problem } = target;
    if (problem !== before && !this.isClosed) this.#options.onTarget(name, problem);
  }

  #list(): void {
    const retention = { keepMs, maxGapMs, maxSeries: 2 * expositionLimits.maxSamples };
    const listed = new Set<ScrapeTarget>();
    for (const { name, url: given } of this.#options.endpoints()) {
      // However it is written, a target that is scraped twice would count double.
      const url = URL.canParse(given) ? new URL(given).href : given;
      const target = this.#targets.get(url) ?? new ScrapeTarget({ name, url }, retention);
      this.#targets.set(url, target);
      listed.add(target);
    }
    this.#listed = [...listed];
  }

  /** A target that is not listed any more stays until its last scrapes are counted; one that is has a scrape in every round. */
  async #dropOld(nowMs: number): Promise<void> {
    for (const [url, target] of this.#targets) {
      if (target.history.forgetOld(nowMs)) continue;
      this.#targets.delete(url);
      await target.close();
    }
  }

  async #forgetAll(): Promise<void> {
    const targets = this.targets;
    this.#targets.clear();
    this.#listed = [];
    this.#last = undefined;
    await Promise.all(targets.map((target) => target.close()));
  }

  #endRound(): void {
    this.#end.resolve();
    this.#end = Promise.withResolvers<void>();
  }
}

function filterOf(services: ReadonlySet<string>): {
  readonly services: ReadonlySet<string>;
  readonly series: SeriesFilter;
} {
  const series = new SeriesFilter({ byService: [requestsMetric, bucketsMetric], whole: [startMetric], services });
  return { services, series };
}

function isSame(names: ReadonlySet<string>, others: ReadonlyMap<string, number>): boolean {
  return names.size === others.size && [...names].every((name) => others.has(name));
}

function hasProblem({ problem }: ScrapeTarget): boolean {
  return problem !== undefined;
}

function hasAnswered({ history }: ScrapeTarget): boolean {
  return history.scrapes.at(-1)?.isUp === true;
}
