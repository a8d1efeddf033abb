/**
 * Generates docs/reference: from crds/rollouts.yaml and manifests/examples what each field is, and how it is used; from the
 * program its flags and metrics. A unit test compares the pages with what this module would write, and fails where a field
 * is in no example.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Crd, readCrd, type Schema } from './crd-schema.ts';
import { type Example, fragmentOf, keysOf, readExamples, sizeOf, valuesAt } from './example-files.ts';
import { flagsPage, readCommands } from './reference-flags.ts';
import { metricsPage } from './reference-metrics.ts';
import { pageOf, pages, type Page } from './reference-pages.ts';
import { type Field, fieldsOf, objectIn, type Section, topSections } from './reference-sections.ts';
import {
  anchorOf,
  cell,
  defaultOf,
  describe,
  describeEntry,
  firstSentence,
  limitsOf,
  type LinkTo,
  rulesOf,
  typeOf,
} from './reference-words.ts';

const notice =
  '<!-- Generated from crds/rollouts.yaml and manifests/examples by `npm run generate`. Do not edit. -->\n';
const statusFile = 'status.md';
const programNotice = '<!-- Generated from the program by `npm run generate`. Do not edit. -->\n';

/** generatePages returns the texts of all files of docs/reference, by name. */
export async function generatePages(crd: Crd, examples: readonly Example[]): Promise<Readonly<Record<string, string>>> {
  return {
    ...generateReference(crd, examples),
    'flags.md': flagsPage(programNotice, await readCommands()),
    'metrics.md': await metricsPage(programNotice),
  };
}

/** generateReference returns the texts of those about the fields of a Rollout. */
export function generateReference(crd: Crd, examples: readonly Example[]): Readonly<Record<string, string>> {
  const sections = sectionsOfSpec(crd);
  const written = new Map(sections.map(({ path: at }) => [pageOf(at).file, pageOf(at)]));
  const inOrder = [...written.values()].toSorted((one, other) => placeOf(one) - placeOf(other));
  const texts = inOrder.map((page) => {
    const own = sections.filter((section) => pageOf(section.path).file === page.file);
    return [page.file, specPage(page, own, examples)] as const;
  });
  const readme = index(crd, inOrder, examples);
  return { 'README.md': readme, ...Object.fromEntries(texts), [statusFile]: statusPage(crd) };
}

/** placeOf puts the pages that nobody has thought of last. */
function placeOf(page: Page): number {
  return pages.includes(page) ? pages.indexOf(page) : pages.length;
}

function sectionsOfSpec(crd: Crd): readonly Section[] {
  return fieldsOf(partOf(crd, 'spec'), '').flatMap(topSections);
}

/** findUnshown returns a sentence for each field of the spec, and each `kind` and `mode`, that no example has. */
export function findUnshown(crd: Crd, examples: readonly Example[]): readonly string[] {
  const specs = specsOf(examples).map(({ value }) => value);
  const fields = [...fieldsOf(partOf(crd, 'spec'), ''), ...sectionsOfSpec(crd).flatMap((section) => section.fields)];
  return fields.flatMap((field) => {
    const values = specs.flatMap((spec) => valuesAt(spec, keysOf(field.path)));
    if (values.length === 0) return [`No example sets spec.${field.path}.`];
    const isChoice = field.name === 'kind' || field.name === 'mode';
    const missing = (isChoice ? (field.schema.enum ?? []) : []).filter(
      (value) => value !== field.schema.default && !values.includes(value),
    );
    return missing.map((value) => `No example has spec.${field.path}: ${value}.`);
  });
}

function partOf({ schema }: Crd, part: 'spec' | 'status'): Schema {
  return schema.properties?.[part] ?? {};
}

interface ExampleSpec {
  readonly file: string;
  readonly spec: Example['specs'][number];
  readonly value: unknown;
}

/** specsOf returns the specs of all examples, those that set the least first. */
function specsOf(examples: readonly Example[]): readonly ExampleSpec[] {
  return examples
    .flatMap(({ file, specs }) => specs.map((spec) => ({ file, spec, value: spec.toJSON() as unknown })))
    .toSorted((one, other) => sizeOf(one.value) - sizeOf(other.value));
}

function specPage(page: Page, sections: readonly Section[], examples: readonly Example[]): string {
  const parts = sections.map((section) => specSection(section, page, examples));
  const see = page.see === undefined ? '' : `${page.see}\n\n`;
  return `${notice}\n# ${page.title}\n\n${see}${parts.join('\n')}`;
}

function specSection(section: Section, page: Page, examples: readonly Example[]): string {
  const fragments = shown(section, examples).map(
    ({ file, spec }) =>
      `From [${file}](../../manifests/examples/${file}):\n\n\`\`\`yaml\n${fragmentOf(spec, keysOf(section.path))}\`\`\`\n`,
  );
  const isNested = !page.fields.includes(section.path.replace(/\[\]$/, ''));
  const linkTo: LinkTo = (at) => `${pageOf(at).file === page.file ? '' : pageOf(at).file}#${anchorOf(at)}`;
  const rows = section.fields.map((field) => {
    const { name, type, preset, text } = wordsOf(field, linkTo);
    return `| ${name} | ${type} | ${preset} | ${text} |\n`;
  });
  const table = rows.length === 0 ? '' : `| field | type | default | |\n|---|---|---|---|\n${rows.join('')}`;
  return [heading(section.path, isNested), about(section), ...fragments, table]
    .filter((block) => block !== '')
    .join('\n');
}

/** shown chooses examples until each field of a section stands in one: each adds the most, and sets the least beside it. */
function shown({ path: at, fields }: Section, examples: readonly Example[]): readonly ExampleSpec[] {
  const candidates = specsOf(examples).map((example) => {
    const paths = [at, ...fields.map((field) => field.path)];
    return { example, paths: new Set(paths.filter((one) => valuesAt(example.value, keysOf(one)).length > 0)) };
  });
  const chosen: ExampleSpec[] = [];
  const wanted = new Set(candidates.flatMap(({ paths }) => [...paths]));
  while (wanted.size > 0) {
    const counts = candidates.map(({ paths }) => [...wanted].filter((one) => paths.has(one)).length);
    const best = candidates[counts.indexOf(Math.max(...counts))];
    if (best === undefined) return chosen;
    chosen.push(best.example);
    for (const one of best.paths) wanted.delete(one);
  }
  return chosen;
}

function heading(at: string, isNested: boolean): string {
  return `${isNested ? '###' : '##'} \`${at}\`\n`;
}

/** about says what an object is, and what holds for it as a whole. */
function about({ schemas, isRequired, fields }: Section): string {
  const last = schemas.at(-1) ?? {};
  const words =
    fields.length === 0 ? [sentenceOf(typeOf(last, undefined, () => ''))] : limitsOf(schemas[0] ?? {}).map(sentenceOf);
  const preset = defaultOf(last);
  const facts = [...(isRequired ? ['Required.'] : []), ...words, ...(preset === '' ? [] : [`Default ${preset}.`])];
  const described = schemas.map((schema, index) => (index === 0 ? describe(schema) : describeEntry(schema)));
  const sentences = [...described, ...facts].filter((text) => text !== '');
  const rules = schemas.flatMap(rulesOf).map((rule) => `- ${rule}\n`);
  return `${sentences.join(' ')}\n${rules.length === 0 ? '' : `\n${rules.join('')}`}`;
}

function sentenceOf(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}

/** wordsOf returns the cells of a field in a table. */
function wordsOf(field: Field, linkTo: LinkTo): Readonly<Record<'name' | 'type' | 'preset' | 'text', string>> {
  const { schema, isRequired } = field;
  const object = objectIn(field);
  const rules = object === undefined ? rulesOf(schema) : [];
  return {
    name: `\`${field.name}\``,
    type: cell(typeOf(schema, object?.path, linkTo)),
    preset: isRequired ? '*required*' : cell(defaultOf(schema)),
    text: cell(object === undefined ? [describe(schema), ...rules].join(' ') : firstSentence(describe(schema))),
  };
}

function statusPage(crd: Crd): string {
  const status = partOf(crd, 'status');
  const top: Section = { path: 'status', schemas: [status], isRequired: false, fields: fieldsOf(status, 'status') };
  const sections = [top, ...top.fields.filter((field) => objectIn(field) !== undefined).flatMap(topSections)];
  const parts = sections.map((section) => {
    const words = section.fields.map((field) => wordsOf(field, (at) => `#${anchorOf(at)}`));
    const rows = words.map(({ name, type, text }) => `| ${name} | ${type} | ${text} |\n`);
    return `${heading(section.path, section !== top)}\n${about({ ...section, isRequired: false })}\n| field | type | |\n|---|---|---|\n${rows.join('')}`;
  });
  const columns = crd.columns.map(({ name, jsonPath }) => `| ${name.toUpperCase()} | \`${jsonPath.slice(1)}\` |\n`);
  return [
    `${notice}\n# Status\n`,
    'Sluice alone writes it, and nothing in it is a setting. Read `message` first, then `history`.',
    '[Troubleshooting](../troubleshooting.md) has an entry for each `reason`.\n',
    `\`kubectl get slr\` shows:\n\n| column | field |\n|---|---|\n${columns.join('')}`,
    parts.join('\n'),
  ].join('\n');
}

function index(crd: Crd, written: readonly Page[], examples: readonly Example[]): string {
  const known = new Map(sectionsOfSpec(crd).map((section) => [section.path.replace(/\[\]$/, ''), section]));
  const rows = written.flatMap(({ file, fields }) =>
    fields.flatMap((field) => {
      const section = known.get(field);
      if (section === undefined) return [];
      const text = section.schemas.map(describe)[0] ?? '';
      return [`| [\`${field}\`](${file}#${anchorOf(section.path)}) | ${cell(text)} |\n`];
    }),
  );
  const list = examples.map(
    ({ file, about: text }) => `| [${file}](../../manifests/examples/${file}) | ${cell(text)} |\n`,
  );
  const rules = [...rulesOf(crd.schema), ...rulesOf(partOf(crd, 'spec'))].map((rule) => `- ${rule}\n`);
  return [
    `${notice}\n# Reference\n`,
    '[Commands and flags](flags.md) of the program and [metrics](metrics.md) have pages of their own.\n',
    'Every field of a Rollout. `kubectl explain slr.spec.schedule` says the same on a cluster. How the fields work together is in',
    '[How a rollout moves](../concepts.md) and [How a canary is judged](../analysis.md).\n',
    `| field of spec | |\n|---|---|\n${rows.join('')}`,
    `[\`status\`](${statusFile}) is what Sluice writes. [Commands](../concepts.md#commands) are annotations.\n`,
    'A duration is hours, minutes, seconds and milliseconds: `1h30m`, `90s`, `500ms`. Quote what YAML would read as a number:',
    '`revision: "1.10"`.\n',
    `## What the API server refuses\n\nEach field says what it takes. For all of them together:\n\n${rules.join('')}`,
    `## Examples\n\nEach can be applied; [app.yaml](../../manifests/examples/app.yaml) is the application for those that bring none.\n`,
    `| file | |\n|---|---|\n${list.join('')}`,
  ].join('\n');
}

if (import.meta.main) {
  const crd = readCrd(readFileSync('crds/rollouts.yaml', 'utf8'));
  const examples = readExamples('manifests/examples');
  const texts = Object.entries(await generatePages(crd, examples));
  const folder = path.join('docs', 'reference');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const [name, text] of texts) writeFileSync(path.join(folder, name), text);
  for (const sentence of findUnshown(crd, examples)) {
    console.error(`${sentence} See "A field of a Rollout is new" in CONTRIBUTING.md.`);
    process.exitCode = 1;
  }
}
