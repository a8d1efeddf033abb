import { isDeepStrictEqual } from 'node:util';
import { splitKey, type ObjectKey } from '../../api/kubernetes.ts';
import type {
  Certificate,
  Configuration,
  ConfigurationChange,
  ItemChanges,
  Router,
  Service,
  Transport,
} from '../configuration.ts';
import { finish, type Steps } from '../steps.ts';
import { createCertificateReader } from './certificates.ts';
import type { Compilers, Draft, InvalidReason } from './compiler.ts';
import { createDrafts, type DraftChange, type Drafts } from './drafts.ts';
import { compileIngressRoute } from './ingress-route.ts';
import { compileIngress } from './ingress.ts';
import { createItems, takeOver, type Items } from './items.ts';
import type { ObjectChange, ObjectId, ObjectKind } from './object-kind.ts';
import { compileServersTransport } from './servers-transport.ts';
import type { CatalogSettings } from './settings.ts';
import { settle, type Settled } from './settle.ts';
import { compileTlsStore } from './tls-store.ts';
import { compileTraefikService } from './traefik-service.ts';

/**
 * Catalog turns objects into the Configuration of the proxy, and changes of objects into changes of it. It is pure: the
 * same objects give the same Configuration, whatever came before; what a change does not touch costs nothing.
 */
export interface Catalog {
  /** configuration is the present one; it changes with apply. */
  readonly configuration: Configuration;
  /** apply takes in new states of objects and returns what is different now. */
  apply(changes: readonly ObjectChange[]): ConfigurationChange;
  /** applying does that in pieces; the configuration changes with the last one. One has to be finished before the next begins. */
  applying(changes: readonly ObjectChange[]): Steps<ConfigurationChange>;
  /** invalidObjects lists what is wrong with which object, by kind and name. */
  invalidObjects(): readonly InvalidObject[];
  /** changedInvalid goes through the objects whose problems may be others than when it was called last, each one once. */
  changedInvalid(): Iterable<InvalidChange>;
  /** used returns the keys of all objects of a kind that something refers to, e.g. which Secrets have to be watched. */
  used(kind: ObjectKind): readonly ObjectKey[];
}

/** InvalidObject is one thing wrong with an object, for an event on it and for `sluice_proxy_invalid_objects`. */
export interface InvalidObject {
  readonly kind: ObjectKind;
  readonly namespace: string;
  readonly name: string;
  readonly reason: InvalidReason;
  readonly message: string;
}

/** InvalidChange is what is wrong with an object now; nothing: it is right, or gone. */
export interface InvalidChange {
  readonly id: ObjectId;
  readonly problems: readonly InvalidObject[];
}

/** createCompilers returns those of Traefik's kinds, and of Ingresses. */
function createCompilers(settings: CatalogSettings): Compilers {
  const readCertificate = createCertificateReader();
  return {
    IngressRoute: compileIngressRoute(settings, readCertificate),
    TraefikService: compileTraefikService(settings),
    ServersTransport: compileServersTransport(settings),
    TLSStore: compileTlsStore(readCertificate),
    Ingress: compileIngress(settings, readCertificate),
  };
}

/** createCatalog returns a Catalog of no objects. */
export function createCatalog(settings: CatalogSettings): Catalog {
  const drafts = createDrafts(createCompilers(settings));
  const state: State = {
    routers: createItems(),
    services: createItems(),
    transports: new Map(),
    certificates: createItems(),
    serverSets: drafts.serverSets,
    units: new Map(),
    invalid: new Set(),
    changedInvalid: new Set(),
  };
  const applying = function* (changes: readonly ObjectChange[]): Steps<ConfigurationChange> {
    return yield* applyDrafts(state, yield* drafts.update(changes));
  };
  return {
    configuration: {
      routers: state.routers.current,
      services: state.services.current,
      serverSets: state.serverSets.current,
      transports: state.transports,
      certificates: state.certificates.current,
    },
    apply: (changes) => finish(applying(changes)),
    applying,
    invalidObjects: () => invalidObjectsOf(state),
    changedInvalid: () => changedInvalidOf(state),
    used: (kind) => drafts.used(kind),
  };
}

interface State {
  readonly routers: Items<Router>;
  readonly services: Items<Service>;
  readonly transports: Map<string, Transport>;
  readonly certificates: Items<Certificate>;
  readonly serverSets: Drafts['serverSets'];
  /** units are the compiled objects. */
  readonly units: Map<ObjectId, Unit>;
  /** invalid are the units with problems. */
  readonly invalid: Set<ObjectId>;
  readonly changedInvalid: Set<ObjectId>;
}

interface Unit {
  readonly draft: Draft;
  readonly settled: Settled;
}

/** Claims first, then what follows from them: which of several claims to a name wins is not known before all are in. */
function* applyDrafts(state: State, changes: readonly DraftChange[]): Steps<ConfigurationChange> {
  const { units } = state;
  const transports = compareTransports(state, changes);
  for (const { unit, draft } of changes) {
    touch(state, units.get(unit)?.draft);
    touch(state, draft);
    yield;
  }
  for (const change of changes) {
    release(state, change.unit);
    claim(state, change);
    yield;
  }
  yield* settleAll(state, changes);
  return commit(state, {
    routers: yield* state.routers.compare(finder((unit) => units.get(unit)?.settled.routers)),
    services: yield* state.services.compare(finder((unit) => units.get(unit)?.settled.services)),
    serverSets: yield* state.serverSets.compare(),
    transports,
    certificates: yield* state.certificates.compare((name) => state.certificates.names.winner(name)?.value),
  });
}

function* settleAll(state: State, changes: readonly DraftChange[]): Steps<void> {
  const { routers, services, units } = state;
  const others = new Set<ObjectId>();
  yield* routers.unitsOfChanged(others);
  yield* services.unitsOfChanged(others);
  for (const { unit, draft } of changes) {
    others.delete(unit);
    if (draft === undefined) dropUnit(state, unit);
    else settleUnit(state, unit, draft);
    yield;
  }
  for (const unit of others) {
    const draft = units.get(unit)?.draft;
    if (draft === undefined) continue;
    touch(state, draft);
    settleUnit(state, unit, draft);
    yield;
  }
}

/** In one piece, so that nobody sees a part of it. */
function commit(state: State, change: ConfigurationChange): ConfigurationChange {
  state.routers.commit(change.routers);
  state.services.commit(change.services);
  state.serverSets.commit(change.serverSets);
  takeOver(state.transports, change.transports);
  state.certificates.commit(change.certificates);
  return change;
}

function touch({ routers, services, certificates }: State, draft: Draft | undefined): void {
  if (draft === undefined) return;
  for (const { router } of draft.routers) routers.touch(router.name);
  for (const { service } of draft.services) services.touch(service.name);
  for (const { name } of draft.certificates) certificates.touch(name);
}

function release({ routers, services, certificates, units }: State, unit: ObjectId): void {
  const draft = units.get(unit)?.draft;
  if (draft === undefined) return;
  for (const { router } of draft.routers) routers.names.release(router.name, unit);
  for (const { service } of draft.services) services.names.release(service.name, unit);
  for (const { name } of draft.references) services.names.unread(name, unit);
  for (const { name } of draft.certificates) certificates.names.release(name, unit);
}

function claim({ routers, services, certificates }: State, { unit, createdAt, draft }: DraftChange): void {
  if (draft === undefined) return;
  for (const { router } of draft.routers) {
    routers.names.claim(router.name, { unit, createdAt, identity: unit, value: router });
  }
  for (const { service, identity } of draft.services) {
    services.names.claim(service.name, { unit, createdAt, identity, value: service });
  }
  for (const { name } of draft.references) services.names.read(name, unit);
  for (const value of draft.certificates) {
    certificates.names.claim(value.name, { unit, createdAt, identity: value.name, value });
  }
}

function settleUnit(state: State, unit: ObjectId, draft: Draft): void {
  const settled = settle(unit, draft, { routers: state.routers.names, services: state.services.names });
  state.units.set(unit, { draft, settled });
  const isInvalid = settled.problems.length > 0;
  if (isInvalid || state.invalid.has(unit)) state.changedInvalid.add(unit);
  if (isInvalid) state.invalid.add(unit);
  else state.invalid.delete(unit);
}

function dropUnit({ units, invalid, changedInvalid }: State, unit: ObjectId): void {
  units.delete(unit);
  if (invalid.delete(unit)) changedInvalid.add(unit);
}

/** finder returns a function that finds the item with a name in the object that it is of. */
function finder<T extends { readonly name: string }>(
  itemsOf: (unit: ObjectId) => readonly T[] | undefined,
): (name: string, unit: ObjectId) => T | undefined {
  const indexes = new Map<ObjectId, ReadonlyMap<string, T>>();
  return (name, unit) => {
    const items = itemsOf(unit) ?? [];
    // An object may hold thousands of routes, but nearly all hold one.
    if (items.length < 8) return items.find((item) => item.name === name);
    const index = indexes.get(unit) ?? new Map(items.map((item) => [item.name, item]));
    indexes.set(unit, index);
    return index.get(name);
  };
}

/** Names of transports hold a `/`, so that no two objects have the same. */
function compareTransports({ transports, units }: State, changes: readonly DraftChange[]): ItemChanges<Transport> {
  const set: Transport[] = [];
  const removed: string[] = [];
  for (const { unit, draft } of changes) {
    const after = draft?.transports ?? [];
    for (const transport of after) {
      if (isDeepStrictEqual(transports.get(transport.name), transport)) continue;
      set.push(transport);
    }
    for (const { name } of units.get(unit)?.draft.transports ?? []) {
      if (after.some((transport) => transport.name === name)) continue;
      removed.push(name);
    }
  }
  return { set, removed };
}

function invalidObjectsOf(state: State): readonly InvalidObject[] {
  return [...state.invalid].sort().flatMap((unit) => problemsOf(state, unit));
}

function* changedInvalidOf(state: State): Generator<InvalidChange, void, undefined> {
  for (const id of state.changedInvalid) {
    state.changedInvalid.delete(id);
    yield { id, problems: problemsOf(state, id) };
  }
}

function problemsOf({ units }: State, unit: ObjectId): readonly InvalidObject[] {
  const [kind, key] = unit.split(' ') as [ObjectKind, ObjectKey];
  const problems = units.get(unit)?.settled.problems ?? [];
  return problems.map((problem) => ({ kind, ...splitKey(key), ...problem }));
}
