/** A TCP server that a test scripts byte by byte. */
import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import tls, { type TlsOptions } from 'node:tls';

/** RawConnection is one connection of a client to a RawServer. */
export interface RawConnection {
  /** index counts the connections of the server from 0. */
  readonly index: number;
  readonly socket: Socket;
  /** received is all that came and was not taken yet, as latin1. */
  readonly received: string;
  /** isClosed: the client has ended or reset the connection. */
  readonly isClosed: boolean;
  /** head takes the bytes up to and including the next empty line. */
  head(): Promise<string>;
  /** take takes the next `length` bytes. */
  take(length: number): Promise<string>;
  /** until takes the bytes up to and including `mark`. */
  until(mark: string): Promise<string>;
  /** write sends latin1 text. */
  write(text: string): void;
  /** closed resolves when the client has gone. */
  closed(): Promise<void>;
}

/** RawServer listens until it is disposed of. */
export interface RawServer extends AsyncDisposable {
  readonly port: number;
  readonly connections: readonly RawConnection[];
}

/**
 * startRawServer calls `serve` for each connection; with `tlsOptions` after its handshake. What it rejects with ends the
 * connection. It listens on a free port of 127.0.0.1 unless told otherwise.
 */
export async function startRawServer(
  serve: (connection: RawConnection) => Promise<void>,
  tlsOptions?: TlsOptions,
  { host = '127.0.0.1', port = 0 }: { readonly host?: string; readonly port?: number } = {},
): Promise<RawServer> {
  const connections: RawConnection[] = [];
  const accept = (socket: Socket): void => {
    const connection = createRawConnection(socket, connections.length);
    connections.push(connection);
    serve(connection).catch(() => socket.destroy());
  };
  const server = tlsOptions === undefined ? net.createServer(accept) : tls.createServer(tlsOptions, accept);
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    [Symbol.asyncDispose]: async () => {
      for (const { socket } of connections) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function createRawConnection(socket: Socket, index: number): RawConnection {
  let received = '';
  let isClosed = false;
  let wake: (() => void)[] = [];
  const changed = (): void => {
    const waiting = wake;
    wake = [];
    for (const each of waiting) each();
  };
  socket.setNoDelay(true);
  socket.on('data', (bytes: Buffer) => {
    received += bytes.toString('latin1');
    changed();
  });
  const onClosed = (): void => {
    isClosed = true;
    changed();
  };
  socket.on('error', onClosed);
  socket.on('end', onClosed);
  socket.on('close', onClosed);

  const waitFor = async (isThere: () => boolean): Promise<void> => {
    while (!isThere()) {
      if (isClosed) throw new Error(`the client has gone; it had sent ${JSON.stringify(received)}`);
      await new Promise<void>((resolve) => {
        wake.push(resolve);
      });
    }
  };
  const take = async (length: number): Promise<string> => {
    await waitFor(() => received.length >= length);
    const taken = received.slice(0, length);
    received = received.slice(length);
    return taken;
  };
  const until = async (mark: string): Promise<string> => {
    await waitFor(() => received.includes(mark));
    return await take(received.indexOf(mark) + mark.length);
  };
  return {
    index,
    socket,
    get received() {
      return received;
    },
    get isClosed() {
      return isClosed;
    },
    head: () => until('\r\n\r\n'),
    take,
    until,
    write: (text) => {
      socket.write(text, 'latin1');
    },
    closed: () => waitFor(() => isClosed),
  };
}
