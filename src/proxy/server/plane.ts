import type { Clock } from '../../clock.ts';
import type { RequestRecord } from '../counters.ts';
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
  readonly observe: (record: RequestRecord) => void;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  /** hostname is this machine's, for X-Forwarded-Server. */
  readonly hostname: string;
  readonly entryPoints: readonly EntryPoint[];
}

/** Plane is what all exchanges share; `open` counts them. */
export interface Plane extends ForwarderOptions {
  open: number;
}
