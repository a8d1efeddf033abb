/**
 * Runs a command in a network and process namespace of its own, where the addresses 10.77.0.1 to 10.77.0.20 exist:
 * Kubernetes refuses loopback addresses in EndpointSlices. Nothing inside reaches the network, /tmp/sluice-tests is a
 * file system in memory, and everything started inside dies with the namespace's first process.
 * Alone: `node scripts/with-node.cjs test/support/network-namespace.ts vitest run --project cluster`.
 */
import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bindToParent } from './processes.ts';

const required = [
  { command: 'unshare', package: 'util-linux' },
  { command: 'setpriv', package: 'util-linux' },
  { command: 'ip', package: 'iproute2' },
] as const;

// The shell stays process 1 of the namespace and reaps orphans; when it ends, the kernel kills all the rest.
const setup = [
  'set -e',
  'ip link set lo up',
  'for i in $(seq 1 20); do ip address add "10.77.0.$i/32" dev lo; done',
  'mkdir -p /tmp/sluice-tests',
  'mount -t tmpfs -o mode=1777 tmpfs /tmp/sluice-tests',
  'export TMPDIR=/tmp/sluice-tests',
  'set +e',
  '"$@"',
  'exit $?',
].join('\n');

/** inNetworkNamespace returns the command that runs `command` inside a new namespace; it throws if the system cannot. */
export function inNetworkNamespace(command: readonly string[]): [string, ...string[]] {
  for (const tool of required) {
    if (!spawnSync(tool.command, ['--version']).error) continue;
    throw new Error(
      `\`${tool.command}\` is missing, which the tests need for a network of their own; install the Debian package ${tool.package}.`,
    );
  }
  const root = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const unshare = ['unshare', ...root, '--net', '--pid', '--fork', '--kill-child', '--mount-proc'] as const;
  const attempt = spawnSync(unshare[0], [...unshare.slice(1), 'true'], { encoding: 'utf8' });
  if (attempt.status !== 0) {
    throw new Error(
      `This system does not let the tests have a network of their own (\`${unshare.join(' ')}\`: ${attempt.stderr.trim()}); run them as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1).`,
    );
  }
  return bindToParent([...unshare, 'sh', '-c', setup, 'sluice-tests', ...command]);
}

if (import.meta.main) {
  const bin = fileURLToPath(new URL('../../node_modules/.bin', import.meta.url));
  const [file, ...args] = inNetworkNamespace(process.argv.slice(2));
  const env = { ...process.env, PATH: [bin, path.dirname(process.execPath), process.env['PATH']].join(path.delimiter) };
  const child = spawn(file, args, { stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill('SIGKILL'));
  child.once('exit', (code) => process.exit(code ?? 1));
}
