import type { Duplex } from 'node:stream';

/** End is one end of a connection that carries another protocol, with what has been read of it already. */
export interface End {
  readonly socket: Duplex;
  readonly early: Buffer;
}

/** Carried counts bytes: `sent` from the client to the server, `received` the other way. */
export interface Carried {
  readonly sent: number;
  readonly received: number;
}

/** join carries bytes both ways until both ends are closed, and then calls `onClosed` once. Each end may close one direction. */
export function join(client: End, server: End, onClosed: (carried: Carried) => void): void {
  let open = 2;
  let sent = client.early.length;
  let received = server.early.length;
  const closed = (): void => {
    open -= 1;
    if (open === 0) onClosed({ sent, received });
  };
  client.socket.on('data', (chunk: Buffer) => {
    sent += chunk.length;
  });
  server.socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  carry(client, server.socket, closed);
  carry(server, client.socket, closed);
}

function carry({ socket, early }: End, to: Duplex, onClosed: () => void): void {
  if (early.length > 0) to.write(early);
  // What broke is closed, and its close is what counts.
  socket.on('error', () => undefined);
  socket.on('close', () => {
    // What ended in order is still written to the other end, which then has nobody to talk to; what broke breaks it at once.
    if (socket.readableEnded && !to.writableFinished) to.once('finish', () => to.destroy());
    else to.destroy();
    onClosed();
  });
  if (socket.destroyed) {
    to.destroy();
    return;
  }
  socket.pipe(to);
}
