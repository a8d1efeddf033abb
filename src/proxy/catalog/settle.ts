import { isDeepStrictEqual } from 'node:util';
import type { ItemStatus, Router, Service } from '../configuration.ts';
import type { Draft, DraftService, Problem, Reference } from './compiler.ts';
import type { Names } from './names.ts';
import type { ObjectId } from './object-kind.ts';

/** Settled is what one object really contributes, once it is known who has which name. */
export interface Settled {
  readonly routers: readonly Router[];
  readonly services: readonly Service[];
  readonly problems: readonly Problem[];
}

/** Taken is who has which name. */
export interface Taken {
  readonly routers: Names<Router>;
  readonly services: Names<Service>;
}

/**
 * settle takes away from a draft what others have the name of: a service that is another one under the same name is
 * never used, because the requests of one would reach the other; one with other options is used with a warning.
 */
export function settle(unit: ObjectId, draft: Draft, taken: Taken): Settled {
  const { lost, notes } = findConflicts(unit, draft, taken);
  const problems = [...draft.problems, ...[...notes.values()].flat().map(conflict)];
  const services = draft.services.map(({ service, owner }) => withNotes(withoutLost(service, lost), notes.get(owner)));
  const routers = draft.routers.flatMap(({ router, route }) => {
    const owner = taken.routers.winner(router.name)?.unit ?? unit;
    if (owner === unit) return [settleRouter(router, lost, notes.get(route))];
    const found = `The router of ${unit} with the rule ${router.rule} has the name of one of ${owner} (${router.name})`;
    problems.push(conflict(`${found}, which is older, and gets no requests; rename one of the two.`));
    return [];
  });
  return { routers, services, problems };
}

interface Conflicts {
  /** lost are names that stand for something else. */
  readonly lost: ReadonlySet<string>;
  /** notes maps owners to what they have to show. */
  readonly notes: ReadonlyMap<string, readonly string[]>;
}

const noConflicts: Conflicts = { lost: new Set(), notes: new Map() };

function findConflicts(unit: ObjectId, draft: Draft, taken: Taken): Conflicts {
  const others = draft.services.filter(({ service }) => taken.services.winner(service.name)?.unit !== unit);
  if (others.length === 0 && draft.references.length === 0) return noConflicts;
  const lost = new Set<string>();
  const notes = new Map<string, string[]>();
  const note = (owner: string, text: string): void => {
    notes.set(owner, [...(notes.get(owner) ?? []), text]);
  };
  for (const { name, identity, owner } of [...draft.references, ...others.map(referenceTo)]) {
    const winner = taken.services.winner(name);
    if (winner === undefined || winner.identity === identity) continue;
    lost.add(name);
    note(owner, nameTaken(name, identity, winner));
  }
  for (const claim of others) {
    const winner = taken.services.winner(claim.service.name);
    if (winner === undefined || winner.identity !== claim.identity) continue;
    if (!isDeepStrictEqual(winner.value, claim.service)) note(claim.owner, optionsDiffer(claim, winner.unit));
  }
  return { lost, notes };
}

function referenceTo({ service, identity, owner }: DraftService): Reference {
  return { name: service.name, identity, owner };
}

function nameTaken(
  name: string,
  identity: string,
  winner: { readonly identity: string; readonly unit: ObjectId },
): string {
  const found = `${identity} has the same name as ${winner.identity} of ${winner.unit} (${name})`;
  return `${found}, which is older, and gets no requests; rename one of the two.`;
}

function optionsDiffer({ service, identity }: DraftService, winner: ObjectId): string {
  const found = `${identity} is used by ${winner} with other options (sticky, scheme, serversTransport, …)`;
  return `${found}, which is older, and whose options hold for both (${service.name}); write the same in both.`;
}

function conflict(message: string): Problem {
  return { reason: 'NameConflict', message };
}

function withoutLost(service: Service, lost: ReadonlySet<string>): Service {
  if (service.kind !== 'Weighted' || lost.size === 0) return service;
  return { ...service, services: service.services.filter(({ name }) => !lost.has(name)) };
}

function settleRouter(router: Router, lost: ReadonlySet<string>, notes: readonly string[] | undefined): Router {
  const noted = withNotes(router, notes);
  return lost.has(router.service) ? { ...noted, status: 'disabled' } : noted;
}

function withNotes<T extends { readonly status: ItemStatus; readonly errors: readonly string[] }>(
  item: T,
  notes: readonly string[] | undefined,
): T {
  if (notes === undefined || notes.length === 0) return item;
  const status = item.status === 'disabled' ? 'disabled' : 'warning';
  return { ...item, status, errors: [...item.errors, ...notes] };
}
