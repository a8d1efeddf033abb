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

/** Definitions are what is to be served, and what cannot be. */
export interface Definitions {
  readonly byId: ReadonlyMap<RecordId, Definition>;
  readonly problems: readonly FolderProblem[];
}

interface FileDefinitions {
  readonly text: string;
  readonly definitions: readonly Definition[];
  readonly problems: readonly FolderProblem[];
}

/**
 * createDefiner returns a function from a reading to its definitions. A file with a problem counts as it was when it last
 * had none; `remembered` is that of all files for the time before this process, from the state.
 */
export function createDefiner(
  validate: ManifestSchema,
  remembered: () => readonly Definition[],
): (reading: FolderReading) => Definitions {
  let known = new Map<string, FileDefinitions>();
  const rememberedOf = (file: string): readonly Definition[] =>
    remembered().filter((definition) => definition.file === file);
  return ({ texts, problems, unreadable }) => {
    const files = [...texts].sort(([a], [b]) => (a < b ? -1 : 1));
    known = new Map(
      files.map(([file, text]) => {
        const before = known.get(file);
        return [
          file,
          before?.text === text ? before : define({ file, text, validate, before, remembered: rememberedOf }),
        ];
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
    return { byId: first, problems: [...problems, ...all.flatMap((file) => file.problems), ...twice] };
  };
}

function define({
  file,
  text,
  validate,
  before,
  remembered,
}: {
  readonly file: string;
  readonly text: string;
  readonly validate: ManifestSchema;
  readonly before: FileDefinitions | undefined;
  readonly remembered: (file: string) => readonly Definition[];
}): FileDefinitions {
  const parsed = parseManifests(text);
  const read = parsed.documents.map((document) => readDocument(file, document, validate));
  const problems = [
    ...parsed.problems.map((problem) => ({ file, ...problem })),
    ...read.flatMap((one) => one.problems),
  ];
  const definitions = read.flatMap((one) => one.definitions);
  if (problems.length === 0) return { text, definitions, problems };
  const last = before?.definitions ?? remembered(file);
  // Where nothing is known from before, what can be used is better than nothing.
  return { text, definitions: last.length > 0 ? last : definitions, problems };
}

function readDocument(
  file: string,
  document: ManifestDocument,
  validate: ManifestSchema,
): Pick<FileDefinitions, 'definitions' | 'problems'> {
  const fail = (problems: readonly FieldProblem[]) => ({
    definitions: [],
    problems: problems.map(({ path, message }) => ({
      file,
      line: document.lineOf(path),
      message: [formatFieldPath(path), message].filter((part) => part !== '').join(': '),
    })),
  });
  const result = validate(document.value);
  if (result.kind === 'Ignored') return { definitions: [], problems: [] };
  if (result.kind === 'Invalid') return fail(result.problems);
  const object = result.object as Partial<KubernetesObject>;
  // Names that a server would make up are for `create`: each start would be another object.
  if ((object.metadata?.name ?? '') === '') return fail([{ path: ['metadata', 'name'], message: 'Required value' }]);
  return {
    definitions: [{ file, line: document.lineOf([]), base: contentOf(object as KubernetesObject) }],
    problems: [],
  };
}

function definedTwice({ file, line, base }: Definition, first: Definition): FolderProblem {
  const name = `${base.kind ?? ''} ${base.metadata.namespace}/${base.metadata.name}`;
  const message = `${name} is defined in ${first.file} at line ${first.line} and again in ${file} at line ${line}; the first one counts.`;
  return { file, line, message };
}
