import type { Duplex } from 'node:stream';
import type { Server, Transport } from '../configuration.ts';
import type { RequestBody } from '../downstream.ts';

/** UpstreamClient sends requests to servers over connections that it keeps. One serves all servers and transports of a worker. */
export interface UpstreamClient {
  /** send never throws; what goes wrong reaches `handler.onError`, at the earliest in a later turn. */
  send(call: UpstreamCall, handler: ResponseHandler): UpstreamExchange;
  /** forget closes the idle connections to servers that are not in `urls` any more, and of transports that changed. */
  forget(urls: ReadonlySet<string>): void;
  /** close ends idle connections at once, and each other one after its exchange. */
  close(): void;
}

/** UpstreamCall is one request, complete: the client adds framing (Content-Length or Transfer-Encoding) and nothing else. */
export interface UpstreamCall {
  readonly server: Server;
  readonly transport: Transport;
  readonly method: string;
  readonly target: string;
  /** authority is the Host header. */
  readonly authority: string;
  /** headers is a flat list without Host, hop-by-hop and framing headers; `Te: trailers` may be in it. */
  readonly headers: readonly string[];
  readonly body: RequestBody | undefined;
  /** upgrade asks for this protocol (`Connection: Upgrade`); always over HTTP/1.1. */
  readonly upgrade: string | undefined;
}

/** ResponseHandler is told about the answer: any onInformational, then either onUpgrade, or onHead, any onData and onEnd; onError ends it anywhere. */
export interface ResponseHandler {
  onInformational(status: number, headers: readonly string[]): void;
  onHead(head: ResponseHead): void;
  /**
   * onData returns false when it wants no more until `resume`: until then, or `abort`, the piece stays as it is. After true
   * it may be overwritten unless `isOwned`. Pieces of what had been read already may still come after false; onEnd waits
   * for `resume` if it has to keep a piece as it is.
   */
  onData(chunk: Uint8Array, isOwned: boolean): boolean;
  onEnd(trailers: readonly string[]): void;
  /**
   * onUpgrade: the server answered 101 with the protocol that was asked for; the connection is the handler's now. The head
   * is without Connection and Upgrade.
   */
  onUpgrade(head: ResponseHead, socket: Duplex, rest: Buffer): void;
  onError(failure: UpstreamFailure): void;
}

/** ResponseHead: headers is a flat list without framing and hop-by-hop ones. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: readonly string[];
  /** bodyLength is undefined when it is not known, 0 when there is none. For HEAD and 304 it is what the server said. */
  readonly bodyLength: number | undefined;
}

/**
 * UpstreamFailure: Unreachable before anything was sent (refused, no route, name unknown), TimedOut (dial or head of the
 * response), Reset (the connection broke), Malformed (what came is not, or not unambiguously, HTTP), ClientBody (the body
 * of the request broke off).
 */
export interface UpstreamFailure {
  readonly kind: 'Unreachable' | 'TimedOut' | 'Reset' | 'Malformed' | 'ClientBody';
  /** detail is for logs; it holds no header values. */
  readonly detail: string;
}

/** UpstreamExchange is a request under way. */
export interface UpstreamExchange {
  /** resume continues after onData returned false. */
  resume(): void;
  /** abort gives up: the server's connection is closed (or the stream reset), and no handler is called any more. */
  abort(): void;
}
