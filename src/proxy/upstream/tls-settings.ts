import { isIP } from 'node:net';
import tls, { type ConnectionOptions, type SecureContext } from 'node:tls';
import type { Server, Transport } from '../configuration.ts';
import type { WireTls } from './wire.ts';

/** TlsSettings is how one server is reached by TLS over one transport. */
export class TlsSettings {
  readonly #server: Server;
  readonly #transport: Transport;
  readonly #context: () => SecureContext;
  #session: Buffer | undefined;

  /** `context` returns the SecureContext of the transport, or throws for certificates that cannot be. */
  constructor(server: Server, transport: Transport, context: () => SecureContext) {
    this.#server = server;
    this.#transport = transport;
    this.#context = context;
  }

  /** offering returns the settings with these protocols for ALPN. */
  offering(...protocols: readonly string[]): WireTls {
    return {
      options: () => this.#options(protocols),
      onSession: (session) => {
        this.#session = session;
      },
    };
  }

  #options(protocols: readonly string[]): ConnectionOptions {
    const name = this.#transport.serverName ?? this.#server.host;
    return {
      secureContext: this.#context(),
      ALPNProtocols: [...protocols],
      rejectUnauthorized: !this.#transport.isInsecure,
      // An address is no name to send (RFC 6066, 3), but one that the certificate may have.
      ...(isIP(name) === 0 ? { servername: name } : {}),
      checkServerIdentity: (_, certificate) => tls.checkServerIdentity(name, certificate),
      ...(this.#session === undefined ? {} : { session: this.#session }),
    };
  }
}

/** createContext returns what all TLS connections over a transport share. It throws for certificates that cannot be. */
export function createContext({ rootCas, certificates }: Transport): SecureContext {
  return tls.createSecureContext({
    ...(rootCas.length === 0 ? {} : { ca: [...rootCas] }),
    cert: certificates.map(({ certificate }) => certificate),
    key: certificates.map(({ key }) => key),
  });
}
