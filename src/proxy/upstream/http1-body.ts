import type { Socket } from 'node:net';
import type { RequestBody } from '../downstream.ts';
import type { BodySink } from './request-body.ts';
import { formatTrailers } from './request-head.ts';

/** http1BodySink writes a body to a socket: as it is if its length is known, else in chunks with trailers. */
export function http1BodySink(socket: Socket, { length }: RequestBody): BodySink {
  return length === undefined ? chunkedSink(socket) : { write: (bytes) => socket.write(bytes), end: () => undefined };
}

function chunkedSink(socket: Socket): BodySink {
  return {
    write: (bytes) => {
      socket.cork();
      socket.write(`${bytes.length.toString(16)}\r\n`, 'latin1');
      socket.write(bytes);
      const takesMore = socket.write('\r\n', 'latin1');
      socket.uncork();
      return takesMore;
    },
    end: (trailers) => {
      const text = formatTrailers(trailers);
      if ('problem' in text) return text.problem;
      socket.write(`0\r\n${text.text}`, 'latin1');
      return undefined;
    },
  };
}
