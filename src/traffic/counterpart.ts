/** The entry of one service of the pair, made after the entry of the other. */
import type { RouteService } from '../api/traefik.ts';
import type { PairMember } from './split.ts';

/**
 * copiedFields say how a service is reached. The canary has to be reached as stable is, or its errors would be those of
 * the way to it: https against http, no session affinity, a time-out; and middlewares of an entry (Traefik 3.7) may be what
 * authenticates. Not copied: healthCheck and nodePortLB, with which Traefik drops the whole route if the other Service is
 * not an ExternalName or a NodePort.
 */
const copiedFields = [
  'scheme',
  'serversTransport',
  'passHostHeader',
  'responseForwarding',
  'strategy',
  'sticky',
  'middlewares',
  'passiveHealthCheck',
] as const;

/** makeCounterpart returns an entry for `member` that is reached as `model`, the other service's entry, is; it has no weight. */
export function makeCounterpart(model: RouteService, member: PairMember): RouteService {
  const port = member.ports[0] ?? model.port;
  const copied = copiedFields.filter((field) => model[field] !== undefined).map((field) => [field, model[field]]);
  return {
    name: member.service,
    ...(model.kind === undefined ? {} : { kind: model.kind }),
    ...(port === undefined ? {} : { port }),
    ...(Object.fromEntries(copied) as Readonly<Record<string, unknown>>),
    ...(member.nativeLB === true ? { nativeLB: true } : {}),
  };
}
