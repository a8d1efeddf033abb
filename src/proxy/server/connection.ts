import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../../clock.ts';
import type { Downstream, Peer, TlsParameters } from '../downstream.ts';

/** Connection is a client's connection as the listener keeps it. */
export interface Connection {
  /** open is how many requests of it are under way. */
  readonly open: number;
  /** isUpgraded connections carry another protocol: only the end of the grace closes them. */
  readonly isUpgraded: boolean;
  /** probe looks for clients that have gone without being noticed; `raw` is the connection below TLS. */
  probe(raw: Socket): void;
  /** drain makes the answers under way, and those to requests that come yet, the last ones. */
  drain(): void;
  /** closeIdle ends it in good order when nothing is under way. */
  closeIdle(): void;
  destroy(): void;
}

/** ConnectionHost takes connections of one protocol; `onGone` is called once when the connection is closed. */
export interface ConnectionHost {
  accept(socket: Socket, onGone: () => void): Connection;
  close(): void;
}

/** HostOptions are what the hosts of both protocols need. */
export interface HostOptions {
  readonly isTls: boolean;
  readonly readTimeoutMs: number;
  readonly maxHeaderBytes: number;
  readonly clock: Clock;
  readonly onRequest: (downstream: Downstream) => void;
}

/** peerOf names the other end; an IPv4 address is not written as IPv6 because the socket listens on both. */
export function peerOf(socket: Socket): Peer {
  const { remoteAddress = '', remotePort = 0 } = socket;
  const mapped = remoteAddress.startsWith('::ffff:') && remoteAddress.includes('.') ? remoteAddress.slice(7) : '';
  const zone = remoteAddress.indexOf('%');
  const address = mapped === '' ? remoteAddress.slice(0, zone === -1 ? undefined : zone) : mapped;
  return { address, port: remotePort };
}

/** There are as many as there are ciphers. */
const known = new Map<string, TlsParameters>();

/** tlsOf returns how a connection is encrypted, once its handshake is done; undefined: it is not. */
export function tlsOf(socket: Socket): TlsParameters | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const { standardName: cipher } = socket.getCipher();
  const version = (socket.getProtocol() ?? 'unknown').replace('TLSv', '');
  const id = `${version} ${cipher}`;
  const parameters = known.get(id) ?? { version, cipher };
  known.set(id, parameters);
  return parameters;
}
