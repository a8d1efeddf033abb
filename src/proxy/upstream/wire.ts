import net, { type Socket } from 'node:net';
import tls, { type ConnectionOptions } from 'node:tls';
import type { ReadBuffers } from './read-buffers.ts';

/** WireTarget is where a wire leads; `tls` undefined: without TLS. */
export interface WireTarget {
  readonly host: string;
  readonly port: number;
  readonly tls: WireTls | undefined;
}

/** WireTls says how to make TLS connections to one server, which protocols to offer, and keeps its session for the next one. */
export interface WireTls {
  /** options throws for a certificate that cannot be. */
  options(): ConnectionOptions;
  onSession(session: Buffer): void;
}

/** keepAliveAfterMs is when the kernel begins to probe a silent connection, as Traefik's dialer. */
const keepAliveAfterMs = 30_000;

/** Wire is a socket whose bytes are read into the buffers of its client, and whose reader may change. */
export class Wire {
  readonly socket: Socket;
  readonly #buffers: ReadBuffers;
  #buffer: Buffer;
  /** onBytes is handed what was read; it returns false to read no more until `socket.resume()`. */
  onBytes: (bytes: Buffer) => boolean = () => true;

  /** The constructor begins to connect. It throws for a port or a certificate that cannot be. */
  constructor(target: WireTarget, buffers: ReadBuffers) {
    this.#buffers = buffers;
    this.#buffer = buffers.shared;
    const options = {
      host: target.host,
      port: target.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveAfterMs,
      onread: {
        // Asked before the first read and after each: so a wire changes its buffer.
        buffer: (): Buffer => this.#buffer,
        callback: (length: number, buffer: Uint8Array): boolean => this.onBytes((buffer as Buffer).subarray(0, length)),
      },
    };
    this.socket = target.tls === undefined ? net.connect(options) : connectTls(target.tls, options);
  }

  /** hasOwnBuffer: what `onBytes` gets stays as it is until the reading goes on. */
  get hasOwnBuffer(): boolean {
    return this.#buffer !== this.#buffers.shared;
  }

  /** borrowBuffer lets the next reads go into a buffer of its own. */
  borrowBuffer(): void {
    if (!this.hasOwnBuffer) this.#buffer = this.#buffers.borrow();
  }

  /** leaveBuffer goes back to the shared buffer and returns the own one, if there was one: the caller gives it back or drops it. */
  leaveBuffer(): Buffer | undefined {
    const own = this.hasOwnBuffer ? this.#buffer : undefined;
    this.#buffer = this.#buffers.shared;
    return own;
  }
}

function connectTls(settings: WireTls, options: ConnectionOptions): Socket {
  const socket = tls.connect({ ...settings.options(), ...options });
  socket.on('session', (session: Buffer) => settings.onSession(session));
  return socket;
}
