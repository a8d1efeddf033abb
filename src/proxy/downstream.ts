import type { Duplex, Readable } from 'node:stream';

/**
 * Downstream is one request of a client and the way back to it, the same for HTTP/1 and HTTP/2. Headers are flat lists of
 * names and values in their order, as node's rawHeaders, without pseudo headers.
 */
export interface Downstream {
  readonly httpVersion: '1.0' | '1.1' | '2.0';
  readonly method: string;
  /** target is the request target as received: the path with its query, or `*`. */
  readonly target: string;
  /** authority is the Host header or `:authority`, as received. */
  readonly authority: string;
  readonly isTls: boolean;
  /** tls is how the connection is encrypted; undefined: it is not. The same parameters are the same object. */
  readonly tls: TlsParameters | undefined;
  readonly headers: readonly string[];
  readonly peer: Peer;
  /** body is undefined when the request has none. */
  readonly body: RequestBody | undefined;
  /** upgrade is the token of the Upgrade header when the client asks for one; HTTP/1.1 only. */
  readonly upgrade: string | undefined;

  /** informational sends a 1xx answer (100, 102, 103) before the head. */
  informational(status: number, headers: readonly string[]): void;
  /** head begins the answer. `bodyLength` undefined: unknown, framed as the protocol can. Answers to HEAD and 204, 304 have no body whatever it says. */
  head(status: number, headers: readonly string[], bodyLength: number | undefined): void;
  /**
   * write sends a piece of the body; false: wait for onDrain. Unless `isOwned` the piece may be overwritten, but not before
   * write returned true or onDrain was called: what the kernel did not take at once is sent from where it is.
   */
  write(chunk: Uint8Array, isOwned: boolean): boolean;
  /** end finishes the answer, with trailers as a flat list. */
  end(trailers: readonly string[]): void;
  /** abort breaks the answer off, so that the client sees that it is not whole. */
  abort(): void;
  /** switchProtocols sends a 101 with these headers and returns the bare connection, with what the client has sent already. */
  switchProtocols(headers: readonly string[]): { readonly socket: Duplex; readonly head: Buffer };
  /** onDrain is called when more may be written. */
  onDrain: (() => void) | undefined;
  /** onClose is called once when the client is gone before the end of its answer (499), or was answered 400 or 408 because of its body. */
  onClose: ((status: number) => void) | undefined;
}

/** Peer is the other end of the connection. */
export interface Peer {
  readonly address: string;
  readonly port: number;
}

/** TlsParameters are as Traefik labels them: `1.3`, `TLS_AES_128_GCM_SHA256`. */
export interface TlsParameters {
  readonly version: string;
  readonly cipher: string;
}

/** RequestBody is read by whoever sends it on. */
export interface RequestBody {
  readonly stream: Readable;
  /** length is the Content-Length; undefined when it is not known. */
  readonly length: number | undefined;
  /** isAwaited: the client waits for 100 Continue before it sends the body. */
  readonly isAwaited: boolean;
  /** trailers returns a flat list once the stream has ended. */
  trailers(): readonly string[];
}
