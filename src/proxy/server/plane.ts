import type { Clock } from '../../clock.ts';
import type { RequestRecord } from '../counters.ts';
import type { Downstream } from '../downstream.ts';
import type { EntryPoint } from '../entry-point.ts';
import type { RouteTable } from '../routing/route-table.ts';
import type { ServiceTable } from '../services/service-table.ts';
import type { UpstreamClient } from '../upstream/upstream.ts';
import type { Handler } from './exchange.ts';

/** ForwarderOptions are what requests are forwarded by. */
export interface ForwarderOptions {
  /** routes have the handler of each router, which is `forward` or wraps it. */
  readonly routes: Pick<RouteTable<Handler>, 'find'>;
  readonly services: Pick<ServiceTable, 'choose' | 'report' | 'opened' | 'closed' | 'transport'>;
  readonly upstream: Pick<UpstreamClient, 'send'>;
  /** observe gets each request when its answer, or its upgraded connection, is over. */
  readonly observe: (record: RequestRecord, passage: Passage) => void;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  /** hostname is this machine's, for X-Forwarded-Server. */
  readonly hostname: string;
  readonly entryPoints: readonly EntryPoint[];
}

/** Passage is what an access log says of a request besides its record. */
export interface Passage {
  readonly client: Downstream;
  /** headers are those that were sent on, a flat list. */
  readonly headers: readonly string[];
  /** originMs is how long the server took that was asked last; undefined when none was. */
  readonly originMs: number | undefined;
}

/** Plane is what all exchanges share; `open` counts them. */
export interface Plane extends ForwarderOptions {
  open: number;
}
