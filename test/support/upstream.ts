/** Calls of an UpstreamClient, and what its handlers were told. */
import type { Duplex, Readable } from 'node:stream';
import type { Server, Transport } from '../../src/proxy/configuration.ts';
import { defaultTransport } from '../../src/proxy/services/service-table.ts';
import type {
  ResponseHandler,
  ResponseHead,
  UpstreamCall,
  UpstreamClient,
  UpstreamExchange,
  UpstreamFailure,
} from '../../src/proxy/upstream/upstream.ts';

/** transport returns the default Transport with changes. */
export function transport(changes: Partial<Transport> = {}): Transport {
  return { ...defaultTransport, ...changes };
}

/** localServer returns the Server at a port of 127.0.0.1. */
export function localServer(port: number, scheme: Server['scheme'] = 'http'): Server {
  return { url: `${scheme}://127.0.0.1:${port}`, scheme, host: '127.0.0.1', port, isFenced: false };
}

/** get returns a GET of `/` from a server. */
export function get(server: Server, changes: Partial<UpstreamCall> = {}): UpstreamCall {
  return {
    server,
    transport: defaultTransport,
    method: 'GET',
    target: '/',
    authority: 'shop.example',
    headers: [],
    body: undefined,
    upgrade: undefined,
    ...changes,
  };
}

/** post returns a POST of `stream`. */
export function post(
  server: Server,
  stream: Readable,
  body: { length?: number; isAwaited?: boolean; trailers?: readonly string[] } = {},
): UpstreamCall {
  return get(server, {
    method: 'POST',
    body: {
      stream,
      length: body.length,
      isAwaited: body.isAwaited ?? false,
      trailers: () => body.trailers ?? [],
    },
  });
}

/** Answer is all that a handler was told. */
export interface Answer {
  readonly informational: { readonly status: number; readonly headers: readonly string[] }[];
  head: ResponseHead | undefined;
  body: string;
  trailers: readonly string[] | undefined;
  failure: UpstreamFailure | undefined;
  upgrade: { readonly socket: Duplex; readonly rest: Buffer } | undefined;
}

/** Ask is a call under way; `answer` resolves when nothing more will come, and says after the fact if something did. */
export interface Ask {
  readonly exchange: UpstreamExchange;
  readonly soFar: Answer;
  readonly answer: Promise<Answer>;
}

/** ask sends a call and collects; `onData` may hold the pieces back. */
export function ask(
  client: UpstreamClient,
  call: UpstreamCall,
  onData: (piece: Uint8Array) => boolean = () => true,
): Ask {
  const soFar: Answer = {
    informational: [],
    head: undefined,
    body: '',
    trailers: undefined,
    failure: undefined,
    upgrade: undefined,
  };
  let exchange: UpstreamExchange | undefined;
  const answer = new Promise<Answer>((resolve, reject) => {
    exchange = client.send(call, collector(soFar, { resolve, reject }, onData));
  });
  if (exchange === undefined) throw new Error('send returned nothing');
  return { exchange, soFar, answer };
}

function collector(
  soFar: Answer,
  promise: { resolve: (answer: Answer) => void; reject: (error: Error) => void },
  onData: (piece: Uint8Array) => boolean,
): ResponseHandler {
  let isOver = false;
  const check = (): void => {
    if (isOver) promise.reject(new Error('an event came after the last one'));
  };
  const finish = (): void => {
    check();
    isOver = true;
    promise.resolve(soFar);
  };
  return {
    onInformational: (status, headers) => {
      check();
      soFar.informational.push({ status, headers });
    },
    onHead: (head) => {
      check();
      soFar.head = head;
    },
    onData: (piece) => {
      check();
      soFar.body += Buffer.from(piece).toString('latin1');
      return onData(piece);
    },
    onEnd: (trailers) => {
      soFar.trailers = trailers;
      finish();
    },
    onUpgrade: (head, socket, rest) => {
      soFar.head = head;
      soFar.upgrade = { socket, rest };
      finish();
    },
    onError: (failure) => {
      soFar.failure = failure;
      finish();
    },
  };
}
