import type { SecureContext, TLSSocket } from 'node:tls';
import type { Server, Transport } from '../configuration.ts';
import { Dial, type ClientContext, type DialResult, type DialTarget } from './dial.ts';
import { Http1Exchange } from './http1-exchange.ts';
import { Http1Pool } from './http1-pool.ts';
import { Http2Exchange } from './http2-exchange.ts';
import { formatHttp2Request } from './http2-headers.ts';
import { Http2Pool } from './http2-pool.ts';
import { NegotiatedExchange } from './negotiation.ts';
import { refuse } from './refusal.ts';
import { formatRequestHead } from './request-head.ts';
import { TlsSettings } from './tls-settings.ts';
import type { ResponseHandler, UpstreamCall, UpstreamExchange } from './upstream.ts';

/** Protocol is what a server speaks; over TLS the first connection finds out. */
type Protocol = 'http/1.1' | 'h2' | 'unknown';

/** Origin is one server over one transport: its connections, and which protocol it speaks. */
export class Origin {
  readonly #context: ClientContext;
  readonly #http1: Http1Pool;
  readonly #http2: Http2Pool;
  /** negotiable is where to dial to find out the protocol. */
  readonly #negotiable: DialTarget;
  readonly #negotiating: NegotiatedExchange[] = [];
  #protocol: Protocol;

  /** `secureContext` returns what TLS connections of the transport share, or throws for certificates that cannot be. */
  constructor(
    server: Server,
    transport: Transport,
    secure: { readonly context: ClientContext; secureContext(): SecureContext },
  ) {
    const { scheme } = server;
    const settings = scheme === 'https' ? new TlsSettings(server, transport, () => secure.secureContext()) : undefined;
    const target = (...protocols: readonly string[]): DialTarget => ({
      host: server.host.replaceAll(/[[\]]/g, ''),
      port: server.port,
      tls: settings?.offering(...protocols),
      timeoutMs: transport.dialTimeoutMs,
      // Whoever listens there now may speak another protocol.
      onFailure: () => {
        if (scheme === 'https' && !transport.isHttp2Disabled) this.#protocol = 'unknown';
      },
    });
    this.#context = secure.context;
    this.#http1 = new Http1Pool(target('http/1.1'), transport, this.#context);
    this.#http2 = new Http2Pool(target('h2'), transport, this.#context);
    this.#negotiable = target('h2', 'http/1.1');
    this.#protocol = scheme === 'h2c' ? 'h2' : scheme === 'http' || transport.isHttp2Disabled ? 'http/1.1' : 'unknown';
  }

  send(call: UpstreamCall, handler: ResponseHandler): UpstreamExchange {
    if (this.#protocol === 'http/1.1' || call.upgrade !== undefined) return this.#sendHttp1(call, handler);
    return this.#protocol === 'h2' ? this.#sendHttp2(call, handler) : this.#negotiate(call, handler);
  }

  /** retire closes what is idle now, and each other connection after its requests. */
  retire(): void {
    this.#http1.retire();
    this.#http2.retire();
  }

  #sendHttp1(call: UpstreamCall, handler: ResponseHandler): UpstreamExchange {
    const head = formatRequestHead(call);
    if ('problem' in head) return refuse(head.problem, handler);
    const exchange = new Http1Exchange({ call, headText: head.text, handler }, this.#http1);
    exchange.start();
    return exchange;
  }

  #sendHttp2(call: UpstreamCall, handler: ResponseHandler): UpstreamExchange {
    const head = formatHttp2Request(call);
    if ('problem' in head) return refuse(head.problem, handler);
    const exchange = new Http2Exchange({ call, headers: head.headers, handler }, this.#http2);
    exchange.start();
    return exchange;
  }

  #negotiate(call: UpstreamCall, handler: ResponseHandler): UpstreamExchange {
    const exchange = new NegotiatedExchange(call, handler);
    this.#negotiating.push(exchange);
    if (this.#negotiating.length === 1) {
      void new Dial(this.#negotiable, this.#context, (result) => this.#onNegotiated(result));
    }
    return exchange;
  }

  #onNegotiated(result: DialResult): void {
    const waiting = this.#negotiating.splice(0);
    if ('failure' in result) {
      for (const exchange of waiting) exchange.refused(result.failure);
      return;
    }
    const { wire } = result;
    this.#protocol = (wire.socket as TLSSocket).alpnProtocol === 'h2' ? 'h2' : 'http/1.1';
    if (this.#protocol === 'h2') this.#http2.adopt(wire);
    else this.#http1.add(wire);
    for (const exchange of waiting) exchange.proceed((call, handler) => this.send(call, handler));
  }
}
