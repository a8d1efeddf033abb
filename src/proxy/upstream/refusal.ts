import type { ResponseHandler, UpstreamExchange } from './upstream.ts';

/** refuse answers a call that cannot be sent, in a later turn as everything else. */
export function refuse(detail: string, handler: ResponseHandler): UpstreamExchange {
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
