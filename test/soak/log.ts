/** Reads the replicas' logs as they grow, and counts what they complain about. */
import { open } from 'node:fs/promises';

/** LogReader keeps its place in one file. */
export interface LogReader {
  /** read takes in what was written since. */
  read(): Promise<void>;
  /** counts are lines of the levels warn and error, by message and code. */
  readonly counts: ReadonlyMap<string, number>;
  /** defects are the lines that no fault explains. */
  readonly defects: readonly string[];
}

interface Line {
  readonly level?: string | number;
  readonly msg?: string;
  readonly code?: string;
}

/** createLogReader starts at the beginning of `file`. */
export function createLogReader(file: string): LogReader {
  const counts = new Map<string, number>();
  const defects: string[] = [];
  let offset = 0;
  let rest = '';
  const take = (text: string): void => {
    const line = parse(text);
    if (line === undefined) {
      // Not one of the logger's: Node itself, about something that nobody has caught.
      if (text.trim() !== '') defects.push(text);
      return;
    }
    const { level, msg = '', code } = line;
    if (!isComplaint(level)) return;
    const name = code === undefined ? msg : `${msg}: ${code}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    if (code === 'Internal' || msg === 'audit repaired a cache') defects.push(text);
  };
  return {
    counts,
    defects,
    read: async () => {
      const handle = await open(file);
      try {
        const { size } = await handle.stat();
        const buffer = Buffer.alloc(size - offset);
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
        offset += bytesRead;
        const lines = (rest + buffer.toString('latin1', 0, bytesRead)).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) take(line);
      } finally {
        await handle.close();
      }
    },
  };
}

function isComplaint(level: Line['level']): boolean {
  return level === 'warn' || level === 'error' || (typeof level === 'number' && level >= 40);
}

function parse(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return undefined;
  }
}
