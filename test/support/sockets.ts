/** The TCP connections of this process, as the kernel counts them. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const established = '01';

/** connectionsTo returns how many established connections this process has to a port of this machine. */
export function connectionsTo(port: number): number {
  const own = new Set(readdirSync('/proc/self/fd').map(targetOf));
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/self/net/tcp', 'utf8')
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([, , to = '', state, , , , , , inode]) =>
        to.endsWith(remote) && state === established && own.has(`socket:[${inode ?? ''}]`),
    ).length;
}

function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // The descriptor of the folder itself is closed by now.
    return '';
  }
}
