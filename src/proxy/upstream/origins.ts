import type { SecureContext } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { Server, Transport } from '../configuration.ts';
import type { ClientContext } from './dial.ts';
import { Origin } from './origin.ts';
import { createContext } from './tls-settings.ts';

/** Origins finds the Origin of a server over a transport, and forgets those that are not needed. */
export class Origins {
  readonly #context: ClientContext;
  readonly #byTransport = new WeakMap<Transport, TransportOrigins>();
  readonly #byName = new Map<string, TransportOrigins>();
  #isClosed = false;

  constructor(context: ClientContext) {
    this.#context = context;
  }

  /** find returns the Origin, a new one if there is none. */
  find(server: Server, transport: Transport): Origin {
    const origins = this.#byTransport.get(transport) ?? this.#open(transport);
    return origins.find(server);
  }

  /** forget closes what leads to servers that are not in `urls`. */
  forget(urls: ReadonlySet<string>): void {
    for (const origins of this.#byName.values()) origins.forget(urls);
  }

  close(): void {
    this.#isClosed = true;
    for (const origins of this.#byName.values()) origins.retire();
  }

  /** A transport of the same name and content keeps its connections, though it be another object; a changed one gets new ones. */
  #open(transport: Transport): TransportOrigins {
    const known = this.#byName.get(transport.name);
    if (known !== undefined && isDeepStrictEqual(known.transport, transport)) {
      this.#byTransport.set(transport, known);
      return known;
    }
    known?.retire();
    const origins = new TransportOrigins(transport, this.#context);
    if (this.#isClosed) origins.retire();
    this.#byTransport.set(transport, origins);
    this.#byName.set(transport.name, origins);
    return origins;
  }
}

class TransportOrigins {
  readonly transport: Transport;
  readonly context: ClientContext;
  readonly #byUrl = new Map<string, Origin>();
  #secureContext: SecureContext | undefined;
  #isRetired = false;

  constructor(transport: Transport, context: ClientContext) {
    this.transport = transport;
    this.context = context;
  }

  find(server: Server): Origin {
    return this.#byUrl.get(server.url) ?? this.#open(server);
  }

  forget(urls: ReadonlySet<string>): void {
    for (const [url, origin] of this.#byUrl) {
      if (urls.has(url)) continue;
      origin.retire();
      this.#byUrl.delete(url);
    }
  }

  retire(): void {
    this.#isRetired = true;
    for (const origin of this.#byUrl.values()) origin.retire();
  }

  secureContext(): SecureContext {
    this.#secureContext ??= createContext(this.transport);
    return this.#secureContext;
  }

  #open(server: Server): Origin {
    const origin = new Origin(server, this.transport, this);
    if (this.#isRetired) origin.retire();
    this.#byUrl.set(server.url, origin);
    return origin;
  }
}
