/**
 * The world around Sluice: four backends and the clients. It runs in a thread of its own, so that neither takes time from
 * the proxy, nor the other way round; it ends with the process, however that ends.
 */
import { isMainThread, parentPort, Worker, workerData, type MessagePort } from 'node:worker_threads';
import { createRandom } from '../cli/simulate-split.ts';
import { systemClock } from '../clock.ts';
import { startBackend, type Backend } from './backend.ts';
import { startLoad, type Load } from './load.ts';
import { hostOf, requestsPerSecond, serviceOf, stories, type Arm, type StoryName } from './stories.ts';
import { addAnswer, noTally, type Tally } from './tally.ts';

/** Ports are where the backends listen. */
export type Ports = Readonly<Record<StoryName, Readonly<Record<Arm, number>>>>;

/** World is that thread. */
export interface World {
  readonly ports: Ports;
  /** startLoad lets the clients begin; `origin` is the entry point, e.g. `http://127.0.0.1:8000`. */
  startLoad(origin: string): void;
  /** close ends the thread. */
  close(): Promise<void>;
}

type ToWorld = { readonly kind: 'Load'; readonly origin: string };
type FromWorld = { readonly kind: 'Ready'; readonly ports: Ports } | { readonly kind: 'Tally'; readonly tally: Tally };

const reportEveryMs = 200;
const threadName = 'sluice-demo-world';

/** startWorld resolves when all backends listen; onTally hears five times a second what the clients saw. */
export async function startWorld(
  seed: number,
  { onTally, onFailure }: { readonly onTally: (tally: Tally) => void; readonly onFailure: (error: Error) => void },
): Promise<World> {
  const worker = new Worker(new URL(import.meta.url), { name: threadName, workerData: { thread: threadName, seed } });
  const ready = Promise.withResolvers<Ports>();
  worker.on('message', (message: FromWorld) => {
    if (message.kind === 'Ready') ready.resolve(message.ports);
    else onTally(message.tally);
  });
  worker.on('error', (error: Error) => {
    ready.reject(error);
    onFailure(error);
  });
  const ports = await ready.promise;
  return {
    ports,
    startLoad: (origin) => worker.postMessage({ kind: 'Load', origin } satisfies ToWorld, []),
    close: async () => void (await worker.terminate()),
  };
}

async function run(seed: number, parent: MessagePort): Promise<void> {
  const say = (message: FromWorld): void => parent.postMessage(message, []);
  const backends = await Promise.all(
    stories.flatMap(({ name, versions }, storyIndex) =>
      (['stable', 'canary'] as const).map(async (arm, armIndex) => {
        const random = createRandom(seed + Math.imul(2 * storyIndex + armIndex, 0x9e3779b1));
        const service = serviceOf(name, arm);
        const backend = await startBackend({ name: service, behaviour: versions[arm], random, clock: systemClock });
        return [service, backend] as const;
      }),
    ),
  );
  let tally = noTally;
  const loads: Load[] = [];
  parent.on('message', ({ origin }: ToWorld) => {
    for (const { name } of stories) {
      const onAnswer: Parameters<typeof startLoad>[0]['onAnswer'] = (answer) => (tally = addAnswer(tally, answer));
      loads.push(
        startLoad({ origin, story: name, host: hostOf(name), requestsPerSecond, clock: systemClock, onAnswer }),
      );
    }
    report(() => say({ kind: 'Tally', tally }));
  });
  say({ kind: 'Ready', ports: portsOf(new Map(backends)) });
}

function report(tell: () => void): void {
  tell();
  systemClock.schedule(reportEveryMs, () => report(tell));
}

function portsOf(backends: ReadonlyMap<string, Backend>): Ports {
  const portOf = (name: StoryName, arm: Arm): number => backends.get(serviceOf(name, arm))?.port ?? 0;
  const both = (name: StoryName): Ports[StoryName] => ({
    stable: portOf(name, 'stable'),
    canary: portOf(name, 'canary'),
  });
  return { good: both('good'), bad: both('bad') };
}

/** The thread loads this very file, which is then its program. */
const { thread, seed } = (workerData ?? {}) as { readonly thread?: string; readonly seed?: number };
if (!isMainThread && parentPort !== null && thread === threadName) await run(seed ?? 0, parentPort);
