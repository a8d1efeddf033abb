import type { TlsParameters } from './downstream.ts';

/** RequestRecord is a finished request as counters and access logs see it. */
export interface RequestRecord {
  readonly entryPoint: string;
  /** router is undefined when none matched. */
  readonly router: string | undefined;
  /** routerService is the service that the router names, of which `service` is a leaf; only metrics of routers need it. */
  readonly routerService?: string | undefined;
  /** service is the leaf (LoadBalancer) that was, or would have been, asked; undefined when it did not come to that. */
  readonly service: string | undefined;
  /** serverUrl is undefined when no server was asked. */
  readonly serverUrl: string | undefined;
  /** tls is how the client's connection was encrypted; undefined: it was not. */
  readonly tls?: TlsParameters | undefined;
  readonly method: string;
  /** protocol as Traefik labels it. */
  readonly protocol: 'http' | 'websocket' | 'sse' | 'grpc' | 'grpc-web';
  /** code is the HTTP status; for grpc protocols the gRPC status. 499: the client went away. */
  readonly code: number;
  /** status is the HTTP status. */
  readonly status: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly startedAtMs: number;
  readonly durationMs: number;
}
