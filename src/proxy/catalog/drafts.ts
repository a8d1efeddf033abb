import type { KubernetesObject, ObjectKey } from '../../api/kubernetes.ts';
import { emptyDraft, type Compiler, type Compilers, type Draft, type Reader } from './compiler.ts';
import { createDependencies } from './dependencies.ts';
import { idOf, kindOf, type ObjectChange, type ObjectId, type ObjectKind, type Objects } from './object-kind.ts';
import { createObjectTable } from './object-table.ts';

/** Drafts keeps what each object contributes, and compiles again what a change touches. */
export interface Drafts {
  /** update takes changes in and returns what was compiled again, and what is gone. */
  update(changes: readonly ObjectChange[]): readonly DraftChange[];
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
  const drafts = new Map<ObjectId, Draft>();
  const dependencies = createDependencies();
  const compiling = new Set<ObjectId>();

  const draftOf = (id: ObjectId): Draft | undefined => {
    const known = drafts.get(id);
    const object = objects.get(id);
    if (known !== undefined || object === undefined) return known;
    if (compiling.has(id)) throw new Error(`${id} refers to itself`);
    compiling.add(id);
    const uses: ObjectId[] = [];
    const draft = compile(compilers, id, { object, reader: readerOf(uses) });
    compiling.delete(id);
    dependencies.replace(id, uses);
    drafts.set(id, draft);
    return draft;
  };

  const readerOf = (uses: ObjectId[]): Reader => ({
    object: <K extends ObjectKind>(kind: K, key: ObjectKey) => {
      const id = idOf(kind, key);
      note(uses, id);
      return objects.get(id) as Objects[K] | undefined;
    },
    slices: (service) => {
      note(uses, idOf('EndpointSlice', service));
      return objects.slices(service);
    },
    draft: (kind, key) => {
      const id = idOf(kind, key);
      note(uses, id);
      return draftOf(id);
    },
  });

  /** What looks at a compiled object may look different itself, and so on. */
  const touchedBy = (ids: Iterable<ObjectId>): ReadonlySet<ObjectId> => {
    const touched = new Set<ObjectId>(ids);
    for (const id of touched) for (const user of dependencies.users(id)) touched.add(user);
    return touched;
  };

  const update = (changes: readonly ObjectChange[]): readonly DraftChange[] => {
    const touched = [...touchedBy(changes.flatMap((change) => objects.put(change)))].filter(
      (id) => kindOf(id) in compilers,
    );
    for (const id of touched) drafts.delete(id);
    return touched.map((unit) => {
      const draft = draftOf(unit);
      if (draft === undefined) dependencies.replace(unit, []);
      return { unit, createdAt: objects.get(unit)?.metadata.creationTimestamp ?? '', draft };
    });
  };
  return { update, used: (kind) => dependencies.used(kind) };
}

/** A handful at most, so that looking is cheaper than a Set. */
function note(uses: ObjectId[], id: ObjectId): void {
  if (!uses.includes(id)) uses.push(id);
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
