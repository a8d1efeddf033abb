/** What a folder says, brought to the objects: at each change of a file, and again where an object did not allow it before. */
import { isSame } from '../api/merge-patch.ts';
import { applyDefinitions } from './apply-definitions.ts';
import { createDefiner, type Definition, type Known } from './definitions.ts';
import type { FolderProblem } from './folder-problem.ts';
import type { FolderReading } from './folder-reader.ts';
import type { ManifestSchema } from './manifest-schema.ts';
import { contentIn, objectOf, type RecordId } from './object-record.ts';
import type { Draft, ObjectTable, Row } from './object-table.ts';

/** FolderDefinitionsOptions: `onProblems` is told all problems there are whenever they change. */
export interface FolderDefinitionsOptions {
  readonly table: ObjectTable;
  readonly validate: ManifestSchema;
  readonly onProblems: (problems: readonly FolderProblem[]) => void;
}

/** Apply makes a change of the objects, and resolves when it is visible; with undefined where that will never be. */
export type Apply = <T>(change: (draft: Draft) => T) => Promise<T | undefined>;

/** FolderDefinitions holds the last reading. */
export class FolderDefinitions {
  readonly #options: FolderDefinitionsOptions;
  readonly #define: ReturnType<typeof createDefiner>;
  #reading: FolderReading = { texts: new Map(), unreadable: [], problems: [] };
  #byId: ReadonlyMap<RecordId, Definition> = new Map();
  #problems: readonly FolderProblem[] = [];
  #isWaiting = false;

  constructor(options: FolderDefinitionsOptions) {
    this.#options = options;
    this.#define = createDefiner(options.validate, () => rememberedIn(options.table));
  }

  /** byId are the definitions that were applied last. */
  get byId(): ReadonlyMap<RecordId, Definition> {
    return this.#byId;
  }

  /** problems are those that onProblems was told. */
  get problems(): readonly FolderProblem[] {
    return this.#problems;
  }

  /** take makes the objects those of a new reading. */
  take(reading: FolderReading, apply: Apply): Promise<void> {
    this.#reading = reading;
    return this.#judge(apply);
  }

  /** onCommit tries again what the state of an object did not allow; that may have changed. */
  async onCommit(apply: Apply): Promise<void> {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    await this.#judge(apply);
  }

  /** Within the change, so that no status comes between the verdict and what follows from it. */
  async #judge(apply: Apply): Promise<void> {
    const problems = await apply((draft) => {
      const found = this.#define(this.#reading, (id) => knownIn(draft.get(id)));
      this.#byId = found.byId;
      this.#isWaiting = found.isWaiting;
      applyDefinitions(draft, found.byId);
      return found.problems;
    });
    if (problems === undefined || isSame(problems, this.#problems)) return;
    this.#problems = problems;
    this.#options.onProblems(problems);
  }
}

function knownIn(row: Row | undefined): Known | undefined {
  if (row === undefined || row.record.deletedAt !== undefined) return undefined;
  const { record } = row;
  return { base: record.base ?? contentIn(record), object: objectOf(record) };
}

/** What the files said when they were last understood, before this process. */
function rememberedIn(table: ObjectTable): readonly Definition[] {
  return [...table.rows()].flatMap(({ record: { file, base, deletedAt } }) =>
    file === undefined || base === undefined || deletedAt !== undefined ? [] : [{ file, line: 1, base }],
  );
}
