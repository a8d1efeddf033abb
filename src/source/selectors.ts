/** The PromQL that Sluice itself sends. */
import { escapeRegex, quoted } from '../analysis/promql.ts';
import { boundPattern } from './bounds.ts';
import { goodCodes } from './code-class.ts';

/** SelectorConfig says how to find Traefik's series. */
export interface SelectorConfig {
  /** serviceLabel is `service`, or `exported_service` where a ServiceMonitor does not honour labels. */
  readonly serviceLabel: string;
  /** extraMatchers are label matchers of Traefik's targets, e.g. `job="traefik"`. */
  readonly extraMatchers?: string;
}

/** requestsSelector selects the request counters of services by the exact values of their label, of some instances if given. */
export function requestsSelector(
  config: SelectorConfig,
  services: readonly string[],
  instances?: readonly string[],
): string {
  const matchers = [oneOf(config.serviceLabel, services), ...(instances ? [oneOf('instance', instances)] : [])];
  return `traefik_service_requests_total{${withExtra(config, matchers)}}`;
}

/**
 * durationsQuery adds up the buckets of the good requests of services, by service, instance and bound; bounds are in
 * seconds, undefined for all. The duration of a websocket or an event stream is how long it was open. A twelfth of what
 * the raw buckets would be: ours are those of every code and method.
 */
export function durationsQuery(
  config: SelectorConfig,
  services: readonly string[],
  bounds: readonly number[] | undefined,
): string {
  const matchers = [
    oneOf(config.serviceLabel, services),
    'protocol!~"websocket|sse"',
    goodCodes,
    ...(bounds ? [`le=~${quoted([...bounds, Number.POSITIVE_INFINITY].map(boundPattern).join('|'))}`] : []),
  ];
  const metric = 'traefik_service_request_duration_seconds_bucket';
  return `sum by (${config.serviceLabel}, instance, le) (${metric}{${withExtra(config, matchers)}})`;
}

/** instanceSelector selects a metric that every target has, of some instances. */
export function instanceSelector(config: SelectorConfig, metric: string, instances: readonly string[]): string {
  return `${metric}{${withExtra(config, [oneOf('instance', instances)])}}`;
}

/**
 * aliveQuery counts the Traefik instances that were scraped in the last `windowMs`. Without extra matchers `up` says
 * nothing about Traefik, so a metric that every Traefik has stands in.
 */
export function aliveQuery(config: SelectorConfig, windowMs: number): string {
  return config.extraMatchers
    ? `count(max_over_time(up{${config.extraMatchers}}[${windowMs}ms]) == 1)`
    : `count(count_over_time(traefik_config_reloads_total[${windowMs}ms]))`;
}

function withExtra(config: SelectorConfig, matchers: readonly string[]): string {
  return [...matchers, ...(config.extraMatchers ? [config.extraMatchers] : [])].join(',');
}

function oneOf(label: string, values: readonly string[]): string {
  return `${label}=~${quoted(`^(?:${values.map(escapeRegex).join('|')})$`)}`;
}
