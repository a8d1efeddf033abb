/** What `npm pack` makes is installed into an empty folder, as a user would, and used from there. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { version } from '../../src/version.ts';

interface LockEntry {
  readonly dev?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
}

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const tarball = `sluice-${version}.tgz`;
const execute = promisify(execFile);

let scratch: string;
let packed: Packed;
const project = (): string => path.join(scratch, 'project');

/** run puts this test's Node first, so that npm and the `#!` line of a bin take it. */
function run(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const env = { ...process.env, PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env['PATH']}` };
  return execute(command, args, { cwd, env, maxBuffer: 16 * 1024 * 1024 }).catch(
    (error: Error & { readonly stdout: string; readonly stderr: string }) => {
      throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}`, { cause: error });
    },
  );
}

/** packTree packs a copy of the tree: `prepack` builds there, and leaves this one alone. */
async function packTree(): Promise<Packed> {
  const tree = path.join(scratch, 'tree');
  const parts = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'README.md', 'LICENSE'];
  for (const part of [...parts, 'src', 'crds', 'manifests', 'scripts']) {
    await cp(path.join(root, part), path.join(tree, part), { recursive: true });
  }
  await symlink(path.join(root, 'node_modules'), path.join(tree, 'node_modules'));
  await mkdir(path.join(tree, 'dist'));
  await writeFile(path.join(tree, 'dist', 'left-over.js'), '');
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', scratch], tree);
  // npm 12 answers with an object by name, older ones with a list; what prepack prints may come first.
  const answer = JSON.parse(stdout.slice(stdout.search(/^[[{]/m))) as Readonly<Record<string, Packed>>;
  const [result] = Object.values(answer);
  if (result === undefined) throw new Error(`npm pack printed ${stdout}`);
  return result;
}

/** install has npm take the versions of our lockfile, so that nothing is asked of a registry that npm has already. */
async function install(): Promise<void> {
  await mkdir(project());
  const lockfile = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, LockEntry>>;
  };
  const { dependencies } = lockfile.packages[''] ?? {};
  const content = await readFile(path.join(scratch, tarball));
  const integrity = `sha512-${createHash('sha512').update(content).digest('base64')}`;
  const wanted = { name: 'project', version: '1.0.0', dependencies: { sluice: `file:../${tarball}` } };
  const bin = { sluice: 'dist/main.js', 'kubectl-sluice': 'dist/main.js' };
  const own = { version, resolved: `file:../${tarball}`, integrity, dependencies, bin };
  const others = Object.entries(lockfile.packages).filter(([name, { dev }]) => name !== '' && dev !== true);
  const packages = { '': wanted, ...Object.fromEntries(others), 'node_modules/sluice': own };
  await writeFile(path.join(project(), 'package.json'), JSON.stringify({ ...wanted, type: 'module' }));
  await writeFile(
    path.join(project(), 'package-lock.json'),
    JSON.stringify({ ...wanted, lockfileVersion: 3, requires: true, packages }),
  );
  await run('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund', '--engine-strict'], project());
}

beforeAll(async () => {
  scratch = await mkdtemp(path.join(os.tmpdir(), 'sluice-package-'));
  packed = await packTree();
  await install();
}, 240_000);
afterAll(() => rm(scratch, { recursive: true, force: true }));

describe('the package', { timeout: 120_000 }, () => {
  test('has the program, the CRDs and the manifests, and neither sources nor tests nor what an older build left', () => {
    const files = packed.files.map((file) => file.path);
    const expected = ['dist/main.js', 'dist/index.d.ts', 'crds/rollouts.yaml', 'manifests/base/deployment.yaml'];
    expect(files).toEqual(expect.arrayContaining([...expected, 'LICENSE', 'README.md', 'package.json']));
    const folders = files.filter((file) => file.includes('/')).map((file) => file.split('/')[0] ?? '');
    expect([...new Set(folders)].toSorted()).toEqual(['crds', 'dist', 'manifests']);
    expect(files.filter((file) => file.includes('left-over') || file.includes('.test.'))).toEqual([]);
  });

  test.each(['sluice', 'kubectl-sluice'])('installs %s, which says its version', async (name) => {
    const { stdout } = await run(path.join(project(), 'node_modules', '.bin', name), ['version'], os.tmpdir());
    expect(stdout).toBe(`sluice ${version}\n`);
  });

  test('asks for the Node that its packages need, and for none of those for development', async () => {
    const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
      readonly engines: { readonly node: string };
    };
    const undici = JSON.parse(
      await readFile(path.join(project(), 'node_modules', 'undici', 'package.json'), 'utf8'),
    ) as typeof manifest;
    expect(manifest.engines.node.replace('.0', '')).toBe(undici.engines.node.replace('.0', ''));
    await expect(readFile(path.join(project(), 'node_modules', 'vitest', 'package.json'))).rejects.toThrow('ENOENT');
  });

  test('lists its commands', async () => {
    const { stdout } = await run(path.join(project(), 'node_modules', '.bin', 'sluice'), ['--help'], os.tmpdir());
    for (const name of ['controller', 'proxy', 'standalone', 'version']) expect(stdout).toContain(`  ${name} `);
  });

  test('is a library, whose run refuses settings that cannot be meant', async () => {
    const lines = [
      "import { run } from 'sluice';",
      "const { stopped } = run({ workers: '0' }, { signal: new AbortController().signal });",
      'await stopped.catch((error) => console.log(error.code));',
    ];
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', lines.join('\n')], project());
    expect(stdout).toBe('ConfigInvalid\n');
  });

  test('has types that a strict program compiles against', async () => {
    const lines = [
      "import { run, type Running, type Transition } from 'sluice';",
      'const onTransition = ({ entry }: Transition): void => void entry.reason.toUpperCase();',
      "export const running: Running = run({ workers: '4' }, { signal: AbortSignal.timeout(1), onTransition });",
      '// @ts-expect-error a number is no setting',
      'run({ workers: 4 }, { signal: AbortSignal.timeout(1) });',
    ];
    await writeFile(path.join(project(), 'use.ts'), lines.join('\n'));
    const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node'];
    const typeRoots = ['--typeRoots', path.join(root, 'node_modules', '@types')];
    await run(process.execPath, [compiler, ...options, ...typeRoots, 'use.ts'], project());
  });
});
