import type { Clock } from '../../clock.ts';
import { Http1Exchange } from './http1-exchange.ts';
import { Pools } from './pools.ts';
import { ReadBuffers } from './read-buffers.ts';
import { formatRequestHead } from './request-head.ts';
import { Sweep } from './sweep.ts';
import type { ResponseHandler, UpstreamClient, UpstreamExchange } from './upstream.ts';

/** UpstreamClientOptions are what a client is made of. */
export interface UpstreamClientOptions {
  readonly clock: Clock;
}

/** createUpstreamClient returns a client without connections. */
export function createUpstreamClient(options: UpstreamClientOptions): UpstreamClient {
  const pools = new Pools({ sweep: new Sweep(options.clock), buffers: new ReadBuffers() });
  return {
    send: (call, handler) => {
      const head = formatRequestHead(call);
      if ('problem' in head) return refuse(head.problem, handler);
      if (call.server.scheme !== 'http') return refuse(`${call.server.scheme} is not there yet`, handler);
      const exchange = new Http1Exchange(
        { call, headText: head.text, handler },
        pools.find(call.server, call.transport),
      );
      exchange.start();
      return exchange;
    },
    forget: (urls) => pools.forget(urls),
    close: () => pools.close(),
  };
}

/** refuse answers a call that cannot be sent, in a later turn as everything else. */
function refuse(detail: string, handler: ResponseHandler): UpstreamExchange {
  let isAborted = false;
  queueMicrotask(() => {
    if (!isAborted) handler.onError({ kind: 'Malformed', detail });
  });
  return {
    resume: () => undefined,
    abort: () => {
      isAborted = true;
    },
  };
}
