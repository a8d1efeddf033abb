/** A copy of the program's source, so that a long run keeps the program it began with, or so that a test can change it. */
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './cluster.ts';
import { temporaryDirectory } from './processes.ts';

/** ProgramCopy is a source tree of its own that uses the packages of this one. */
export interface ProgramCopy {
  /** main is the file to start. */
  readonly main: string;
  /** build compiles the copy as the image has it and returns its main file. Sources take 60 MiB more memory. */
  build(): Promise<string>;
  remove(): Promise<void>;
}

/** Edit replaces `before`, which has to be there exactly once, in a file of src. */
export interface Edit {
  readonly file: string;
  readonly before: string;
  readonly after: string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** copyProgram copies src and makes `edits`. */
export async function copyProgram(edits: readonly Edit[] = []): Promise<ProgramCopy> {
  const directory = await temporaryDirectory('program');
  const at = (...names: readonly string[]): string => path.join(directory.path, ...names);
  await mkdir(at('src'));
  await cp(path.join(root, 'src'), at('src'), { recursive: true });
  for (const file of ['package.json', 'tsconfig.json', 'tsconfig.build.json']) {
    await cp(path.join(root, file), at(file));
  }
  await symlink(path.join(root, 'node_modules'), at('node_modules'));
  for (const { file, before, after } of edits) {
    const text = await readFile(at('src', file), 'utf8');
    if (text.split(before).length !== 2) throw new Error(`src/${file} does not have ${before} exactly once`);
    await writeFile(at('src', file), text.replace(before, after));
  }
  return {
    main: at('src', 'main.ts'),
    build: async () => {
      const compiler = path.join(root, 'node_modules/.bin/tsc');
      const args = ['-p', at('tsconfig.build.json')];
      const { code, stdout } = await runCommand(compiler, args, { input: '', timeoutMs: 300_000 });
      if (code !== 0) throw new Error(`The copy of the program does not compile:\n${stdout}`);
      return at('dist', 'main.js');
    },
    remove: directory.remove,
  };
}
