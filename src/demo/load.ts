/** Clients at a steady rate over kept-alive connections: a request starts on time whether or not earlier ones were answered. */
import { Pool } from 'undici';
import type { Clock } from '../clock.ts';
import { servedBy } from './backend.ts';
import type { StoryName } from './stories.ts';
import type { Answer } from './tally.ts';

/** LoadOptions: `origin` is the entry point of the proxy, `host` the Host header. */
export interface LoadOptions {
  readonly origin: string;
  readonly story: StoryName;
  readonly host: string;
  readonly requestsPerSecond: number;
  readonly clock: Clock;
  readonly onAnswer: (answer: Answer) => void;
}

/** Load is traffic under way. */
export interface Load {
  /** stop starts no more requests and gives up those under way. */
  stop(): Promise<void>;
}

const connections = 64;
const tickMs = 10;
const answerMs = 10_000;
/** A busy machine makes up for half a second that it stood still; more at once would be no steady load any more. */
const mostAtOnce = 150;
/** With so many unanswered more would only pile up. */
const mostUnderWay = 1_000;

/** startLoad starts the traffic. */
export function startLoad(options: LoadOptions): Load {
  const { origin, requestsPerSecond, clock } = options;
  const pool = new Pool(origin, { connections, headersTimeout: answerMs, bodyTimeout: answerMs });
  let underWay = 0;
  let isStopped = false;
  let due = 0;
  let lastMs = clock.monotonicMs();
  const one = async (): Promise<void> => {
    underWay += 1;
    const answer = await ask(pool, options);
    underWay -= 1;
    if (!isStopped) options.onAnswer(answer);
  };
  const tick = (): void => {
    const nowMs = clock.monotonicMs();
    due = Math.min(mostAtOnce, due + ((nowMs - lastMs) / 1000) * requestsPerSecond);
    lastMs = nowMs;
    const starting = Math.min(Math.floor(due), mostUnderWay - underWay);
    due -= starting;
    for (let started = 0; started < starting; started += 1) void one();
    cancel = clock.schedule(tickMs, tick);
  };
  let cancel = clock.schedule(0, tick);
  return {
    stop: async () => {
      isStopped = true;
      cancel();
      await pool.destroy();
    },
  };
}

async function ask(pool: Pool, { story, host, clock }: LoadOptions): Promise<Answer> {
  const startMs = clock.monotonicMs();
  const told = await request(pool, host);
  const atMs = clock.monotonicMs();
  return { host: story, ...told, tookMs: atMs - startMs, atMs };
}

async function request(pool: Pool, host: string): Promise<Pick<Answer, 'service' | 'isError'>> {
  try {
    const { statusCode, headers, body } = await pool.request({ method: 'GET', path: '/', headers: { host } });
    await body.dump();
    const service = headers[servedBy];
    return { service: typeof service === 'string' ? service : undefined, isError: statusCode >= 500 };
  } catch {
    return { service: undefined, isError: true };
  }
}
