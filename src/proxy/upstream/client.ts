import type { Clock } from '../../clock.ts';
import { Origins } from './origins.ts';
import { ReadBuffers } from './read-buffers.ts';
import { Sweep } from './sweep.ts';
import type { UpstreamClient } from './upstream.ts';

/** UpstreamClientOptions are what a client is made of. */
export interface UpstreamClientOptions {
  readonly clock: Clock;
}

/** createUpstreamClient returns a client without connections. */
export function createUpstreamClient({ clock }: UpstreamClientOptions): UpstreamClient {
  const origins = new Origins({ sweep: new Sweep(clock), buffers: new ReadBuffers() });
  return {
    send: (call, handler) => origins.find(call.server, call.transport).send(call, handler),
    forget: (urls) => origins.forget(urls),
    close: () => origins.close(),
  };
}
