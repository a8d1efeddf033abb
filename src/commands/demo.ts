/** `sluice demo`. */
import type { Command } from 'commander';
import { systemClock } from '../clock.ts';
import type { DemoCall } from '../demo/demo.ts';
import { exitCodes, subcommand, type Shell } from './shell.ts';

/** demoCommand is `sluice demo`. */
export function demoCommand(shell: Shell): Command {
  return subcommand(shell, 'demo')
    .description('Show within a minute how a good release is promoted and a bad one taken back; it needs nothing else.')
    .option('--json', 'print lines, and one JSON object last; exit code 1 where a story did not end as it should')
    .option('--keep', 'go on until Ctrl-C, to release something yourself')
    .option('--seed <number>', 'the same seed draws the same durations and errors')
    .action(async (call: DemoCall) => {
      const { runDemo } = await import('../demo/demo.ts');
      const { openTerminal } = await import('../cli/terminal.ts');
      const isFromNpm = shell.env['npm_lifecycle_event'] === 'demo';
      const interrupted = shell.untilInterrupted();
      const isAsTold = await runDemo(call, {
        terminal: openTerminal(shell.output, shell),
        clock: systemClock,
        signal: interrupted.signal,
        typed: isFromNpm
          ? { demo: 'npm run demo --', program: 'npm start --' }
          : { demo: 'sluice demo', program: 'sluice' },
      }).catch((error: unknown) => {
        if (!interrupted.signal.aborted) throw error;
        return false;
      });
      const code = interrupted.exitCode() ?? (isAsTold ? 0 : exitCodes.failure);
      // A connection that nobody closed must not hold up the end; what was written has to be out, though.
      shell.output.write('', () => shell.exitNow(code));
    });
}
