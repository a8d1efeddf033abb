import type { ItemStatus } from '../configuration.ts';
import type { EntryPoint } from '../entry-point.ts';
import { goDuration } from './go-duration.ts';
import type { ApiView } from './view.ts';

interface Section {
  readonly total: number;
  readonly warnings: number;
  readonly errors: number;
}

const none: Section = { total: 0, warnings: 0, errors: 0 };

/** overviewJson counts what there is, as `/api/overview` of Traefik. */
export function overviewJson({ configuration, hasAccessLog }: ApiView): object {
  const { routers, services } = configuration;
  return {
    http: { routers: sectionOf(routers.values()), services: sectionOf(services.values()), middlewares: none },
    tcp: { routers: none, services: none, middlewares: none },
    udp: { routers: none, services: none },
    features: { tracing: '', metrics: 'Prometheus', accessLog: hasAccessLog },
    providers: ['KubernetesCRD'],
  };
}

/** versionJson says which program this is, as `/api/version` of Traefik. */
export function versionJson({ version, startedAt }: ApiView): object {
  return { Version: version, Codename: 'sluice', startDate: startedAt };
}

/** entryPointJson returns an entry point as `/api/entrypoints` of Traefik; certificates and keys are left out. */
export function entryPointJson(point: EntryPoint, { graceMs, acceptGraceMs }: ApiView) {
  const { name, host, port, tls, trustedIps, isInsecure } = point;
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${port}`,
    transport: {
      lifeCycle: {
        ...(acceptGraceMs > 0 && { requestAcceptGraceTimeout: goDuration(acceptGraceMs) }),
        graceTimeOut: goDuration(graceMs),
      },
      respondingTimeouts: {
        readTimeout: goDuration(point.readTimeoutMs),
        idleTimeout: goDuration(point.idleTimeoutMs),
      },
    },
    forwardedHeaders: {
      ...(isInsecure && { insecure: true }),
      ...(trustedIps.length > 0 && { trustedIPs: trustedIps }),
    },
    http: { ...(tls !== undefined && { tls: {} }), maxHeaderBytes: point.maxHeaderBytes },
    name,
  };
}

function sectionOf(items: Iterable<{ readonly status: ItemStatus }>): Section {
  const counts = { total: 0, warnings: 0, errors: 0 };
  for (const { status } of items) {
    counts.total += 1;
    if (status === 'warning') counts.warnings += 1;
    if (status === 'disabled') counts.errors += 1;
  }
  return counts;
}
