import type { ResponseHandler, UpstreamCall, UpstreamExchange, UpstreamFailure } from './upstream.ts';

/** NegotiatedExchange is a request that waits until it is known which protocol its server speaks. */
export class NegotiatedExchange implements UpstreamExchange {
  readonly #call: UpstreamCall;
  readonly #handler: ResponseHandler;
  #exchange: UpstreamExchange | undefined;
  #isAborted = false;

  constructor(call: UpstreamCall, handler: ResponseHandler) {
    this.#call = call;
    this.#handler = handler;
  }

  /** proceed sends the request. */
  proceed(send: (call: UpstreamCall, handler: ResponseHandler) => UpstreamExchange): void {
    if (!this.#isAborted) this.#exchange = send(this.#call, this.#handler);
  }

  refused(failure: UpstreamFailure): void {
    if (!this.#isAborted) this.#handler.onError(failure);
  }

  resume(): void {
    this.#exchange?.resume();
  }

  abort(): void {
    this.#isAborted = true;
    this.#exchange?.abort();
  }
}
