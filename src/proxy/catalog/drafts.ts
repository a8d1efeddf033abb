import type { KubernetesObject, ObjectKey } from '../../api/kubernetes.ts';
import type { Steps } from '../steps.ts';
import { emptyDraft, type Compiler, type Compilers, type Draft, type Reader } from './compiler.ts';
import { createDependencies, type Dependencies, type Seen } from './dependencies.ts';
import { idOf, kindOf, type ObjectChange, type ObjectId, type ObjectKind, type Objects } from './object-kind.ts';
import { createObjectTable, type ObjectTable } from './object-table.ts';
import { createServerSets, type ServerSets, type ServerSource } from './server-sets.ts';

/** Drafts keeps what each object contributes, and compiles again what a change touches. */
export interface Drafts {
  /** serverSets are those that the drafts use; the owner commits them. */
  readonly serverSets: Pick<ServerSets, 'current' | 'compare' | 'commit'>;
  /** update takes changes in and returns what was compiled again, and what is gone. */
  update(changes: readonly ObjectChange[]): Steps<readonly DraftChange[]>;
  /** used returns the keys of all objects of a kind that something refers to, whether they exist or not. */
  used(kind: ObjectKind): readonly ObjectKey[];
}

/** DraftChange is the new Draft of one object; undefined: it is gone. */
export interface DraftChange {
  readonly unit: ObjectId;
  readonly createdAt: string;
  readonly draft: Draft | undefined;
}

/** createDrafts returns Drafts of no object. */
export function createDrafts(compilers: Compilers): Drafts {
  const objects = createObjectTable();
  const dependencies = createDependencies();
  const serverSets = createServerSets((service) => objects.slices(service));
  const world: World = { compilers, objects, dependencies, serverSets, drafts: new Map(), compiling: new Set() };
  return { serverSets, update: (changes) => update(world, changes), used: (kind) => dependencies.used(kind) };
}

interface World {
  readonly compilers: Compilers;
  readonly objects: ObjectTable;
  readonly dependencies: Dependencies;
  readonly serverSets: ServerSets;
  readonly drafts: Map<ObjectId, Draft>;
  readonly compiling: Set<ObjectId>;
}

function* update(world: World, changes: readonly ObjectChange[]): Steps<readonly DraftChange[]> {
  const { objects, drafts, dependencies } = world;
  const touched = yield* touchedBy(world, yield* put(world, changes));
  for (const id of touched) drafts.delete(id);
  const unseen = new Set<Seen>();
  const compiled: DraftChange[] = [];
  for (const unit of touched) {
    const draft = draftOf(world, unit, unseen);
    if (draft === undefined) addAll(unseen, dependencies.replace(unit, []));
    compiled.push({ unit, createdAt: objects.get(unit)?.metadata.creationTimestamp ?? '', draft });
    yield;
  }
  dropServerSets(world, unseen);
  return compiled;
}

/** Of endpoints nobody sees more than whether there are any; the rest is in the ServerSets. */
function* put({ objects, serverSets }: World, changes: readonly ObjectChange[]): Steps<Set<Seen>> {
  const seen = new Set<Seen>();
  const services = new Set<ObjectKey>();
  for (const change of changes) {
    if (change.kind === 'EndpointSlice') addAll(services, objects.putSlice(change));
    else seen.add(objects.put(change));
    if (change.kind === 'IngressClass') seen.add(allClasses);
    if (change.kind === 'Ingress') addAll(seen, objects.putIngress(change));
    yield;
  }
  for (const service of services) {
    for (const name of serverSets.refresh(service)) seen.add(emptinessOf(name));
    yield;
  }
  return seen;
}

/** What looks at a compiled object may look different itself, and so on. */
function* touchedBy({ compilers, dependencies }: World, seen: Set<Seen>): Steps<readonly ObjectId[]> {
  const touched: ObjectId[] = [];
  for (const id of seen) {
    if (kindOf(id) in compilers) touched.push(id as ObjectId);
    addAll(seen, dependencies.users(id));
    yield;
  }
  return touched;
}

function draftOf(world: World, id: ObjectId, unseen: Set<Seen>): Draft | undefined {
  const { drafts, compiling } = world;
  const known = drafts.get(id);
  const object = world.objects.get(id);
  if (known !== undefined || object === undefined) return known;
  if (compiling.has(id)) throw new Error(`${id} refers to itself`);
  compiling.add(id);
  const uses: Seen[] = [];
  const draft = compile(world.compilers, id, { object, reader: readerOf(world, uses, unseen) });
  compiling.delete(id);
  addAll(unseen, world.dependencies.replace(id, uses));
  drafts.set(id, draft);
  return draft;
}

function readerOf(world: World, uses: Seen[], unseen: Set<Seen>): Reader {
  const { objects, serverSets } = world;
  const useServerSet = (source: ServerSource): string => {
    const name = serverSets.use(source);
    note(uses, serverSetOf(name));
    return name;
  };
  return {
    object: <K extends ObjectKind>(kind: K, key: ObjectKey) => {
      const id = idOf(kind, key);
      note(uses, id);
      return objects.get(id) as Objects[K] | undefined;
    },
    serverSet: useServerSet,
    isEmpty: (source) => {
      const name = useServerSet(source);
      note(uses, emptinessOf(name));
      return serverSets.servers(name).length === 0;
    },
    draft: (kind, key) => {
      const id = idOf(kind, key);
      note(uses, id);
      return draftOf(world, id, unseen);
    },
    ingressClass: (key) => {
      note(uses, idOf('IngressClass', key));
      return objects.get(idOf('IngressClass', key));
    },
    ingressClasses: () => {
      note(uses, allClasses);
      return objects.ingressClasses();
    },
    ingresses: (place) => {
      note(uses, place);
      return objects.ingresses(place);
    },
  };
}

/** A handful at most, so that looking is cheaper than a Set. */
function note(uses: Seen[], id: Seen): void {
  if (!uses.includes(id)) uses.push(id);
}

/** Only when all is compiled: what one object does not use any more another one may have begun to use. */
function dropServerSets({ dependencies, serverSets }: World, unseen: ReadonlySet<Seen>): void {
  for (const id of unseen) {
    if (id.startsWith(serverSetPrefix) && !dependencies.isUsed(id)) serverSets.drop(id.slice(serverSetPrefix.length));
  }
}

const allClasses = 'IngressClasses all';
const serverSetPrefix = 'ServerSet ';

function serverSetOf(name: string): Seen {
  return `${serverSetPrefix}${name}`;
}

function emptinessOf(name: string): Seen {
  return `Emptiness ${name}`;
}

function addAll<T>(to: Set<T>, items: Iterable<T>): void {
  for (const item of items) to.add(item);
}

/** An object that the API server accepted under a schema we do not know must not keep the others from being served. */
function compile(
  compilers: Compilers,
  id: ObjectId,
  from: { readonly object: KubernetesObject; readonly reader: Reader },
): Draft {
  const compiler = compilers[kindOf(id)] as Compiler<ObjectKind> | undefined;
  if (compiler === undefined) return emptyDraft;
  try {
    return compiler(from.object, from.reader);
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    const problem = {
      reason: 'Unreadable',
      message: `${id} cannot be read: ${found}; compare it with its CRD.`,
    } as const;
    return { ...emptyDraft, problems: [problem], fault: { kind: 'Broken', ...problem } };
  }
}
