import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readManifestSchema } from '../../src/manifest-files.ts';
import { runLint, type LintCall, type LintResult } from '../../src/lint.ts';
import { rows } from '../cluster/crd-corpus.ts';
import { readVerdicts } from '../cluster/crd-verdicts.ts';
import { brokenManifests, goodManifests } from '../support/broken-manifests.ts';
import { temporaryDirectory } from '../support/processes.ts';

const schema = await readManifestSchema();
const lint = (text: string, call: Partial<LintCall> = {}): Promise<LintResult> =>
  runLint({ files: ['-'], namespace: 'web', ...call }, { schema, readInput: async () => text });

interface Finding {
  readonly file: string;
  readonly line: number;
  readonly object: string;
  readonly field: string;
  readonly message: string;
}

const problemsIn = ({ text }: LintResult): readonly Finding[] =>
  (JSON.parse(text) as { readonly problems: readonly Finding[] }).problems;

describe('one mistake', () => {
  it.each(brokenManifests)('is told at its line: $mistake', async ({ text, line, field, message }) => {
    const told = await lint(text, { output: 'json', strict: true });
    expect(told.isClean).toBe(false);
    const problems = problemsIn(told);
    expect(problems).toMatchObject([{ file: 'stdin', line, object: 'Rollout web/shop', field }]);
    expect(problems[0]?.message).toContain(message.replaceAll('NAMESPACE', 'web'));
  });

  it('is a line as compilers have it, with the field and the sentence once', async () => {
    const { text } = await lint(goodManifests.replace('port: 80\n    match', 'port: 81\n    match'));
    expect(text).toBe(
      'stdin:14:5: Rollout web/shop: spec.canary.port: Service shop-canary has no port 81; it has 80 (http).',
    );
  });
});

describe('manifests without a mistake', () => {
  it('have none, also strictly', async () => {
    const result = await lint(goodManifests, { strict: true });
    expect(result).toEqual({ text: '1 Rollout and 4 other objects: no problems.', notes: [], isClean: true });
  });

  it('may refer to what is elsewhere, which is a note; strictly it is a problem', async () => {
    const [rollout = ''] = goodManifests.split('---');
    const result = await lint(rollout);
    expect(result).toEqual({
      text: '1 Rollout and 0 other objects: no problems.',
      notes: [
        'Rollout web/shop refers to what is not in these files and was not looked at: IngressRoute shop, Service web/shop-stable, Service web/shop-canary, Middleware canary-headers. With --strict that is a problem.',
      ],
      isClean: true,
    });
    const strict = await lint(rollout, { strict: true, output: 'json' });
    expect(problemsIn(strict).map(({ line, field }) => `${line} ${field}`)).toEqual([
      '7 spec.route.name',
      '10 spec.stable.service',
      '13 spec.canary.service',
      '19 spec.canary.middlewares[0]',
    ]);
  });

  it('may name the port in the route while the Service that has it is elsewhere', async () => {
    const [rollout = '', route = ''] = goodManifests
      .replace('shop-stable, port: 80', 'shop-stable, port: http')
      .split('---');
    expect((await lint(`${rollout}---${route}`)).isClean).toBe(true);
    const other = route.replace('shop-stable', 'legacy');
    expect((await lint(`${rollout}---${other}`)).text).toContain('lists neither shop-stable nor shop-canary');
  });

  it('may lie beside what is called the same in other groups, and beside routes of Traefik 2', async () => {
    const argo = 'apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: shop}\nspec: {replicas: 1}\n';
    const knative = 'apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: shop}\n';
    const old = goodManifests
      .replace(
        'apiVersion: traefik.io/v1alpha1\nkind: IngressRoute',
        'apiVersion: traefik.containo.us/v1alpha1\nkind: IngressRoute',
      )
      .replace(/ {4}match:\n.*?middlewares:\n.*?\n/s, '')
      .replace('    name: shop\n    match', '    apiVersion: traefik.containo.us/v1alpha1\n    name: shop\n    match');
    expect(await lint([old, argo, knative].join('---\n'), { strict: true })).toMatchObject({
      text: '1 Rollout and 6 other objects: no problems.',
    });
  });
});

describe('two Rollouts on one route', () => {
  it('are a conflict of the second one', async () => {
    const [rollout = '', ...others] = goodManifests.split('---');
    const second = rollout.replace('name: shop\nspec', 'name: shop-2\nspec');
    const { text } = await lint([rollout, `\n${second}`, ...others].join('---'), { output: 'json' });
    expect(JSON.parse(text)).toMatchObject({
      problems: [{ object: 'Rollout web/shop-2', field: 'spec.route.name', line: 42 }],
    });
  });
});

describe('a file', () => {
  it('that is no YAML, or holds an object twice, has its line too, and no secret is shown', async () => {
    const secret = 'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {password: not base64!}\n';
    const { text } = await lint(
      `${secret}---\n${secret.replace('not base64!', 'YQ==')}---\n${secret.replace('not base64!', 'YQ==')}---\na: [\n`,
    );
    expect(text.split('\n').map((line) => line.replace(/parse|kubectl would take.*/, ''))).toEqual([
      'stdin:4:8: Secret web/s: data.password: Invalid value: write it in base64, or in stringData',
      'stdin:13:12: Secret web/s: metadata.name: It stands in stdin at line 6 too; leave one of them out, or give this one another name.',
      expect.stringMatching(/^stdin:1[67]:\d+: This is no YAML that /) as string,
    ]);
  });

  it('that is not there is a wrong call', async () => {
    await expect(runLint({ files: ['/nowhere/at/all.yaml'] }, { readInput: async () => '' })).rejects.toThrow(
      '/nowhere/at/all.yaml cannot be read (ENOENT).',
    );
    await expect(lint('', { output: 'xml' })).rejects.toThrow('-o is "xml"; it must be json.');
    await expect(lint('', { userQueries: 'Some' })).rejects.toThrow('Namespaced');
  });
});

describe('a folder', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let report: LintResult;
  const nameOf = (index: number): string => `row-${index}`;

  beforeAll(async () => {
    folder = await temporaryDirectory('lint');
    await mkdir(path.join(folder.path, 'deep', 'er'), { recursive: true });
    await Promise.all(
      rows.map(({ yaml }, index) => {
        const indented = yaml.split('\n').map((line) => `  ${line}`);
        const head = `apiVersion: sluice.dev/v1alpha1\nkind: Rollout\nmetadata: {name: shop, namespace: ${nameOf(index)}}\nspec:\n`;
        return writeFile(
          path.join(folder.path, 'deep', 'er', `${nameOf(index)}.yml`),
          `${head}${indented.join('\n')}\n`,
        );
      }),
    );
    await writeFile(path.join(folder.path, 'values.yaml'), 'image: shop\nreplicas: 3\n');
    report = await runLint({ files: [folder.path], output: 'json' }, { schema, readInput: async () => '' });
  });
  afterAll(() => folder.remove());

  const verdicts = readVerdicts();
  const fieldsOf = (told: readonly string[]): readonly string[] =>
    [...new Set(told.map((one) => one.slice(0, one.indexOf(': '))))].toSorted();

  it('has at least 150 Rollouts that a real API server has judged', () => {
    expect(rows.length).toBeGreaterThanOrEqual(150);
    expect(Object.keys(verdicts)).toHaveLength(rows.length);
  });

  it.each(rows.map((row, index) => ({ ...row, index })))(
    'is judged as the API server does: $sentence',
    ({ sentence, index }) => {
      const found = problemsIn(report).filter(({ file }) => file.endsWith(`/${nameOf(index)}.yml`));
      const said = verdicts[sentence] ?? ['nothing is recorded'];
      const told = found.map(({ field, message }) => `${field}: ${message}`);
      expect(fieldsOf(told)).toEqual(fieldsOf(said));
      expect(said).toEqual(expect.arrayContaining(told));
    },
  );
});
