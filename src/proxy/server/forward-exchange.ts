import type { Router } from '../configuration.ts';
import type { RequestRecord } from '../counters.ts';
import type { Downstream } from '../downstream.ts';
import type { EntryPoint } from '../entry-point.ts';
import type { ServerChoice } from '../services/choice.ts';
import type { ResponseHandler, ResponseHead, UpstreamExchange, UpstreamFailure } from '../upstream/upstream.ts';
import type { Duplex } from 'node:stream';
import { failureAnswer, noServer, type Answer } from './answers.ts';
import type { Exchange, OutgoingRequest, Response } from './exchange.ts';
import type { ForwardedRequest } from './forwarded-headers.ts';
import { headerValue } from './header-list.ts';
import type { Plane } from './plane.ts';
import { join } from './upgrade.ts';

/** Incoming is a request before it is routed. */
interface Incoming {
  readonly client: Downstream;
  readonly entryPoint: EntryPoint;
  readonly forwarded: ForwardedRequest;
}

/** The gRPC status when a server gave none, and when the client went away (grpc/codes: Unknown, Canceled). */
const grpcUnknown = 2;
const grpcCanceled = 1;

/**
 * ForwardExchange is a request from its head to the end of its answer. One object, with the methods that its server, its
 * client and its middlewares call: closures for each of them would cost more than all else here.
 */
export class ForwardExchange implements Exchange, Response, ResponseHandler {
  readonly plane: Plane;
  readonly client: Downstream;
  readonly entryPoint: EntryPoint;
  readonly request: OutgoingRequest;
  response: Response = this;
  onFailure: ((failure: UpstreamFailure) => void) | undefined;
  #router: Router | undefined;
  #choice: ServerChoice | undefined;
  #leaf: string | undefined;
  #upstream: UpstreamExchange | undefined;
  readonly #protocol: RequestRecord['protocol'];
  readonly #startedAtMs: number;
  readonly #startedMs: number;
  #askedMs = 0;
  #status = 0;
  #grpcStatus: string | undefined;
  #requestBytes = 0;
  #responseBytes = 0;
  /** hasReported: once for each attempt, or an error that breaks off would be two failures of its server. */
  #hasReported = false;
  #isOver = false;

  constructor(plane: Plane, { client, entryPoint, forwarded }: Incoming) {
    this.plane = plane;
    this.client = client;
    this.entryPoint = entryPoint;
    this.#protocol = forwarded.protocol;
    const { method, target, authority } = client;
    this.request = { method, target, authority, headers: forwarded.headers, cookie: forwarded.cookie };
    this.#startedAtMs = plane.clock.nowMs();
    this.#startedMs = plane.clock.monotonicMs();
    plane.open += 1;
    client.onClose = (status) => this.#clientGone(status);
    client.onDrain = () => this.#upstream?.resume();
    if (client.body !== undefined) this.#countBody(client.body.stream);
  }

  get router(): Router {
    if (this.#router === undefined) throw new Error('The exchange is not routed yet');
    return this.#router;
  }

  set router(router: Router) {
    this.#router = router;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  forward(): void {
    if (this.#isOver) return;
    const { services, upstream } = this.plane;
    const { request, client } = this;
    this.#leave();
    const choice = services.choose(this.router.service, request.cookie);
    this.#leaf = choice.kind === 'Server' ? choice.leaf.name : choice.leaf;
    if (choice.kind === 'NoServer') return this.answer(noServer);
    const { leaf, server } = choice;
    this.#choice = choice;
    this.#hasReported = false;
    services.opened(leaf.name, server.url);
    this.#askedMs = this.plane.clock.monotonicMs();
    this.#upstream = upstream.send(
      {
        server,
        transport: services.transport(leaf.transport),
        method: request.method,
        target: request.target,
        // A client of HTTP/1.0 may say no host, and a server of HTTP/1.1 needs one.
        authority: leaf.passHostHeader && request.authority !== '' ? request.authority : hostOf(server.url),
        headers: request.headers,
        body: client.body,
        upgrade: client.upgrade,
      },
      this,
    );
  }

  answer({ status, headers, body }: Answer): void {
    if (this.#isOver) return;
    const bytes = Buffer.from(body);
    const { response } = this;
    try {
      response.head(status, headers, bytes.length);
      response.write(bytes, true);
      response.end([]);
    } catch {
      this.client.abort();
    }
    this.#finish();
  }

  fail(failure: UpstreamFailure): void {
    this.answer(failureAnswer(failure));
  }

  // What the server says.

  onInformational(status: number, headers: readonly string[]): void {
    this.response.informational(status, headers);
  }

  onHead({ status, headers, bodyLength }: ResponseHead): void {
    const choice = this.#choice;
    if (choice === undefined) return;
    // Whether any other answer is whole shows at its end.
    if (status >= 500) this.#report(false);
    if (this.#protocol === 'grpc' || this.#protocol === 'grpc-web')
      this.#grpcStatus = headerValue(headers, 'grpc-status');
    const { setCookies } = choice;
    const list =
      setCookies.length === 0 ? headers : [...headers, ...setCookies.flatMap((each) => ['Set-Cookie', each])];
    try {
      this.response.head(status, list, bodyLength);
    } catch {
      // A header that node does not write: the server speaks no proper HTTP.
      this.#upstream?.abort();
      this.onError({ kind: 'Malformed', detail: 'the answer has a header that cannot be sent on' });
    }
  }

  onData(chunk: Uint8Array, isOwned: boolean): boolean {
    return this.response.write(chunk, isOwned);
  }

  onEnd(trailers: readonly string[]): void {
    this.#upstream = undefined;
    this.#report(true);
    this.#grpcStatus = headerValue(trailers, 'grpc-status') ?? this.#grpcStatus;
    this.response.end(trailers);
    this.#finish();
  }

  onUpgrade({ headers }: ResponseHead, socket: Duplex, rest: Buffer): void {
    const { client } = this;
    this.#upstream = undefined;
    this.#report(true);
    this.#status = 101;
    const list = [...headers, 'Connection', 'Upgrade', 'Upgrade', client.upgrade ?? ''];
    const switched = client.switchProtocols(list);
    join({ socket: switched.socket, early: switched.head }, { socket, early: rest }, ({ sent, received }) => {
      this.#requestBytes = sent;
      this.#responseBytes = received;
      this.#finish();
    });
  }

  onError(failure: UpstreamFailure): void {
    if (this.#isOver) return;
    this.#upstream = undefined;
    if (failure.kind !== 'ClientBody') this.#report(false);
    if (this.#status !== 0) {
      this.response.abort();
      this.#finish();
    } else if (this.onFailure === undefined) this.fail(failure);
    else this.onFailure(failure);
  }

  // Where answers go, unless a middleware stands before it.

  informational(status: number, headers: readonly string[]): void {
    this.client.informational(status, headers);
  }

  head(status: number, headers: readonly string[], bodyLength: number | undefined): void {
    this.client.head(status, headers, bodyLength);
    this.#status = status;
  }

  write(chunk: Uint8Array, isOwned: boolean): boolean {
    this.#responseBytes += chunk.length;
    return this.client.write(chunk, isOwned);
  }

  end(trailers: readonly string[]): void {
    this.client.end(trailers);
  }

  abort(): void {
    this.client.abort();
  }

  #clientGone(status: number): void {
    if (this.#isOver) return;
    this.#upstream?.abort();
    this.#upstream = undefined;
    if (this.#status !== 0) this.#report(true);
    this.#status = status;
    this.#finish();
  }

  #report(isOk: boolean): void {
    const choice = this.#choice;
    if (this.#hasReported || choice === undefined) return;
    this.#hasReported = true;
    const { leaf, server } = choice;
    if (leaf.passiveHealth !== undefined) this.plane.services.report(leaf.name, server.url, isOk);
  }

  /** Paused, so that nothing is read before the server takes it. */
  #countBody(stream: NodeJS.ReadableStream): void {
    stream.on('data', (chunk: Buffer) => {
      this.#requestBytes += chunk.length;
    });
    stream.pause();
  }

  /** #leave lets go of the server that was asked last. */
  #leave(): void {
    const choice = this.#choice;
    if (choice === undefined) return;
    this.#choice = undefined;
    this.plane.services.closed(choice.leaf.name, choice.server.url);
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { plane, client } = this;
    const serverUrl = this.#choice?.server.url;
    this.#leave();
    plane.open -= 1;
    client.onClose = undefined;
    client.onDrain = undefined;
    const nowMs = plane.clock.monotonicMs();
    const record: RequestRecord = {
      entryPoint: this.entryPoint.name,
      router: this.#router?.name,
      routerService: this.#router?.service,
      service: this.#leaf,
      serverUrl,
      tls: client.tls,
      method: client.method,
      protocol: this.#protocol,
      code: this.#code(),
      status: this.#status,
      requestBytes: this.#requestBytes,
      responseBytes: this.#responseBytes,
      startedAtMs: this.#startedAtMs,
      durationMs: nowMs - this.#startedMs,
    };
    const originMs = serverUrl === undefined ? undefined : nowMs - this.#askedMs;
    plane.observe(record, { client, headers: this.request.headers, originMs });
  }

  #code(): number {
    if (this.#protocol !== 'grpc' && this.#protocol !== 'grpc-web') return this.#status;
    if (this.#grpcStatus === undefined) return this.#status === 499 ? grpcCanceled : grpcUnknown;
    return /^[0-9]{1,2}$/.test(this.#grpcStatus) ? Number(this.#grpcStatus) : grpcUnknown;
  }
}

/** hostOf returns host and port as the URL has them. */
function hostOf(url: string): string {
  return url.slice(url.indexOf('://') + 3).split('/', 1)[0] ?? '';
}
