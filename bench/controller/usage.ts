/** What processes use, from /proc. */
import { readFile } from 'node:fs/promises';

/** Memory is the resident set of a process in MiB: now, and the greatest that it ever was. */
export interface Memory {
  readonly rssMiB: number;
  readonly peakMiB: number;
}

/** The unit of /proc/PID/stat is USER_HZ, which is 100 on every Linux of today (time(7)). */
const ticksPerSecond = 100;

/** cpuSeconds returns the CPU time that a process has used so far, in user and kernel. */
export async function cpuSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1');
  // The name of the program, in parentheses, may hold blanks; utime and stime are the fields 14 and 15 (proc(5)).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** memoryOf returns the memory of a process. */
export async function memoryOf(pid: number): Promise<Memory> {
  const text = await readFile(`/proc/${pid}/status`, 'latin1');
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*([0-9]+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024;
  return { rssMiB: field('VmRSS'), peakMiB: field('VmHWM') };
}

/** machineSeconds returns what all processors together have worked so far. */
export async function machineSeconds(): Promise<number> {
  const [first = ''] = (await readFile('/proc/stat', 'latin1')).split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = first.trim().split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq) / ticksPerSecond;
}

/** programOf returns the name of the program that a process runs, as far as the kernel keeps it (15 characters). */
export async function programOf(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/comm`, 'latin1')).trim();
}
