import type { Clock } from '../../clock.ts';
import type { Configuration } from '../configuration.ts';
import type { ServerState } from '../metrics/exposition.ts';
import type { ServerDown } from '../services/service-table.ts';

/** ServerHealth is what the primary knows of servers that failed once: passive health is the workers' own affair. */
export interface ServerHealth {
  /** down takes over what a worker found out. */
  down(down: ServerDown): void;
  /** states tells of all that were ever left alone and are still configured, whether they are asked again. */
  states(configuration: Served): readonly ServerState[];
}

/** Served is where servers are looked for. */
export type Served = Pick<Configuration, 'services' | 'serverSets'>;

/** createServerHealth returns a ServerHealth that knows of no server. */
export function createServerHealth(clock: Pick<Clock, 'monotonicMs'>): ServerHealth {
  const known = new Map<string, { readonly leaf: string; readonly url: string; untilMs: number }>();
  return {
    down: ({ leaf, url, forMs }) => {
      known.set(`${leaf} ${url}`, { leaf, url, untilMs: clock.monotonicMs() + forMs });
    },
    states: (configuration) => {
      for (const [key, { leaf, url }] of known) if (!hasServer(configuration, leaf, url)) known.delete(key);
      const nowMs = clock.monotonicMs();
      return [...known.values()].map(({ leaf, url, untilMs }) => ({ service: leaf, url, isUp: untilMs <= nowMs }));
    },
  };
}

function hasServer({ services, serverSets }: Served, leaf: string, url: string): boolean {
  const service = services.get(leaf);
  const servers = service?.kind === 'LoadBalancer' ? serverSets.get(service.serverSet ?? '')?.servers : undefined;
  return servers?.some((server) => server.url === url) === true;
}
