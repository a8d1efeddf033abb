/** The freezes of the operator, for all rollouts: read from a mounted file, and again when it has changed. */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { parseTime, type Clock } from './clock.ts';
import { SluiceError } from './errors.ts';
import type { FrozenTime } from './rollout/schedule.ts';
import type { Logger } from './telemetry/logger.ts';

/** Freezes yield those of now. */
export type Freezes = () => readonly FrozenTime[];

/** FreezesOptions: `wake` looks at all rollouts again, because there are other freezes. */
export interface FreezesOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly wake: () => void;
}

/** The kubelet takes up to a minute to write a changed ConfigMap; nobody waits for the seconds. */
const rereadAfterMs = 15_000;

/**
 * followFreezes reads the file until the signal; without one there are none. It rejects with ConfigInvalid where the first
 * reading fails. A file that cannot be used later changes nothing.
 */
export async function followFreezes(
  file: string | undefined,
  options: FreezesOptions,
  signal: AbortSignal,
): Promise<Freezes> {
  if (file === undefined) return () => [];
  let text = await readText(file);
  let freezes = parseFreezes(file, text);
  let problem: string | undefined;
  const reread = async (): Promise<void> => {
    try {
      const found = await readText(file);
      if (found !== text) {
        freezes = parseFreezes(file, found);
        text = found;
        options.logger.info('other freezes', { count: freezes.length });
        options.wake();
      }
      problem = undefined;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (message !== problem) options.logger.warn('the freezes stay as they were', { problem: message });
      problem = message;
    }
    schedule();
  };
  const schedule = (): void => {
    if (signal.aborted) return;
    const cancel = options.clock.schedule(rereadAfterMs, () => {
      signal.removeEventListener('abort', cancel);
      void reread();
    });
    signal.addEventListener('abort', cancel, { once: true });
  };
  schedule();
  return () => freezes;
}

async function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw invalid(file, `cannot be read (${error.code ?? 'unknown'})`);
  });
}

/** parseFreezes reads a list of `{from, to, reason}` in YAML or JSON, with the times of RFC 3339. It throws ConfigInvalid with all problems. */
export function parseFreezes(file: string, text: string): readonly FrozenTime[] {
  const list = readList(file, text);
  const found = list.map((entry, index) => readFreeze(entry, index));
  const problems = found.filter((freeze) => typeof freeze === 'string');
  if (problems.length > 0) throw invalid(file, problems.join('; '));
  return found.filter((freeze) => typeof freeze !== 'string');
}

function readList(file: string, text: string): readonly unknown[] {
  let content: unknown;
  try {
    content = parse(text) ?? [];
  } catch (error) {
    throw invalid(file, `is no YAML: ${String(error instanceof Error ? error.message : error).split('\n')[0] ?? ''}`);
  }
  if (!Array.isArray(content))
    throw invalid(file, 'holds no list; write lines like - {from: …, to: …, reason: holidays}');
  return content;
}

function readFreeze(entry: unknown, index: number): FrozenTime | string {
  const { from, to, reason } = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>;
  const [fromMs, toMs] = [timeOf(from), timeOf(to)];
  if (fromMs === undefined) return `[${index}].from is ${shown(from)}; it must be a time like "2026-12-24T00:00:00Z"`;
  if (toMs === undefined) return `[${index}].to is ${shown(to)}; it must be a time like "2026-12-27T00:00:00Z"`;
  if (toMs <= fromMs) return `[${index}].to is not later than from`;
  if (reason !== undefined && typeof reason !== 'string') return `[${index}].reason must be a text`;
  return { fromMs, toMs, reason };
}

function timeOf(value: unknown): number | undefined {
  return typeof value === 'string' ? parseTime(value) : undefined;
}

function shown(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value);
}

function invalid(file: string, what: string): SluiceError {
  return new SluiceError('ConfigInvalid', `The file of freezes ${file} ${what}.`);
}
