/** The commands of the program with their arguments and flags, as `--help` prints them. */
import { readFileSync } from 'node:fs';
import type { Command, Option } from 'commander';
import type { Shell } from '../src/commands/shell.ts';
import { anchorOf, cell } from './reference-words.ts';

const source = new URL('../src/', import.meta.url);

/** No command that is only described needs a process. */
const noShell = {} as unknown as Shell;

/** readCommands returns the commands of the program in the order of its help. */
export async function readCommands(): Promise<readonly Command[]> {
  const main = readFileSync(new URL('main.ts', source), 'utf8');
  const files = new Map(
    [...main.matchAll(/^import \{([^}]*)\} from '\.\/(commands\/[\w-]+\.ts)';$/gm)].flatMap(
      ([, names = '', file = '']) => names.split(',').map((name) => [name.trim(), file] as const),
    ),
  );
  const added = [...main.matchAll(/\.addCommand\((\w+)\(shell\)\)/g)].map(([, name = '']) => name);
  return Promise.all(
    added.map(async (name) => {
      const loaded = (await import(new URL(files.get(name) ?? '', source).href)) as Record<string, unknown>;
      return (loaded[name] as (shell: Shell) => Command)(noShell);
    }),
  );
}

/** flagsPage returns the text of docs/reference/flags.md. */
export function flagsPage(notice: string, commands: readonly Command[]): string {
  const rows = commands.map(
    (command) =>
      `| [\`sluice ${command.name()}\`](#${anchorOf(`sluice ${command.name()}`)}) | ${cell(command.description())} |\n`,
  );
  return [
    `${notice}\n# Commands and flags\n`,
    'Each flag with a variable can be set by that variable of the environment instead; the flag wins. `sluice COMMAND --help`',
    'says the same. A wrong call ends with exit code 2, any other failure with 1, unless a command says otherwise.\n',
    `| command | |\n|---|---|\n${rows.join('')}`,
    commands.map((command) => section(command, 'sluice')).join('\n'),
  ].join('\n');
}

function section(command: Command, parent: string): string {
  const name = `${parent} ${command.name()}`;
  const nested = command.commands.map((one) => `\n${section(one, name)}`);
  const usage = `\`\`\`\n${name} ${command.usage()}\n\`\`\`\n`;
  const values = command.registeredArguments
    .filter(({ description }) => description !== '')
    .map((one) => `- \`${one.name()}\`: ${one.description}.\n`);
  const flags = command.options.filter(({ hidden }) => !hidden);
  const table =
    flags.length === 0 ? '' : `| flag | environment | default | |\n|---|---|---|---|\n${flags.map(row).join('')}`;
  const blocks = [`## ${name}\n`, `${command.description()}\n`, usage, values.join(''), table];
  return blocks.filter((block) => block !== '').join('\n') + nested.join('');
}

function row({ flags, envVar, description }: Option): string {
  const [, text = description, preset = ''] = /^(.*?)(?: \(default: (.*)\))?$/s.exec(description) ?? [];
  return `| \`${cell(flags)}\` | ${envVar === undefined ? '' : `\`${envVar}\``} | ${preset === '' ? '' : `\`${cell(preset)}\``} | ${cell(text)} |\n`;
}
