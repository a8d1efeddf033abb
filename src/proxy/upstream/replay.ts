import { hasHeader } from './request-head.ts';
import type { UpstreamCall } from './upstream.ts';

const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/**
 * isIdempotent says that a request which may have reached the server can be sent again: by its method (RFC 9110, 9.2.2) or
 * because an Idempotency-Key lets the server recognise it. Go's Transport (`Request.isReplayable`), and so Traefik, has the
 * same rule but for PUT and DELETE, which the RFC names and which it leaves out.
 */
export function isIdempotent({ method, headers }: UpstreamCall): boolean {
  return (
    idempotentMethods.has(method) || hasHeader(headers, 'idempotency-key') || hasHeader(headers, 'x-idempotency-key')
  );
}
