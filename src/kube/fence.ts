import type { Dispatcher } from 'undici';

/**
 * fence returns an interceptor that calls `onStart` in the same step in which undici writes the request to its socket,
 * however long it waited for one. Where `onStart` throws, nothing is written, the connection stays usable, and the
 * request fails with what was thrown.
 */
export function fence(onStart: () => void): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) =>
    dispatch(options, {
      onRequestStart: (controller, context) => {
        onStart();
        handler.onRequestStart?.(controller, context);
      },
      onResponseStart: (...rest) => handler.onResponseStart?.(...rest),
      onResponseData: (...rest) => handler.onResponseData?.(...rest),
      onResponseEnd: (...rest) => handler.onResponseEnd?.(...rest),
      onResponseError: (...rest) => handler.onResponseError?.(...rest),
    });
}
