import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { readCrd, type Schema } from '../../scripts/crd-schema.ts';
import { readExample, readExamples } from '../../scripts/example-files.ts';
import { findUnshown, generatePages, generateReference } from '../../scripts/generate-reference.ts';
import { generateTypes } from '../../scripts/generate-types.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const crd = readFileSync(path.join(root, 'crds', 'rollouts.yaml'), 'utf8');
const parsed = readCrd(crd);
const examples = readExamples(path.join(root, 'manifests', 'examples'));
const pages = await generatePages(parsed, examples);
const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-types-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function formatted(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  const oxfmt = path.join(root, 'node_modules', 'oxfmt', 'bin', 'oxfmt');
  execFileSync(process.execPath, [oxfmt, `--config=${path.join(root, '.oxfmtrc.json')}`, file]);
  return readFileSync(file, 'utf8');
}

describe('the types of the Rollout', () => {
  test.each(Object.entries(generateTypes(crd)))('src/api/%s is what the CRD says', (name, text) => {
    const present = readFileSync(path.join(root, 'src', 'api', name), 'utf8');
    expect(formatted(name, text), 'run `npm run generate && npm run format`').toBe(present);
  });

  test('change when the CRD does', () => {
    const changed = generateTypes(crd.replace('nativeLB:', 'nativeLoadBalancing:'));
    expect(changed['rollout.ts']).toContain('readonly nativeLoadBalancing: boolean;');
  });

  test('cannot be made from an object without a name', () => {
    expect(() => generateTypes(crd.replace('RouteRef names', 'names'))).toThrow('must begin with its name');
  });
});

/** pathsOf returns the path of each field of a schema, as a reader writes it. */
function pathsOf({ properties, items, additionalProperties }: Schema, at: string): readonly string[] {
  if (items !== undefined) return pathsOf(items, `${at}[]`);
  if (additionalProperties !== undefined) return pathsOf(additionalProperties, `${at}.<name>`);
  return Object.entries(properties ?? {}).flatMap(([name, schema]) => [
    `${at}.${name}`,
    ...pathsOf(schema, `${at}.${name}`),
  ]);
}

/** documentedIn returns the paths that the headings and tables of a page name. */
function documentedIn(page: string): readonly string[] {
  return page.split(/^#{2,3} `/m).flatMap((section) => {
    const at = section.slice(0, section.indexOf('`'));
    return [at, ...[...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => `${at}.${name}`)];
  });
}

describe('the reference', () => {
  const folder = path.join(root, 'docs', 'reference');
  const howTo = 'see "A field of a Rollout is new" in CONTRIBUTING.md';

  test('has every command of the program', () => {
    const help = execFileSync(process.execPath, [path.join(root, 'src', 'main.ts'), '--help'], { encoding: 'utf8' });
    const listed = [...help.matchAll(/^ {2}([a-z]+) .*$/gm)].map(([, name]) => name).filter((name) => name !== 'help');
    const headings = [...(pages['flags.md'] ?? '').matchAll(/^## sluice (\S+)$/gm)].map(([, name]) => name);
    expect(listed.length).toBeGreaterThan(5);
    expect(headings).toEqual(listed);
  });

  test('has a page for each group of fields and no other', () => {
    expect(Object.keys(pages).toSorted(), 'run `npm run generate`').toEqual(readdirSync(folder).toSorted());
  });

  test.each(Object.entries(pages))(
    'docs/reference/%s is what the CRD, the examples and the program say',
    (name, text) => {
      expect(text, 'run `npm run generate`').toBe(readFileSync(path.join(folder, name), 'utf8'));
    },
  );

  test.each(['spec', 'status'] as const)('says something of every field of %s', (part) => {
    const schema = parsed.schema.properties?.[part] ?? {};
    const names = Object.entries(pages).filter(([name]) => (name === 'status.md') === (part === 'status'));
    const documented = names.flatMap(([, text]) => documentedIn(text)).map((at) => at.replace(/^status\./, ''));
    const missing = pathsOf(schema, part).map((at) => at.slice(part.length + 1));
    expect(missing.filter((at) => !documented.includes(at) && !documented.includes(`${at}[]`))).toEqual([]);
  });

  test('has an example of every field of spec, and of every kind and mode', () => {
    expect(findUnshown(parsed, examples), howTo).toEqual([]);
  });

  test('misses the example of a field, and of a kind that is not the default', () => {
    const kind: Schema = { enum: ['Deployment', 'Job', 'Pod'], default: 'Job' };
    const spec: Schema = { properties: { workload: { properties: { kind } }, paused: { type: 'boolean' } } };
    const example = readExample('one.yaml', 'kind: Rollout\nspec: {workload: {kind: Deployment}}\n');
    expect(findUnshown({ schema: { properties: { spec } }, columns: [] }, [example])).toEqual([
      'No example sets spec.paused.',
      'No example has spec.workload.kind: Pod.',
    ]);
  });

  test('shows a field as it stands in the shortest example that has it', () => {
    const long = readExample('long.yaml', '# A\n# B\nkind: Rollout\nspec: {paused: true, revision: "1"} # no\n');
    const short = readExample('short.yaml', 'kind: Rollout\nspec:\n  paused: false   # yes\n');
    const found = generateReference(parsed, [long, short])['schedule.md'];
    expect(found).toContain(
      'From [short.yaml](../../manifests/examples/short.yaml):\n\n```yaml\npaused: false # yes\n```',
    );
    expect(long.about).toBe('A B');
  });
});
