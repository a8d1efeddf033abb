/**
 * `npm run bench:controller -- --rollouts N --seconds S [--idle | --breach K] --json`: what the controller costs and how
 * fast it is, on a real kube-apiserver and etcd. All servers listen on loopback and end with this process.
 */
import { runBreach } from './breach.ts';
import { runIdle } from './idle.ts';
import { parseOptions, usage, type BenchMode, type BenchOptions } from './options.ts';
import { startStage, type Stage } from './stage.ts';
import { runStepping } from './stepping.ts';
import { formatTable, summarize, type Outcome } from './summary.ts';

type Run = (stage: Stage, options: BenchOptions, say: (text: string) => void) => Promise<Outcome>;

const runs: Readonly<Record<BenchMode, Run>> = { Stepping: runStepping, Idle: runIdle, Breach: runBreach };
const startedMs = performance.now();

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: BenchOptions;
  try {
    options = parseOptions(args);
  } catch (error) {
    say(`${messageOf(error)}\n${usage}`);
    return 2;
  }
  const interrupted = new Promise<never>((_resolve, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => reject(new Error(signal)));
  });
  let stage: Stage | undefined;
  try {
    stage = await Promise.race([startStage(options, say), interrupted]);
    return report(options, await Promise.race([runs[options.mode](stage, options, say), interrupted]));
  } catch (error) {
    say(messageOf(error));
    return 1;
  } finally {
    await stage?.stop();
    // What still waits for a server that is gone must not hold up the end.
    setTimeout(() => process.exit(), 1_000).unref();
  }
}

function report(options: BenchOptions, outcome: Outcome): number {
  const summary = summarize(options, outcome);
  process.stdout.write(`${formatTable(summary)}\n`);
  const { problems } = outcome;
  if (problems.length > 0) say(`${problems.length} problems, the numbers are void: ${problems.slice(0, 5).join('; ')}`);
  if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  return problems.length > 0 ? 1 : 0;
}

function say(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stderr.write(`${seconds.padStart(6)} s  ${text}\n`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
