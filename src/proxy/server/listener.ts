/** An entry point's port: accepts connections, finds out which protocol they speak, and ends them in good order. */
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import tls, { type SecureContextOptions, type TLSSocket, type TlsOptions } from 'node:tls';
import type { Clock } from '../../clock.ts';
import type { Certificate } from '../configuration.ts';
import type { Downstream } from '../downstream.ts';
import type { EntryPoint, EntryPointTls } from '../entry-point.ts';
import type { Certificates } from './certificates.ts';
import type { Connection, ConnectionHost } from './connection.ts';
import { createHttp1Host } from './h1.ts';
import { createHttp2Host } from './h2.ts';
import { peekProtocol } from './peek.ts';

/** TlsChoice is what clients are presented besides the certificate of the entry point. */
export interface TlsChoice {
  readonly certificates: Pick<Certificates, 'find' | 'byDefault'>;
  /** isStrict refuses clients that ask for no name, or for one that no certificate is for, as Traefik's sniStrict. */
  readonly isStrict: boolean;
  /** ticketKeys are 48 bytes that all workers share, so that a session that began at one is resumed at another. */
  readonly ticketKeys: Buffer;
}

/** ListenerOptions: `onRequest` gets every request that is in order. */
export interface ListenerOptions {
  readonly entryPoint: EntryPoint;
  readonly clock: Clock;
  readonly onRequest: (downstream: Downstream, entryPoint: EntryPoint) => void;
  readonly tls?: TlsChoice;
}

/** Listener is a port that is, or was, listened on. */
export interface Listener {
  /** listen resolves with the address, and rejects when it is taken; with port 0 the system chooses one. */
  listen(): Promise<AddressInfo>;
  /** accept takes a connection that somebody else accepted. */
  accept(socket: Socket): void;
  /** openConnections returns how many there are. */
  openConnections(): number;
  /** refreshTls takes over a new default certificate for the handshakes to come. */
  refreshTls(): void;
  /** setTicketKeys changes the keys of sessions; those that began with others begin anew. */
  setTicketKeys(keys: Buffer): void;
  /**
   * drain stops accepting and resolves when all connections are gone: idle ones are closed after a second, others after
   * their answers, what is left then (upgraded ones too) after `graceMs`.
   */
  drain(options: { readonly graceMs: number }): Promise<void>;
}

/** An idle connection is closed that long after the drain began: a request may be on its way. */
const idleGraceMs = 1000;

/**
 * After so much silence the kernel asks whether the client is still there. A stream that is open, of HTTP/2 or upgraded, has
 * no other end when its client has lost its power. Ten questions, one a second, follow (uv_tcp_keepalive).
 */
const keepAliveAfterMs = 15_000;

/** createListener does not listen yet. */
export function createListener(options: ListenerOptions): Listener {
  return new EntryPointListener(options);
}

/** Tracked is a connection whatever it is doing; it has no host before its first bytes. */
interface Tracked {
  readonly socket: Socket;
  connection: Connection | undefined;
  /** idleSweeps counts the sweeps that found nothing under way. */
  idleSweeps: number;
}

class EntryPointListener implements Listener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #tls: tls.Server | undefined;
  readonly #http1: ConnectionHost;
  readonly #http2: ConnectionHost;
  readonly #tracked = new Set<Tracked>();
  /** node does not say which connection became a secure one; its other end does. */
  readonly #handshakes = new Map<string, Tracked>();
  #ticketKeys: Buffer | undefined;
  #default: Certificate | undefined;
  #cancelSweep: (() => void) | undefined;
  #onEmpty: (() => void) | undefined;
  #isDraining = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#ticketKeys = options.tls?.ticketKeys;
    const { entryPoint, clock } = options;
    const onRequest = (downstream: Downstream): void => options.onRequest(downstream, entryPoint);
    const { readTimeoutMs, maxHeaderBytes } = entryPoint;
    const host = { isTls: entryPoint.tls !== undefined, readTimeoutMs, maxHeaderBytes, clock, onRequest };
    this.#http1 = createHttp1Host(host);
    this.#http2 = createHttp2Host(host);
    // Half-open, because upgraded connections may close one direction; noDelay, because answers are written whole.
    const keepAlive = { keepAlive: true, keepAliveInitialDelay: keepAliveAfterMs };
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true, ...keepAlive }, (socket) =>
      this.accept(socket),
    );
    this.#tls = entryPoint.tls === undefined ? undefined : this.#createTls(entryPoint.tls);
  }

  listen(): Promise<AddressInfo> {
    const { host, port } = this.#options.entryPoint;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port, backlog: 4096, ...(host === '' ? {} : { host }) }, () => {
        this.#server.off('error', reject);
        resolve(this.#server.address() as AddressInfo);
      });
    });
  }

  accept(socket: Socket): void {
    const tracked: Tracked = { socket, connection: undefined, idleSweeps: 0 };
    this.#track(tracked);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#forget(tracked));
    if (this.#tls === undefined) peekProtocol(socket, (protocol) => this.#host(tracked, socket, protocol));
    else this.#startTls(this.#tls, tracked);
  }

  openConnections(): number {
    return this.#tracked.size;
  }

  async drain({ graceMs }: { readonly graceMs: number }): Promise<void> {
    const { clock } = this.#options;
    this.#isDraining = true;
    this.#server.close();
    for (const { connection } of this.#tracked) connection?.drain();
    const cancels = [
      clock.schedule(Math.min(idleGraceMs, graceMs), () => this.#sweepDraining()),
      clock.schedule(graceMs, () => this.#destroyAll()),
    ];
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      if (this.#tracked.size === 0) resolve();
    });
    for (const cancel of cancels) cancel();
    this.#cancelSweep?.();
    this.#http1.close();
    this.#http2.close();
  }

  #createTls({ certificate, key }: EntryPointTls): tls.Server {
    const { entryPoint } = this.#options;
    const server = tls.createServer({
      ...this.#presented({ certificate, key }),
      ALPNProtocols: ['h2', 'http/1.1'],
      handshakeTimeout: entryPoint.readTimeoutMs === 0 ? 120_000 : entryPoint.readTimeoutMs,
      allowHalfOpen: true,
      SNICallback: (name, done) => this.#choose(name, done),
    });
    server.on('secureConnection', (socket) => {
      const tracked = this.#handshakes.get(addressOf(socket));
      this.#handshakes.delete(addressOf(socket));
      socket.on('error', () => undefined);
      if (tracked === undefined || this.#isNameless(socket)) socket.destroy();
      else this.#host(tracked, socket, socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1');
    });
    // A handshake that fails ends its connection; who sent it is known to nobody.
    server.on('tlsClientError', (_, socket) => socket.destroy());
    return server;
  }

  refreshTls(): void {
    const { entryPoint, tls: choice } = this.#options;
    const present = choice?.certificates.byDefault();
    if (this.#tls === undefined || entryPoint.tls === undefined || present === this.#default) return;
    this.#default = present;
    this.#tls.setSecureContext(this.#presented(entryPoint.tls));
  }

  setTicketKeys(keys: Buffer): void {
    this.#ticketKeys = keys;
    this.#tls?.setTicketKeys(keys);
  }

  /** What the entry point itself has wins over the default of a TLSStore: who starts the proxy said so. */
  #presented({ certificate, key }: EntryPointTls): SecureContextOptions {
    const chosen = certificate === '' ? this.#default : { certificate, key };
    return {
      minVersion: 'TLSv1.2',
      ...(chosen !== undefined && { cert: chosen.certificate, key: chosen.key }),
      ...(this.#ticketKeys !== undefined && { ticketKeys: this.#ticketKeys }),
    };
  }

  #choose(name: string, done: Parameters<NonNullable<TlsOptions['SNICallback']>>[1]): void {
    const { tls: choice } = this.#options;
    const context = choice?.certificates.find(name);
    if (context === undefined && choice?.isStrict === true) done(new Error('no certificate for this name'));
    else done(null, context);
  }

  /** Who asks for no name is not asked about by node. */
  #isNameless(socket: TLSSocket): boolean {
    const name: string | false | null | undefined = socket.servername;
    return this.#options.tls?.isStrict === true && (name === false || (name ?? '') === '');
  }

  #startTls(server: tls.Server, tracked: Tracked): void {
    const address = addressOf(tracked.socket);
    this.#handshakes.set(address, tracked);
    tracked.socket.on('close', () => {
      if (this.#handshakes.get(address) === tracked) this.#handshakes.delete(address);
    });
    server.emit('connection', tracked.socket);
  }

  #host(tracked: Tracked, socket: Socket, protocol: 'h2' | 'http/1.1'): void {
    if (socket.destroyed) return;
    const host = protocol === 'h2' ? this.#http2 : this.#http1;
    tracked.connection = host.accept(socket, () => tracked.socket.destroy());
    tracked.idleSweeps = 0;
    if (this.#isDraining) tracked.connection.drain();
  }

  #track(tracked: Tracked): void {
    this.#tracked.add(tracked);
    if (this.#cancelSweep === undefined) this.#scheduleSweep();
  }

  #forget(tracked: Tracked): void {
    this.#tracked.delete(tracked);
    if (this.#tracked.size === 0) this.#onEmpty?.();
  }

  /** One timer for all connections: theirs would be set anew with every request. */
  #scheduleSweep(): void {
    const { clock, entryPoint } = this.#options;
    const everyMs = sweepMs(entryPoint);
    this.#cancelSweep = clock.schedule(everyMs, () => {
      this.#cancelSweep = undefined;
      for (const tracked of this.#tracked) this.#sweep(tracked, everyMs);
      if (this.#tracked.size > 0) this.#scheduleSweep();
    });
  }

  #sweep(tracked: Tracked, everyMs: number): void {
    const { readTimeoutMs, idleTimeoutMs } = this.#options.entryPoint;
    const { connection } = tracked;
    if (connection !== undefined && (connection.open > 0 || connection.isUpgraded)) {
      tracked.idleSweeps = 0;
      connection.probe(tracked.socket);
      return;
    }
    tracked.idleSweeps += 1;
    const limitMs = connection === undefined ? readTimeoutMs : idleTimeoutMs;
    if (limitMs === 0 || tracked.idleSweeps * everyMs <= limitMs) return;
    if (connection === undefined) tracked.socket.destroy();
    else connection.closeIdle();
  }

  #sweepDraining(): void {
    for (const { connection, socket } of this.#tracked) {
      if (connection === undefined) socket.destroy();
      else connection.closeIdle();
    }
  }

  #destroyAll(): void {
    for (const { connection, socket } of this.#tracked) {
      connection?.destroy();
      socket.destroy();
    }
  }
}

function addressOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** The shorter of the two times is kept to within a tenth. */
function sweepMs({ readTimeoutMs, idleTimeoutMs }: EntryPoint): number {
  const shortest = Math.min(readTimeoutMs || Infinity, idleTimeoutMs || Infinity);
  return Math.min(5000, Math.max(10, shortest / 10));
}
