/** `sluice completion`, and `sluice __complete`, which the scripts call for each key. */
import { Argument, type Command } from 'commander';
import { completionScripts } from '../cli/completion-scripts.ts';
import { complete, type Completion, type Word } from './complete.ts';
import { subcommand, type Shell } from './shell.ts';

type ShellName = keyof typeof completionScripts;

/** completionCommand is `sluice completion`. */
export function completionCommand(shell: Shell): Command {
  return subcommand(shell, 'completion')
    .description('Print the script that completes commands, flags, their values and the names of Rollouts.')
    .addArgument(
      new Argument('<shell>', 'bash, zsh, fish, or kubectl for `kubectl sluice`').choices(
        Object.keys(completionScripts),
      ),
    )
    .addHelpText('after', help)
    .action((name: ShellName) => shell.print(completionScripts[name].trimEnd()));
}

const help = `
In the file that the shell reads first:
  bash     source <(sluice completion bash)
  zsh      source <(sluice completion zsh), after compinit
  fish     sluice completion fish | source
For \`kubectl sluice\`, beside the completion of kubectl, a program in PATH:
  kubectl  sluice completion kubectl > ~/bin/kubectl_complete-sluice; chmod +x ~/bin/kubectl_complete-sluice`;

/** directives are those of cobra, by which kubectl understands it too: 4 means no files. */
const directives = { Words: 4, Names: 4, Files: 0, Directories: 16 } as const satisfies Record<
  Completion['kind'],
  number
>;

/** completeCommand is `sluice __complete -- WORD…`: a candidate a line, with what it is for behind a tab, and a directive. */
export function completeCommand(shell: Shell): Command {
  return subcommand(shell, '__complete')
    .argument('[words...]')
    .action(async (words: readonly string[], _options: unknown, command: Command) => {
      if (command.parent === null) return;
      const completion = complete(command.parent, words);
      const found = completion.kind === 'Names' ? await namesOf(shell, completion, words.at(-1) ?? '') : completion;
      const candidates = 'words' in found ? found.words : [];
      const lines = candidates.map(({ text, about = '' }) => (about === '' ? text : `${text}\t${about}`));
      const output = [...lines, `:${directives[completion.kind]}`, ''].join('\n');
      // Whoever answers late must not hold up the end; what was written has to be out, though.
      shell.output.write(output, () => shell.exitNow(0));
    });
}

async function namesOf(
  shell: Shell,
  { of, source, prefix, but }: Completion & { readonly kind: 'Names' },
  typed: string,
): Promise<{ readonly words: readonly Word[] }> {
  const { listNames } = await import('../completion.ts');
  const { env } = shell;
  const set = { kubeconfig: env['SLUICE_KUBECONFIG'], context: env['SLUICE_CONTEXT'] };
  const { kubeconfig = set.kubeconfig, context = set.context } = source;
  const inFolder = source.dir !== undefined;
  const call = inFolder ? source : { ...source, kubeconfig, context };
  const names = inFolder && of === 'Namespaces' ? [] : await listNames(of, call, { env, signal: shell.untilSignal() });
  const words = names
    .filter((name) => !but.includes(name))
    .map((name) => ({ text: prefix + name }))
    .filter(({ text }) => text.startsWith(typed));
  return { words };
}
