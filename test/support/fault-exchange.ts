/** One request and its answer on their way through the fault proxy. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { request as send, type Agent, type Dispatcher } from 'undici';
import { createTap, type Tap } from './tap.ts';

/** ProxiedRequest is a request as the proxy saw it, with what the Kubernetes API makes of its path. */
export interface ProxiedRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'other';
  /** resource is the plural, such as `rollouts`; empty for paths that are no resource. */
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
  /** atMs is when it came, on the clock of `performance.now()`. */
  readonly atMs: number;
}

/** StreamEdit turns the chunks of an answer into what the client gets; text is UTF-8. */
export type StreamEdit = (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array | string>;

/**
 * CutMode: End completes the answer as a server does that has no more; Fin closes the connection where it is; Reset
 * breaks it (RST).
 */
export type CutMode = 'End' | 'Fin' | 'Reset';

/** ForwardOptions change what passes; `headers` are added to the request, `onAnswer` is told the answer's HTTP status. */
export interface ForwardOptions {
  readonly onAnswer?: (status: number) => void;
  readonly edit?: StreamEdit;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Exchange is one request whose answer is under way. */
export interface Exchange {
  readonly request: ProxiedRequest;
  /** isOpen tells whether the client still waits for more. */
  readonly isOpen: boolean;
  /** closed resolves when the answer is complete or the connection has ended. */
  readonly closed: Promise<void>;
  /** answer replies without asking the API server; an object is sent as JSON. */
  answer(status: number, body: unknown, headers?: Readonly<Record<string, string>>): void;
  /** forward asks the API server and passes its answer on; it resolves when that is complete or the client has left. */
  forward(options?: ForwardOptions): Promise<void>;
  /** ask asks the API server and drops its answer: what it did stays done. Returns the answer's HTTP status. */
  ask(): Promise<number>;
  /** write puts bytes into the answer, after those that have passed; headers of a watch are sent first if need be. */
  write(bytes: string | Uint8Array): void;
  cut(mode: CutMode): void;
  /** freeze swallows what comes from the API server from now on, without closing anything; thaw lets it through. */
  freeze(): void;
  thaw(): void;
}

/** ExchangeParts are what an exchange is made of; `tap` is the one of the whole proxy. */
export interface ExchangeParts {
  readonly request: ProxiedRequest;
  readonly outgoing: ServerResponse;
  readonly tap: Tap;
  /** target is the API server's URL without a trailing slash. */
  readonly target: string;
  readonly upstream: Agent;
}

/** createExchange returns the exchange of a request that has come in completely. */
export function createExchange(parts: ExchangeParts): Exchange {
  const { request, outgoing } = parts;
  const tap = createTap(parts.tap);
  const closed = new Promise<void>((resolve) => outgoing.once('close', resolve));
  const cut = (mode: CutMode): void => {
    const { socket } = outgoing;
    if (mode === 'End') outgoing.end();
    // Node holds what was written back until the end of the turn; a reset would discard it.
    else if (mode === 'Fin') setImmediate(() => socket?.end());
    else setImmediate(() => socket?.resetAndDestroy());
  };
  return {
    request,
    get isOpen() {
      return !outgoing.writableEnded && !outgoing.destroyed;
    },
    closed,
    answer: (status, body, headers = {}) => {
      outgoing.writeHead(status, { 'content-type': 'application/json', ...headers });
      outgoing.end(typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body));
    },
    forward: (options = {}) => forward({ ...parts, tap }, options),
    ask: async () => {
      await tap.passed();
      const answer = await ask(parts, {});
      await answer.body.dump();
      return answer.statusCode;
    },
    write: (bytes) => {
      if (!outgoing.headersSent) outgoing.writeHead(200, { 'content-type': 'application/json' });
      outgoing.write(bytes);
    },
    cut,
    freeze: tap.close,
    thaw: tap.open,
  };
}

async function forward(parts: ExchangeParts, options: ForwardOptions): Promise<void> {
  const { outgoing, tap } = parts;
  const { edit = passOn, headers = {}, onAnswer = () => undefined } = options;
  const left = new AbortController();
  outgoing.once('close', () => left.abort());
  await tap.passed();
  const answer = await ask(parts, { signal: left.signal, headers });
  onAnswer(answer.statusCode);
  const { 'transfer-encoding': _encoding, connection: _connection, ...answered } = answer.headers;
  // An edited body has another length.
  if (edit !== passOn) delete answered['content-length'];
  await tap.passed();
  outgoing.writeHead(answer.statusCode, answered);
  outgoing.flushHeaders();
  for await (const chunk of edit(answer.body as AsyncIterable<Uint8Array>)) {
    await tap.passed();
    if (outgoing.destroyed) return;
    if (!outgoing.write(chunk)) await drained(outgoing);
  }
  await tap.passed();
  outgoing.end();
}

function passOn(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return chunks;
}

function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off('drain', done);
      outgoing.off('close', done);
      resolve();
    };
    outgoing.on('drain', done);
    outgoing.on('close', done);
  });
}

function ask(
  { request, target, upstream }: ExchangeParts,
  options: { readonly signal?: AbortSignal; readonly headers?: ForwardOptions['headers'] },
): Promise<Dispatcher.ResponseData> {
  const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request.headers;
  const { signal = null } = options;
  return send(`${target}${request.url.pathname}${request.url.search}`, {
    dispatcher: upstream,
    method: request.method,
    headers: { ...headers, ...options.headers },
    body: request.body === '' ? null : request.body,
    signal,
  });
}

const verbs: ReadonlyMap<string, ProxiedRequest['verb']> = new Map([
  ['POST', 'create'],
  ['PUT', 'update'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
] as const);

const resourcePath =
  /^\/(?:api|apis\/[^/]+)\/[^/]+(?:\/namespaces\/(?<namespace>[^/]+)(?=\/[^/]))?\/(?<resource>[^/]+)(?:\/(?<name>[^/]+)(?:\/(?<subresource>.+))?)?$/;

/** parseRequest reads a request to its end. */
export async function parseRequest(incoming: IncomingMessage): Promise<ProxiedRequest> {
  const atMs = performance.now();
  let body = '';
  for await (const text of incoming.setEncoding('utf8')) body += text;
  const method = incoming.method ?? 'GET';
  const url = new URL(incoming.url ?? '/', 'http://proxy');
  const { namespace, resource = '', name, subresource } = resourcePath.exec(url.pathname)?.groups ?? {};
  const read = url.searchParams.get('watch') === 'true' ? 'watch' : name === undefined ? 'list' : 'get';
  const verb = resource === '' ? 'other' : (verbs.get(method) ?? read);
  return { method, url, headers: incoming.headers, body, verb, resource, namespace, name, subresource, atMs };
}
