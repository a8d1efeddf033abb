/** What a replica uses: from /proc, and from what it says of itself. */
import { readdir, readlink } from 'node:fs/promises';
import { memoryOf } from '../../bench/controller/usage.ts';
import type { Replica } from '../support/replica.ts';

/** Reading is one look at a replica. */
export interface Reading {
  readonly fds: number;
  readonly sockets: number;
  readonly rssMiB: number;
  /** heapMiB is the used part of V8's heap. */
  readonly heapMiB: number;
  /** timers and handles are the active resources of Node: those that are time-outs, and all. */
  readonly timers: number;
  readonly handles: number;
}

/** Account is what a replica has counted since it was started. */
export interface Account {
  readonly audits: number;
  readonly repairs: number;
  readonly leading: number;
  readonly relists: number;
  readonly fenced: number;
}

/** Look is both of them; undefined where the replica does not run or does not answer. */
export interface Look {
  readonly reading: Reading;
  readonly account: Account;
}

/** lookAt reads a replica. */
export async function lookAt(replica: Replica): Promise<Look | undefined> {
  const { pid } = replica;
  if (pid === undefined) return undefined;
  try {
    const text = await replica.metrics();
    const names = await readdir(`/proc/${pid}/fd`);
    const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
    const { rssMiB } = await memoryOf(pid);
    return {
      reading: {
        fds: names.length,
        sockets: links.filter((link) => link.startsWith('socket:')).length,
        rssMiB,
        heapMiB: sumOf(text, 'nodejs_heap_size_used_bytes') / 2 ** 20,
        timers: sumOf(text, 'nodejs_active_resources', 'type="Timeout"'),
        handles: sumOf(text, 'nodejs_active_resources_total'),
      },
      account: {
        audits: sumOf(text, 'sluice_audits_total', 'result="Completed"'),
        repairs: sumOf(text, 'sluice_audit_repairs_total'),
        leading: sumOf(text, 'sluice_leader'),
        relists: sumOf(text, 'sluice_relists_total'),
        fenced: sumOf(text, 'sluice_writes_fenced_total'),
      },
    };
  } catch {
    return undefined;
  }
}

/** sumOf adds up the series of a metric, those with `label` if given. */
function sumOf(text: string, name: string, label = ''): number {
  return text
    .split('\n')
    .filter((line) => (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) && line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
