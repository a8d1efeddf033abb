/**
 * `npm run soak -- --minutes 60`: two replicas, rollouts that never end, and random faults, on a real kube-apiserver and
 * etcd in a network namespace of their own. Ends with 1 where something that must hold did not, or what must be flat grew.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseOptions, usage } from '../test/soak/options.ts';
import { runSoak } from '../test/soak/soak.ts';
import { buildTools } from '../test/support/build-tools.ts';
import { inNetworkNamespace } from '../test/support/network-namespace.ts';

const insideFlag = '--inside-namespace';
const startedMs = performance.now();
const args = process.argv.slice(2).filter((arg) => arg !== insideFlag);

process.exitCode = process.argv.includes(insideFlag) ? await soak() : await enterNamespace();

async function enterNamespace(): Promise<number> {
  try {
    parseOptions(args);
    await buildTools();
    const [file, ...rest] = inNetworkNamespace([process.execPath, fileURLToPath(import.meta.url), insideFlag, ...args]);
    // In a group of its own, so that Ctrl-C does not end the servers first; the end of its input tells it to end.
    const child = spawn(file, rest, { stdio: ['pipe', 'inherit', 'inherit'], detached: true });
    let interrupts = 0;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        interrupts += 1;
        if (interrupts === 1) child.stdin.end();
        else child.kill('SIGKILL');
      });
    }
    return await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    return 1;
  }
}

async function soak(): Promise<number> {
  const stop = new AbortController();
  process.stdin.once('end', () => stop.abort()).resume();
  try {
    const violations = await runSoak(parseOptions(args), stop.signal, say);
    return violations.length === 0 ? 0 : 1;
  } finally {
    process.stdin.destroy();
  }
}

function say(text: string): void {
  console.log(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(7)} s  ${text}`);
}
