import type { ClientHttp2Stream } from 'node:http2';
import { formatHttp2Trailers } from './http2-headers.ts';
import type { BodySink } from './request-body.ts';
import { formatTrailers } from './request-head.ts';

/** http2BodySink writes a body to a stream that waits for trailers. */
export function http2BodySink(stream: ClientHttp2Stream): BodySink {
  return {
    write: (bytes) => stream.write(bytes),
    end: (trailers) => {
      const checked = formatTrailers(trailers);
      if ('problem' in checked) return checked.problem;
      stream.once('wantTrailers', () => stream.sendTrailers(formatHttp2Trailers(trailers)));
      stream.end();
      return undefined;
    },
  };
}
