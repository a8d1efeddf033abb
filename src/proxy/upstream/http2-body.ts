import type { ClientHttp2Stream } from 'node:http2';
import { formatHttp2Trailers } from './http2-headers.ts';
import type { BodySink } from './request-body.ts';
import { formatTrailers } from './request-head.ts';

/**
 * http2BodySink writes a body to a stream. Only one with `hasTrailers`, which were announced in the head, waits for them;
 * others have none, as in Go's ReverseProxy.
 */
export function http2BodySink(stream: ClientHttp2Stream, hasTrailers: boolean): BodySink {
  return {
    write: (bytes) => stream.write(bytes),
    end: (trailers) => {
      const checked = formatTrailers(trailers);
      if ('problem' in checked) return checked.problem;
      if (hasTrailers) stream.once('wantTrailers', () => stream.sendTrailers(formatHttp2Trailers(trailers)));
      stream.end();
      return undefined;
    },
  };
}
