import type { UpstreamFailure } from '../upstream/upstream.ts';

/** Answer is one that the proxy gives by itself. */
export interface Answer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
}

const plainText = ['Content-Type', 'text/plain; charset=utf-8', 'X-Content-Type-Options', 'nosniff'];

/** notFound: no router matches. */
export const notFound: Answer = { status: 404, headers: plainText, body: '404 page not found\n' };

/** noServer: the service has no server, or none of its entries has weight. */
export const noServer: Answer = { status: 503, headers: plainText, body: 'no available server\n' };

/** badRequest: the request can be read in more than one way, or in none. */
export const badRequest: Answer = { status: 400, headers: [], body: 'Bad Request' };

const badGateway: Answer = { status: 502, headers: [], body: 'Bad Gateway' };
const gatewayTimeout: Answer = { status: 504, headers: [], body: 'Gateway Timeout' };

/**
 * failureAnswer is what Traefik answers (pkg/proxy/httputil/proxy.go), without a Content-Type as there; but a server that
 * does not speak HTTP is a bad gateway rather than an error of this one.
 */
export function failureAnswer({ kind }: UpstreamFailure): Answer {
  return failureAnswers[kind];
}

const failureAnswers: Readonly<Record<UpstreamFailure['kind'], Answer>> = {
  Unreachable: badGateway,
  Reset: badGateway,
  Malformed: badGateway,
  TimedOut: gatewayTimeout,
  ClientBody: badRequest,
};
