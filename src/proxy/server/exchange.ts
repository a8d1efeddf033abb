import type { Router } from '../configuration.ts';
import type { Downstream } from '../downstream.ts';
import type { EntryPoint } from '../entry-point.ts';
import type { UpstreamFailure } from '../upstream/upstream.ts';
import type { Answer } from './answers.ts';

/**
 * Handler takes a routed request further. The innermost one is `forward`; a middleware is a handler that wraps another:
 * it answers by itself, or changes `request` and calls the other, now or later. Handlers never throw.
 */
export type Handler = (exchange: Exchange) => void;

/** Exchange is a routed request and the way back, as middlewares see it. */
export interface Exchange {
  readonly client: Downstream;
  readonly entryPoint: EntryPoint;
  readonly router: Router;
  /** request is what is sent on. It may be changed until it is. */
  readonly request: OutgoingRequest;
  /** isOver: the client is gone or has its answer; a handler that waited for something stops here. */
  readonly isOver: boolean;
  /**
   * response takes the answer, of a server or of the proxy. A middleware that changes answers puts its own one in its place,
   * which passes on to the one before it. Who returns false from `write` calls `client.onDrain` when there is room again.
   */
  response: Response;
  /**
   * onFailure decides what happens when a server did not answer: undefined answers 502 or 504. A middleware that tries
   * again calls `forward` once more, which chooses a server anew.
   */
  onFailure: ((failure: UpstreamFailure) => void) | undefined;
  /** answer ends the exchange with an answer of the proxy itself, by way of `response`. */
  answer(answer: Answer): void;
  /** fail answers what Traefik answers when a server did not. */
  fail(failure: UpstreamFailure): void;
  /** forward chooses a server of the router's service and sends the request there. */
  forward(): void;
}

/** OutgoingRequest is the request as its server gets it, but for the framing of its body. */
export interface OutgoingRequest {
  method: string;
  /** target is the path, escaped, and the query. */
  target: string;
  /** authority is the Host header for servers that the client's is passed to. */
  authority: string;
  /** headers is a flat list without hop-by-hop headers; with X-Forwarded-* and all cookies in one. */
  headers: string[];
  /** cookie is the Cookie header that decides about sticky servers. */
  cookie: string | undefined;
}

/** Response is where an answer goes. Lists and pieces are as in Downstream. */
export type Response = Pick<Downstream, 'informational' | 'head' | 'write' | 'end' | 'abort'>;

/** forward is the innermost handler. */
export function forward(exchange: Exchange): void {
  exchange.forward();
}
