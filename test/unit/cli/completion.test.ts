/** Completion: what may follow in the program's own commands, and the scripts in the shells that are installed. */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCommands } from '../../../scripts/reference-flags.ts';
import { complete, type Completion } from '../../../src/commands/complete.ts';
import { flags, proxyFlags } from '../../../src/commands/flags.ts';
import { settingValues } from '../../../src/commands/flag-values.ts';
import { listNames } from '../../../src/completion.ts';
import { runSluice } from '../../support/sluice-command.ts';

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const run = promisify(execFile);

describe('what may follow', () => {
  let program: Command;

  beforeAll(async () => {
    program = new Command('sluice');
    for (const command of await readCommands()) program.addCommand(command);
  });

  const at = (line: string): Completion => complete(program, line.split(' ').slice(1));
  const words = (line: string): readonly string[] | string => {
    const completion = at(line);
    return completion.kind === 'Words' ? completion.words.map(({ text }) => text) : completion.kind;
  };

  test.each([
    ['sluice re', ['resume', 'retry']],
    ['sluice help re', ['resume', 'retry']],
    ['sluice stauts ', []],
    ['sluice completion ', ['bash', 'zsh', 'fish', 'kubectl']],
    ['sluice completion bash ', []],
    ['sluice get -o ', ['wide', 'name', 'json', 'yaml']],
    ['sluice get shop --output=y', ['--output=yaml']],
    ['sluice get --no', ['--no-headers']],
    ['sluice get -- --no', 'Names'],
    ['sluice status --wait=', ['--wait=through-pauses']],
    ['sluice status --wait --rev', ['--revision']],
    ['sluice status shop --revision ', []],
    ['sluice status shop --wait --watch --wa', []],
    ['sluice proxy --access-log ', ['Off', 'Common', 'Json']],
    ['sluice install --proxy D', ['Deployment', 'DaemonSet']],
    ['sluice lint ', 'Files'],
    ['sluice lint a.yaml ', 'Files'],
    ['sluice plan --filename=', 'Files'],
    ['sluice standalone ', 'Directories'],
    ['sluice standalone one ', []],
    ['sluice pause shop ', []],
  ])('%s', (line, expected) => {
    expect(words(line)).toEqual(expected);
  });

  test('the names of Rollouts are asked for where the flags before say, with the type that was typed', () => {
    expect(at('sluice get -nweb slr/cart --context=a --kubeconfig b slr/s')).toEqual({
      kind: 'Names',
      of: 'Rollouts',
      prefix: 'slr/',
      but: ['cart'],
      source: { namespace: 'web', context: 'a', kubeconfig: 'b', as: undefined, dir: undefined, state: undefined },
    });
    expect(at('sluice check --namespace=w')).toMatchObject({ kind: 'Names', of: 'Namespaces', prefix: '--namespace=' });
  });

  test('a command says what it is for', () => {
    const completion = at('sluice prom');
    expect(completion).toEqual({
      kind: 'Words',
      words: [{ text: 'promote', about: 'End the present step, its pause or what it waits for' }],
    });
  });

  test('the help of each setting with a choice names all that completion offers', () => {
    const help: Readonly<Record<string, string>> = { ...flags, ...proxyFlags };
    for (const [name, values] of Object.entries(settingValues))
      for (const value of values) expect(help[name], name).toMatch(new RegExp(`\\b${value}\\b`));
  });

  test('no names where the API server does not answer, and no words about it', async () => {
    const { signal } = new AbortController();
    expect(await listNames('Rollouts', { kubeconfig: '/nonexistent' }, { env: {}, signal })).toEqual([]);
    const args = ['__complete', '--', 'get', '--kubeconfig', '/nonexistent', ''];
    expect(await runSluice(args)).toEqual({ code: 0, stdout: ':4\n', stderr: '' });
  });
});

test('a mistyped verb is answered with the one that is near, and a shell that is not known with those that are', async () => {
  const verb = await runSluice(['stauts']);
  expect(verb).toMatchObject({ code: 2, stderr: "error: unknown command 'stauts'\n(Did you mean status?)\n" });
  const shell = await runSluice(['completion', 'tcsh']);
  expect(shell.code).toBe(2);
  expect(shell.stderr).toContain('Allowed choices are bash, zsh, fish, kubectl.');
});

const isInstalled = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0;

describe('the scripts', { timeout: 60_000 }, () => {
  let directory: string;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'sluice-completion-'));
    await put('sluice', `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
    await put('kubectl-sluice', `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
    await put('a file.yaml', '');
    env = { ...process.env, PATH: `${directory}:${process.env['PATH'] ?? ''}`, KUBECONFIG: '/nonexistent' };
    for (const shell of ['bash', 'zsh', 'fish', 'kubectl']) {
      const { stdout } = await run('sluice', ['completion', shell], { env });
      await put(shell === 'kubectl' ? 'kubectl_complete-sluice' : `script.${shell}`, stdout);
    }
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  async function put(name: string, text: string): Promise<void> {
    await writeFile(path.join(directory, name), text);
    await chmod(path.join(directory, name), 0o755);
  }

  const linesOf = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');

  const cases: readonly (readonly [line: string, words: readonly string[]])[] = [
    ['sluice re', ['resume', 'retry']],
    ['sluice history --no', ['--no-headers']],
    ['sluice status -o ', ['json', 'yaml']],
    ['sluice lint a', ['a file.yaml']],
    ['sluice get nothing-answers', []],
  ];

  /** Readline replaces what is behind the last break of words only. */
  test.each([...cases, ['kubectl-sluice install --proxy=D', ['Deployment', 'DaemonSet']] as const])(
    'in bash: %s',
    async (line, words) => {
      const script = `source script.bash; COMP_LINE=$1 COMP_POINT=\${#1}
        COMP_WORDBREAKS=$' \\t\\n"\\'@><=;|&(:'
        [[ $(complete -p "\${1%% *}") == *'-F _sluice'* ]] && _sluice "\${1%% *}"
        for word in "\${COMPREPLY[@]}"; do echo "<$word>"; done`;
      const { stdout, stderr } = await run('bash', ['-c', script, 'bash', line], { env, cwd: directory });
      expect({ words: linesOf(stdout), stderr }).toEqual({ words: words.map((word) => `<${word}>`), stderr: '' });
    },
  );

  test
    .skipIf(!isInstalled('fish'))
    .each([...cases, ['sluice install --proxy=D', ['--proxy=Deployment', '--proxy=DaemonSet']] as const])(
    'in fish: %s',
    async (line, words) => {
      const home = { ...env, HOME: directory, XDG_CONFIG_HOME: directory };
      const command = 'source script.fish; complete -C "$argv"';
      const { stdout } = await run('fish', ['-c', command, line], { env: home, cwd: directory });
      const found = linesOf(stdout).map((each) => each.split('\t', 1)[0]?.replaceAll('\\', ''));
      expect(new Set(found)).toEqual(new Set(words));
    },
  );

  /** The line after a tab, in a terminal of its own. */
  test.skipIf(!isInstalled('zsh')).each([
    ['sluice hist', 'sluice history '],
    ['sluice history --no', 'sluice history --no-headers '],
    ['sluice status -o y', 'sluice status -o yaml '],
    ['sluice status --wait=', 'sluice status --wait=through-pauses '],
    ['sluice lint a', String.raw`sluice lint a\ file.yaml `],
    ['sluice get nothing-answers', 'sluice get nothing-answers'],
  ])('in zsh: %s', (line, completed) => {
    const script = `zmodload zsh/zpty; zpty z zsh -f -i
      zpty -w z "PS1=; autoload -U compinit; compinit -u -D; source script.zsh"
      zpty -w z 'show() { print -r -- "<line>$BUFFER</line>"; exit }; zle -N show; bindkey "^X" show'
      zpty -w z 'print rea''dy'; zpty -r z found '*ready*'
      zpty -n -w z "$1"$'\\t\\x18'
      while zpty -r z found; do print -r -- "$found"; done`;
    const output = execFileSync('zsh', ['-f', '-c', script, 'zsh', line], { env, cwd: directory, encoding: 'utf8' });
    expect(/<line>(.*)<\/line>/.exec(output)?.[1]).toBe(completed);
  });

  test('kubectl_complete-sluice answers as kubectl expects it of a plugin', async () => {
    const { stdout } = await run('kubectl_complete-sluice', ['get', '-o', 'w'], { env });
    expect(stdout).toBe('wide\n:4\n');
  });
});
