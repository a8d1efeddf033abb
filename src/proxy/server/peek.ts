import type { Socket } from 'node:net';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/**
 * peekProtocol calls back once with what a connection speaks by its first bytes, which it puts back: HTTP/2 with prior
 * knowledge begins with a preface that no request of HTTP/1 begins with (RFC 9113, 3.4). It never does if they never come.
 */
export function peekProtocol(socket: Socket, onProtocol: (protocol: 'h2' | 'http/1.1') => void): void {
  let seen: Buffer = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const compared = Math.min(seen.length, preface.length);
    const isSame = seen.compare(preface, 0, compared, 0, compared) === 0;
    if (isSame && seen.length < preface.length) return;
    socket.off('data', onData);
    socket.off('end', onEnd);
    socket.pause();
    socket.unshift(seen);
    onProtocol(isSame ? 'h2' : 'http/1.1');
    // A session of HTTP/2 takes what was put back by itself, before it reads on.
    if (!isSame) socket.resume();
  };
  const onEnd = (): void => {
    socket.destroy();
  };
  socket.on('data', onData);
  socket.on('end', onEnd);
}
