/** Clients that come and go: each opens a connection, sends a few requests, one after the other, and leaves. */
import net, { type Socket } from 'node:net';

/** ChurnOptions: `requestsPerConnection` after which a client opens a new one. */
export interface ChurnOptions {
  /** url is an entry point; its path is requested. */
  readonly url: string;
  readonly host: string;
  readonly clients: number;
  readonly requestsPerConnection: number;
  /** maxRequests ends all clients after so many requests together. */
  readonly maxRequests?: number;
}

/** ChurnResult is what the clients saw. */
export interface ChurnResult {
  /** byVersion counts answers of 200 by their header `x-version`. */
  readonly byVersion: Readonly<Record<string, number>>;
  readonly answered: number;
  /** failures say how requests failed: no connection, no whole answer, another status. */
  readonly failures: readonly string[];
}

/** Churn is clients at work. */
export interface Churn {
  /** answered is how many answers of 200 there were so far. */
  answered(): number;
  /** done resolves when `maxRequests` have been sent. */
  readonly done: Promise<ChurnResult>;
  /** stop lets each client finish its request. */
  stop(): Promise<ChurnResult>;
}

const answerTimeoutMs = 20_000;

/** startChurn starts the clients. */
export function startChurn(options: ChurnOptions): Churn {
  const { clients, requestsPerConnection, maxRequests = Number.POSITIVE_INFINITY } = options;
  const byVersion: Record<string, number> = {};
  const failures: string[] = [];
  const state = { sent: 0, answered: 0, isOver: false };
  const isEnough = (): boolean => state.isOver || state.sent >= maxRequests;
  const count = (answer: Answer): void => {
    if (answer.status !== 200) failures.push(`status ${answer.status}`);
    else state.answered += 1;
    byVersion[answer.version] = (byVersion[answer.version] ?? 0) + 1;
  };
  const oneConnection = async (): Promise<void> => {
    const connection = await connect(options.url);
    for (let left = requestsPerConnection; left > 0 && !isEnough(); left -= 1) {
      state.sent += 1;
      const answer = await connection.ask(options.host);
      count(answer);
      if (answer.isLast) break;
    }
    connection.close();
  };
  const client = async (): Promise<void> => {
    while (!isEnough()) {
      await oneConnection().catch((error: Error) => void failures.push(error.message));
    }
  };
  const all = Promise.all(Array.from({ length: clients }, client));
  const done = all.then(() => ({ byVersion, answered: state.answered, failures }));
  return {
    answered: () => state.answered,
    done,
    stop: () => {
      state.isOver = true;
      return done;
    },
  };
}

interface Answer {
  readonly status: number;
  readonly version: string;
  /** isLast: the server closes the connection after this answer. */
  readonly isLast: boolean;
}

interface Connection {
  ask(host: string): Promise<Answer>;
  close(): void;
}

async function connect(url: string): Promise<Connection> {
  const { hostname, port, pathname } = new URL(url);
  const socket = net.connect({ host: hostname, port: Number(port), noDelay: true });
  socket.setEncoding('latin1').setTimeout(answerTimeoutMs, () => socket.destroy(new Error('no answer in time')));
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve).once('error', reject);
  });
  // Between two answers too: what breaks then shows at the next one.
  socket.on('error', () => undefined);
  return {
    ask: (host) => ask(socket, `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
    close: () => socket.destroy(),
  };
}

/** The answers of the backends are short and have a length or are chunked. */
function ask(socket: Socket, request: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onData = (chunk: string): void => {
      text += chunk;
      const answer = readAnswer(text);
      if (answer !== undefined) settle(() => resolve(answer));
    };
    const onClose = (): void => settle(() => reject(new Error(`closed after ${text.length} bytes of an answer`)));
    const onError = (error: Error): void => settle(() => reject(error));
    const settle = (end: () => void): void => {
      socket.off('data', onData).off('close', onClose).off('error', onError);
      end();
    };
    socket.on('data', onData).on('close', onClose).on('error', onError);
    socket.write(request, 'latin1');
  });
}

function readAnswer(text: string): Answer | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const head = text.slice(0, end);
  const body = text.slice(end + 4);
  const length = /\r\ncontent-length: *([0-9]+)/i.exec(head)?.[1];
  const isWhole = length === undefined ? body.endsWith('0\r\n\r\n') : body.length >= Number(length);
  if (!isWhole) return undefined;
  return {
    status: Number(head.slice(9, 12)),
    version: /\r\nx-version: *(\S+)/i.exec(head)?.[1] ?? 'none',
    isLast: /\r\nconnection: *close/i.test(head),
  };
}
