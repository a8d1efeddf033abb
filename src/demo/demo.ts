/** `sluice demo`: standalone on a temporary folder, real backends and clients, and two releases that are judged for real. */
import type { RolloutStatus } from '../api/rollout-status.ts';
import type { Clock } from '../clock.ts';
import { SluiceError } from '../errors.ts';
import { runStandalone, type ServingStandalone } from '../run-standalone.ts';
import { createLogger } from '../telemetry/logger.ts';
import { nextLines, playLines, type Typed } from './closing.ts';
import { openFolder, type DemoFolder } from './folder.ts';
import { followRollouts } from './follow.ts';
import { hasEnded, isAsTold, resultOf, tellEnding } from './result.ts';
import { liveShow, opening, plainShow, type Show } from './show.ts';
import type { Terminal } from '../cli/terminal.ts';
import { namespace, scrapeInterval, stories, type StoryName } from './stories.ts';
import { canaryShare, noTally, requestsOf, type Tally } from './tally.ts';
import { wrap } from '../cli/text.ts';
import type { DemoView } from './view.ts';
import { startWorld, type World } from './world.ts';

/** DemoCall is how it was called. */
export interface DemoCall {
  /** seed is a whole number as text; undefined: another one each time. */
  readonly seed?: string | undefined;
  /** json prints plain lines, and one object last. */
  readonly json?: boolean | undefined;
  /** keep leaves everything running until the signal. */
  readonly keep?: boolean | undefined;
}

/** DemoHost is what only the program knows. */
export interface DemoHost {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** typed is how a person starts the demo and the program here. */
  readonly typed: Typed;
}

/** Everything is over by then, whatever happened: the demo promises a minute. */
const deadlineMs = 56_000;
/** What the last requests were answered is known this much later. */
const afterwardsMs = 1_500;
const drawEveryMs = 200;
/** recentTallies are some two seconds of them. */
const recentTallies = 10;
/** A judge that knows nothing of stable waits; so many answers are known soon. */
const answersBeforeRelease = 300;
const stopMs = 2_000;
/** What Sluice logged explains a story that did not end as it should. */
const mostWarnings = 5;

/** runDemo resolves with whether both stories ended as they should; it throws ConfigInvalid for a seed that is none. */
export async function runDemo(call: DemoCall, host: DemoHost): Promise<boolean> {
  const demo = new Demo(call, host);
  try {
    return await demo.run();
  } finally {
    await demo.close();
  }
}

class Demo {
  readonly #call: DemoCall;
  readonly #host: DemoHost;
  readonly #seed: number;
  readonly #startMs: number;
  readonly #stop = new AbortController();
  readonly #statuses = new Map<StoryName, RolloutStatus>();
  readonly #tallies: Tally[] = [noTally];
  readonly #warnings: string[] = [];
  #releasedAtMs: number | undefined;
  readonly #isLive: boolean;
  readonly #show: Show;
  #folder: DemoFolder | undefined;
  #world: World | undefined;
  #standalone: Promise<void> | undefined;

  constructor(call: DemoCall, host: DemoHost) {
    const { terminal, clock, signal } = host;
    this.#call = call;
    this.#host = host;
    this.#seed = readSeed(call.seed) ?? Math.floor(Math.random() * 1e6);
    this.#startMs = clock.monotonicMs();
    this.#isLive = terminal.isInteractive && call.json !== true;
    this.#show = this.#isLive ? liveShow(terminal) : plainShow(terminal);
    const stop = (): void => this.#stop.abort(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  }

  async run(): Promise<boolean> {
    const { terminal } = this.#host;
    const { json = false, keep = false } = this.#call;
    if (this.#isLive) this.#show.update(this.#view());
    else terminal.write(opening(this.#view()));
    const serving = await this.#open();
    await this.#release(serving);
    await this.#watch((view) => view.stories.every(hasEnded));
    await this.#watch(() => false, afterwardsMs);
    const view = this.#view();
    this.#show.end();
    this.#write(['', ...tellEnding(view), '']);
    if (!isAsTold(view)) terminal.write(this.#warnings.join(''));
    if (json) terminal.write(`${JSON.stringify(resultOf(view, this.#tally))}\n`);
    if (keep) await this.#play(serving);
    else if (!json) this.#write(nextLines(this.#host.typed));
    return isAsTold(view);
  }

  /** close ends everything that was started and removes the folder; it takes two seconds at most. */
  async close(): Promise<void> {
    const { clock } = this.#host;
    this.#show.end();
    this.#stop.abort(new Error('the demo is over'));
    const stopped = this.#standalone?.catch(() => undefined);
    await Promise.race([stopped, clock.sleep(stopMs)]);
    await this.#world?.close();
    await this.#folder?.remove();
  }

  async #open(): Promise<ServingStandalone> {
    const { signal } = this.#stop;
    const folder = await openFolder();
    this.#folder = folder;
    this.#world = await startWorld(this.#seed, {
      onTally: (tally) => {
        this.#tallies.push(tally);
        this.#tallies.splice(0, this.#tallies.length - recentTallies);
      },
      onFailure: (error) => this.#stop.abort(error),
    });
    await folder.writeRoutes(this.#world.ports);
    signal.throwIfAborted();
    const { manifests: directory, state } = folder;
    const settings = { directory, state, scrapeInterval, ...listeners, grace: '0s' };
    const { clock } = this.#host;
    const logger = createLogger({ level: 'warn', destination: { write: (line) => this.#warn(line) } });
    const { serving, stopped } = runStandalone(settings, { signal, logger, clock });
    this.#standalone = stopped;
    const late = clock.sleep(deadlineMs, signal).then(() => {
      throw new Error(`Sluice did not serve within ${deadlineMs / 1000} s.`);
    });
    return Promise.race([serving, late]);
  }

  #warn(line: string): void {
    this.#warnings.push(line);
    this.#warnings.splice(0, this.#warnings.length - mostWarnings);
  }

  /** The release is what a person would do: two files are saved. */
  async #release({ addresses, store }: ServingStandalone): Promise<void> {
    const { clock } = this.#host;
    const { signal } = this.#stop;
    this.#world?.startLoad(`http://127.0.0.1:${addresses[0]?.port}`);
    const onRollout: Parameters<typeof followRollouts>[1]['onRollout'] = ({ metadata, status = {} }) =>
      this.#statuses.set(metadata.name as StoryName, status);
    void followRollouts(store, { namespace, onRollout }, { clock, signal });
    await this.#watch(() => stories.every(({ name }) => this.#tally[name].stable.requests >= answersBeforeRelease));
    this.#releasedAtMs = clock.nowMs();
    await this.#folder?.writeRollouts();
  }

  /** #watch shows what happens until `isOver`, or for so long. */
  async #watch(isOver: (view: DemoView) => boolean, forMs = Infinity): Promise<void> {
    const { clock } = this.#host;
    const endMs = Math.min(clock.monotonicMs() + forMs, this.#startMs + deadlineMs);
    for (;;) {
      const view = this.#view();
      this.#show.update(view);
      if (isOver(view) || clock.monotonicMs() >= endMs) return;
      await clock.sleep(drawEveryMs, this.#stop.signal);
    }
  }

  /** #play leaves it running; what happens from here on is told in lines, below what the person reads. */
  async #play({ addresses, adminPort }: ServingStandalone): Promise<never> {
    const { clock, terminal } = this.#host;
    const show = plainShow(terminal, this.#view());
    const { manifests = '' } = this.#folder ?? {};
    const ports = this.#world?.ports;
    const isTold = this.#call.json !== true && ports !== undefined;
    if (isTold) this.#write([...playLines({ manifests, ports, port: addresses[0]?.port ?? 0, adminPort }), '']);
    for (;;) {
      await clock.sleep(drawEveryMs, this.#stop.signal);
      if (isTold) show.update(this.#view());
    }
  }

  /** #write breaks sentences at the width of a terminal; what is indented is to be copied, and stays whole. */
  #write(lines: readonly string[]): void {
    const { terminal } = this.#host;
    const width = this.#isLive ? terminal.size().width : Infinity;
    const broken = lines.flatMap((line) => (line.startsWith(' ') ? [line] : wrap(line, width, Infinity)));
    terminal.write(`${broken.join('\n')}\n`);
  }

  get #tally(): Tally {
    return this.#tallies.at(-1) ?? noTally;
  }

  #view(): DemoView {
    const before = this.#tallies.find(({ atMs }) => atMs > 0) ?? noTally;
    const after = this.#tally;
    const elapsedMs = after.atMs - before.atMs;
    return {
      seconds: (this.#host.clock.monotonicMs() - this.#startMs) / 1000,
      seed: this.#seed,
      rate: elapsedMs > 0 ? ((requestsOf(after) - requestsOf(before)) * 1000) / elapsedMs : 0,
      releasedAtMs: this.#releasedAtMs,
      stories: stories.map((story) => ({
        story,
        status: this.#statuses.get(story.name) ?? {},
        tally: after[story.name],
        observed: canaryShare(before[story.name], after[story.name]),
      })),
    };
  }
}

/** Ports are free ones, and only this machine reaches them. */
const listeners = {
  entryPoint: 'web=127.0.0.1:0',
  adminAddress: '127.0.0.1:0',
  healthAddress: '127.0.0.1:0',
} as const;

function readSeed(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new SluiceError('ConfigInvalid', `--seed is "${text}"; it must be a whole number of at most nine digits.`);
}
