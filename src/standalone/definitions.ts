/** From the texts of a folder to the objects that it defines, each once. */
import { formatFieldPath, type FieldProblem } from '../api/field-path.ts';
import type { KubernetesObject } from '../api/kubernetes.ts';
import type { FolderProblem } from './folder-problem.ts';
import { isBelow, type FolderReading } from './folder-reader.ts';
import type { ManifestSchema } from './manifest-schema.ts';
import { parseManifests, type ManifestDocument } from './manifest-text.ts';
import { contentOf, recordId, type Content, type RecordId } from './object-record.ts';

/** Definition is an object with the place where it is defined. */
export interface Definition {
  readonly file: string;
  readonly line: number;
  readonly base: Content;
}

/** Definitions are what is to be served, and what cannot be; with `isWaiting` some of that may be possible later, as it is. */
export interface Definitions {
  readonly byId: ReadonlyMap<RecordId, Definition>;
  readonly problems: readonly FolderProblem[];
  readonly isWaiting: boolean;
}

/** Known is the object before a change of its file: what the file said, and what it is, with its status. */
export interface Known {
  readonly base: Content;
  readonly object: KubernetesObject;
}

/** FindKnown returns what is there already; undefined also for what is going, since the next one will be another object. */
export type FindKnown = (id: RecordId) => Known | undefined;

interface DocumentDefinitions {
  readonly definitions: readonly Definition[];
  readonly problems: readonly FolderProblem[];
  /** isWaiting: the problem is the change, and ends with the state of the object. */
  readonly isWaiting: boolean;
}

interface FileDefinitions extends DocumentDefinitions {
  readonly text: string;
}

/**
 * createDefiner returns a function from a reading to its definitions. A file with a problem counts as it was when it last
 * had none; `remembered` is that of all files for the time before this process, from the state. A change that is refused
 * because of the state of its object is judged anew each time.
 */
export function createDefiner(
  validate: ManifestSchema,
  remembered: () => readonly Definition[],
): (reading: FolderReading, find: FindKnown) => Definitions {
  let known = new Map<string, FileDefinitions>();
  const rememberedOf = (file: string): readonly Definition[] =>
    remembered().filter((definition) => definition.file === file);
  return ({ texts, problems, unreadable }, find) => {
    const files = [...texts].sort(([a], [b]) => (a < b ? -1 : 1));
    known = new Map(
      files.map(([file, text]) => {
        const before = known.get(file);
        if (before?.text === text && !before.isWaiting) return [file, before];
        return [file, define({ file, text, judge: { validate, find }, before, remembered: rememberedOf })];
      }),
    );
    const all = [...known.values()];
    const unread =
      unreadable.length === 0 ? [] : remembered().filter(({ file }) => !texts.has(file) && isBelow(unreadable, file));
    const first = new Map<RecordId, Definition>();
    const twice = [...all.flatMap(({ definitions }) => definitions), ...unread].flatMap((definition) => {
      const id = recordId(definition.base);
      const other = first.get(id);
      if (other === undefined) first.set(id, definition);
      return other === undefined ? [] : [definedTwice(definition, other)];
    });
    return {
      byId: first,
      problems: [...problems, ...all.flatMap((file) => file.problems), ...twice],
      isWaiting: all.some(({ isWaiting }) => isWaiting),
    };
  };
}

interface Judge {
  readonly validate: ManifestSchema;
  readonly find: FindKnown;
}

function define({
  file,
  text,
  judge,
  before,
  remembered,
}: {
  readonly file: string;
  readonly text: string;
  readonly judge: Judge;
  readonly before: FileDefinitions | undefined;
  readonly remembered: (file: string) => readonly Definition[];
}): FileDefinitions {
  const parsed = parseManifests(text);
  const read = parsed.documents.map((document) => readDocument(file, document, judge));
  const problems = [
    ...parsed.problems.map(({ line, message }) => ({ file, line, message })),
    ...read.flatMap((one) => one.problems),
  ];
  const definitions = read.flatMap((one) => one.definitions);
  const isWaiting = read.some((one) => one.isWaiting);
  if (problems.length === 0) return { text, definitions, problems, isWaiting };
  const last = before?.definitions ?? remembered(file);
  // Where nothing is known from before, what can be used is better than nothing.
  return { text, definitions: last.length > 0 ? last : definitions, problems, isWaiting };
}

function readDocument(file: string, document: ManifestDocument, { validate, find }: Judge): DocumentDefinitions {
  const fail = (problems: readonly FieldProblem[]): DocumentDefinitions => ({
    definitions: [],
    isWaiting: false,
    problems: problems.map(({ path, message }) => ({
      file,
      line: document.placeOf(path).line,
      message: [formatFieldPath(path), message].filter((part) => part !== '').join(': '),
    })),
  });
  const result = validate(document.value);
  if (result.kind === 'Ignored') return { definitions: [], problems: [], isWaiting: false };
  if (result.kind === 'Invalid') return fail(result.problems);
  const object = result.object as Partial<KubernetesObject>;
  // Names that a server would make up are for `create`: each start would be another object.
  if ((object.metadata?.name ?? '') === '') return fail([{ path: ['metadata', 'name'], message: 'Required value' }]);
  const base = contentOf(object as KubernetesObject);
  const definition = { file, line: document.placeOf([]).line, base };
  const known = find(recordId(base));
  const change = known === undefined ? result : validate(document.value, known.object);
  if (known === undefined || change.kind !== 'Invalid')
    return { definitions: [definition], problems: [], isWaiting: false };
  // In a file that was not known before, too, the object stays as it is: it is not gone.
  return { ...fail(change.problems), definitions: [{ ...definition, base: known.base }], isWaiting: true };
}

function definedTwice({ file, line, base }: Definition, first: Definition): FolderProblem {
  const name = `${base.kind ?? ''} ${base.metadata.namespace}/${base.metadata.name}`;
  const message = `${name} is defined in ${first.file} at line ${first.line} and again in ${file} at line ${line}; the first one counts.`;
  return { file, line, message };
}
