/** `sluice status`. */
import { Option, type Command } from 'commander';
import type { Terminal } from '../cli/terminal.ts';
import type { StatusEnd, StatusShow } from '../follow.ts';
import type { StatusCall } from '../status.ts';
import { offering, outputOption } from './flag-values.ts';
import { exitCodesHelp, sourceCommand } from './people.ts';
import { exitCodes, type Shell } from './shell.ts';

const codes = {
  Shown: 0,
  Promoted: 0,
  Failed: exitCodes.failure,
  Missing: exitCodes.failure,
  TimedOut: exitCodes.timeout,
  WaitsForPerson: exitCodes.person,
  Superseded: exitCodes.superseded,
} as const satisfies Record<StatusEnd['kind'], number>;

const help = exitCodesHelp([
  [0, 'shown; with --wait: promoted'],
  [exitCodes.failure, 'there is no such Rollout; with --wait: rolled back, aborted, or it could not start'],
  [exitCodes.timeout, 'with --wait: not decided within --timeout'],
  [exitCodes.person, 'with --wait: it waits for a person, e.g. in a pause without a duration'],
  [exitCodes.superseded, 'with --wait: another revision took its place'],
]);

/** statusCommand is `sluice status`. */
export function statusCommand(shell: Shell): Command {
  return sourceCommand(shell, 'status')
    .description('Show where a Rollout stands, why, and what happens next; follow it, or wait for its end.')
    .argument('<name>', 'NAME, slr/NAME or rollout/NAME')
    .option('-w, --watch', 'follow it: in place on a terminal, a line for each transition elsewhere')
    .addOption(
      offering(
        new Option(
          '--wait [how]',
          'until the release is promoted or not; --wait=through-pauses does not end where a person is waited for',
        ),
        ['through-pauses'],
      ),
    )
    .option('--revision <revision>', 'the release to wait for; default: spec.revision, else that of the workload now')
    .option('--timeout <duration>', 'how long to wait, like 90s or 1h (default: 30m)')
    .addOption(outputOption('json', 'yaml'))
    .addHelpText('after', help)
    .action(async (name: string, options: Omit<StatusCall, 'name'>) => {
      const { runStatus } = await import('../status.ts');
      const { openTerminal } = await import('../cli/terminal.ts');
      const interrupted = shell.untilInterrupted();
      const show = await openShow(shell, openTerminal(shell.output, shell), options.watch === true);
      const host = { env: shell.env, signal: interrupted.signal };
      const end = await runStatus({ ...options, name }, host, show).finally(() => show.close());
      const code = interrupted.exitCode() ?? codes[end.kind];
      if (end.message !== undefined && interrupted.exitCode() === undefined) {
        if (code === 0) shell.print(end.message);
        else shell.complain(end.message);
      }
      shell.exitWith(code);
    });
}

async function openShow(
  shell: Shell,
  terminal: Terminal,
  isFollowed: boolean,
): Promise<StatusShow & { close(): void }> {
  const { printStatus } = await import('../cli/status-tree.ts');
  const { screenOf, startRedraw } = await import('../cli/redraw.ts');
  const redraw = isFollowed && terminal.isInteractive ? startRedraw(terminal) : undefined;
  return {
    print: (text) => shell.print(text),
    complain: (text) => shell.complain(text),
    canRedraw: redraw !== undefined,
    draw: (view) => {
      if (redraw === undefined) shell.print(printStatus(view, screenOf(terminal)).join('\n'));
      else redraw.draw((screen) => printStatus(view, screen));
    },
    close: () => redraw?.end(),
  };
}
