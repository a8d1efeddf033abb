/** The entry of one service of the pair, made after the entry of the other. */
import type { RouteService } from '../api/traefik.ts';
import { isMember, type Pair, type PairMember } from './split.ts';

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

/**
 * makeCounterpart returns an entry for `member` that is reached as `model`, the other service's entry, is. A service that
 * was in the rule before keeps what else its `own` entry said. The weight is for the caller to set.
 */
export function makeCounterpart(model: RouteService, member: PairMember, own?: RouteService): RouteService {
  return own === undefined ? makeEntry(model, member) : renewEntry(model, member, own);
}

/** ownEntryOf returns how the rule `match` listed the canary before that left it; what names another Service or port by now is of no use. */
export function ownEntryOf({ canary, namespace }: Pair, match: string): RouteService | undefined {
  const own = canary.own?.find((route) => route.match === match)?.services ?? [];
  return own.find((entry) => isMember(entry, canary, namespace));
}

function renewEntry(model: RouteService, member: PairMember, own: RouteService): RouteService {
  const isCopied = (field: string): boolean => (copiedFields as readonly string[]).includes(field);
  const kept = Object.entries(own).filter(([field]) => !isCopied(field) || model[field] !== undefined);
  return { ...(Object.fromEntries(kept) as unknown as RouteService), ...waysOf(model, member) };
}

function waysOf(model: RouteService, { nativeLB }: PairMember): Readonly<Record<string, unknown>> {
  const copied = copiedFields.filter((field) => model[field] !== undefined).map((field) => [field, model[field]]);
  return {
    ...(Object.fromEntries(copied) as Readonly<Record<string, unknown>>),
    ...(nativeLB === true ? { nativeLB } : {}),
  };
}

function makeEntry(model: RouteService, member: PairMember): RouteService {
  const port = member.ports[0] ?? model.port;
  return {
    name: member.service,
    ...(model.kind === undefined ? {} : { kind: model.kind }),
    ...(port === undefined ? {} : { port }),
    ...waysOf(model, member),
  };
}
