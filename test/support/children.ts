/** Child processes, from /proc. */
import { readdir, readFile } from 'node:fs/promises';

/** childrenOf returns the ids of the processes that a process has started and that are still there (proc(5), children). */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const texts = await Promise.all(tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'latin1')));
  return texts
    .join(' ')
    .split(/\s+/)
    .filter((text) => text !== '')
    .map(Number);
}
