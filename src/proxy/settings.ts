import type { ObjectKey } from '../api/kubernetes.ts';
import type { LogLevel } from '../telemetry/logger.ts';
import type { EntryPoint } from './entry-point.ts';

/** PlaneSettings are what a worker has to know to serve. */
export interface PlaneSettings {
  readonly entryPoints: readonly EntryPoint[];
  /** isStrict gives up what Sluice does better, and does as Traefik. */
  readonly isStrict: boolean;
  /** isSniStrict refuses TLS clients that ask for a name that no certificate is for, or for none. */
  readonly isSniStrict: boolean;
  readonly metrics: MetricSettings;
  readonly accessLog: AccessLogSettings | undefined;
}

/** MetricSettings: `bucketsSeconds` are the bounds of the histograms; labels of routers cost a series for each. */
export interface MetricSettings {
  readonly bucketsSeconds: readonly number[];
  readonly hasRouterLabels: boolean;
}

/** ProxySettings is the whole configuration of `sluice proxy`, in machine units. */
export interface ProxySettings extends PlaneSettings {
  /** kubeconfig is a path; undefined means in-cluster, else the default of kubectl. */
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly objects: ObjectSettings;
  /** publish is what the status of Ingresses says; undefined: it is left alone. */
  readonly publish: PublishSettings | undefined;
  /** workers is how many processes serve. */
  readonly workers: number;
  /** acceptGraceMs is how long connections are still taken after the signal to stop: load balancers have to notice. */
  readonly acceptGraceMs: number;
  /** graceMs is how long open requests and streams then have. */
  readonly graceMs: number;
  readonly adminHost: string;
  readonly adminPort: number;
  readonly logLevel: LogLevel;
}

/** PublishSettings is where clients reach the proxy: addresses and names, or the load balancer of a Service. */
export type PublishSettings =
  | { readonly kind: 'Addresses'; readonly addresses: readonly string[] }
  | { readonly kind: 'Service'; readonly service: ObjectKey };

/** ObjectSettings say which objects are served and how they are read, as Traefik's options of the same names. */
export interface ObjectSettings {
  /** ingressClass: empty takes IngressRoutes without a class or of `traefik`, and Ingresses of our classes; else only what has exactly this one. */
  readonly ingressClass: string;
  readonly allowsCrossNamespace: boolean;
  readonly allowsExternalName: boolean;
}

/** AccessLogSettings: a line for each request to standard output. */
export interface AccessLogSettings {
  readonly format: 'Common' | 'Json';
  /** hasQuery logs query strings; they hold secrets now and then. */
  readonly hasQuery: boolean;
}
