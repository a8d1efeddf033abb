/** Which service labels a query is about, and for which arm each counts. */
import type { SampleOutcome, SampleQuery } from '../analysis/metric-source.ts';
import { noData } from './count.ts';
import type { Arm } from './targets.ts';

/** readServices returns the arm of each service label, or why a query cannot be answered: a label stands for both, or there is none. */
export function readServices({ stable, canary }: SampleQuery): ReadonlyMap<string, Arm> | SampleOutcome {
  const services = new Map<string, Arm>(stable.map((name) => [name, 'stable']));
  const shared = canary.find((name) => services.has(name));
  if (shared !== undefined) {
    return noData('SourceRefused', `Service label ${shared} stands for both stable and canary.`);
  }
  for (const name of canary) services.set(name, 'canary');
  return services.size === 0 ? noData('SeriesAbsent', 'No service label to look for was given.') : services;
}
