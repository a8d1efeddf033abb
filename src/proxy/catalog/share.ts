import { isDeepStrictEqual } from 'node:util';
import type { RouteService, Sticky } from '../../api/traefik.ts';
import type { Service, WeightedService } from '../configuration.ts';
import type { DraftService, Fault, Problem, Reader, Reference } from './compiler.ts';
import { emptyLoadBalancer, resolveService, type ResolvedService } from './resolve-service.ts';
import type { CatalogSettings } from './settings.ts';
import { stickyCookieOf } from './sticky.ts';

/** ShareUse is a list of services among which requests are shared out by weight. */
export interface ShareUse {
  readonly entries: readonly RouteService[];
  readonly sticky: Sticky | undefined;
  /** name and identity of the service that shares out. */
  readonly name: string;
  readonly identity: string;
  readonly namespace: string;
  /** at is the field of the list, with its object, for messages. */
  readonly at: string;
  readonly reader: Reader;
  readonly settings: CatalogSettings;
}

/** Share is the services that come of it, with what had to be left out, or why nothing may be served. */
export type Share =
  | {
      readonly kind: 'Shared';
      readonly services: readonly DraftService[];
      readonly references: readonly Reference[];
      readonly problems: readonly Problem[];
    }
  | Fault;

/**
 * shareOut makes a WeightedService of a list. What is broken in it is left out, and the rest serves; when nothing is
 * left, requests get a 503 as when no pod is ready. With `isStrict` one broken entry takes the whole down, as in Traefik.
 */
export function shareOut(use: ShareUse): Share {
  const resolved = use.entries.map((entry, index) => ({
    entry,
    service: resolveService({ ...use, entry, at: `${use.at}[${index}]` }),
  }));
  const faults = resolved.map(({ service }) => service).filter(isFault);
  const fatal = fatalOf(faults, use.settings);
  if (fatal !== undefined) return fatal;
  const leaves = collectLeaves(
    resolved.map(({ service }) => service),
    use,
  );
  const problems = [...faults.map(problemOf), ...leaves.problems];
  const usable = resolved.filter(({ service }) => !isFault(service) && !leaves.refused.has(service));
  const service = usable.length === 0 && faults.length > 0 ? emptyShare(use, problems) : weighted(use, usable);
  return {
    kind: 'Shared',
    services: [{ service, identity: use.identity, owner: use.name }, ...leaves.services],
    references: usable.flatMap(({ service }) =>
      service.kind === 'Reference' ? [{ ...service, owner: use.name }] : [],
    ),
    problems,
  };
}

/** fatalOf returns why nothing of a list may be served; undefined: what is not broken may be. */
export function fatalOf(faults: readonly Fault[], { isStrict }: CatalogSettings): Fault | undefined {
  return faults.find(({ kind }) => kind === 'Unsupported') ?? (isStrict ? faults[0] : undefined);
}

/** isFault tells whether an entry cannot be used. */
export function isFault(service: ResolvedService): service is Fault {
  return service.kind === 'Broken' || service.kind === 'Unsupported';
}

/** problemOf returns what is told about a fault. */
export function problemOf({ reason, message }: Fault): Problem {
  return { reason, message };
}

interface Leaves {
  readonly services: readonly DraftService[];
  /** refused are those whose name stands for something else in this list already. */
  readonly refused: ReadonlySet<ResolvedService>;
  readonly problems: readonly Problem[];
}

/** Of the same service with different options the last one holds, as in Traefik. */
function collectLeaves(entries: readonly ResolvedService[], use: ShareUse): Leaves {
  const services = new Map<string, DraftService>();
  const identities = new Map<string, string>();
  const refused = new Set<ResolvedService>();
  const problems: Problem[] = [];
  const conflict = (index: number, found: string): void => {
    problems.push({ reason: 'NameConflict', message: `${use.at}[${index}]: ${found}` });
  };
  for (const [index, entry] of entries.entries()) {
    if (isFault(entry)) continue;
    const name = entry.kind === 'Leaf' ? entry.service.name : entry.name;
    const { identity } = entry;
    const before = identities.get(name);
    if (before !== undefined && before !== identity) {
      refused.add(entry);
      conflict(
        index,
        `${identity} has the same name as ${before} (${name}) and gets no requests; rename one of the two.`,
      );
      continue;
    }
    identities.set(name, identity);
    if (entry.kind !== 'Leaf') continue;
    problems.push(...entry.notes);
    const known = services.get(name);
    if (known !== undefined && !isDeepStrictEqual(known.service, entry.service)) {
      conflict(
        index,
        `${identity} is listed before with other options; those here hold for both. Write the same in both.`,
      );
    }
    services.set(name, { service: entry.service, identity, owner: use.name });
  }
  return { services: [...services.values()], refused, problems };
}

function emptyShare(use: ShareUse, problems: readonly Problem[]): Service {
  return emptyLoadBalancer(
    use.name,
    problems.map(({ message }) => message),
  );
}

interface Entry {
  readonly entry: RouteService;
  readonly service: ResolvedService;
}

/** The same service twice has the sum of both weights, as the two entries of Traefik's balancer have. */
function weighted({ name, sticky }: ShareUse, entries: readonly Entry[]): WeightedService {
  const weights = new Map<string, number>();
  for (const { entry, service } of entries) {
    const child = service.kind === 'Leaf' ? service.service.name : service.kind === 'Reference' ? service.name : '';
    weights.set(child, (weights.get(child) ?? 0) + (entry.weight ?? 1));
  }
  return {
    kind: 'Weighted',
    name,
    services: [...weights].map(([child, weight]) => ({ name: child, weight })),
    sticky: stickyCookieOf(sticky, name),
    status: 'enabled',
    errors: [],
  };
}
