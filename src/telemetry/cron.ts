/** The only file that knows node-cron, which has a clock and timers of its own. */
import { createTask, validate, type TaskOptions } from 'node-cron';

/** Its own log goes to the console. A time that came late, as after a stopped machine, is better than one left out. */
const options: TaskOptions = {
  timezone: 'UTC',
  unref: true,
  missedExecutionTolerance: 60_000,
  suppressMissedWarning: true,
  logger: { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} },
};

/**
 * isCronExpression tells whether `text` is a cron expression of five fields (minute, hour, day of month, month, day of
 * week), or a name such as `@hourly`, that comes round. Seconds are refused: what is scheduled here lists whole kinds.
 */
export function isCronExpression(text: string): boolean {
  const fields = text.trim().split(/\s+/);
  const isShaped = fields.length === 5 || (fields.length === 1 && text.startsWith('@'));
  return isShaped && validate(text) && hasNextTime(text);
}

/** `0 0 L-30 2 *` is well-formed and never comes. */
function hasNextTime(text: string): boolean {
  const task = createTask(text, () => {}, options);
  try {
    return task.getNextRuns(1).length === 1;
  } catch {
    return false;
  } finally {
    void task.destroy();
  }
}

/**
 * startCron calls `onTime` at each time of `expression` (UTC) until `signal` aborts, with the milliseconds until the next
 * one. It must not throw. The timers do not keep the process alive. It throws where the expression is none.
 */
export function startCron(expression: string, onTime: (untilNextMs: number) => void, signal: AbortSignal): void {
  if (signal.aborted) return;
  const task = createTask(expression, () => onTime(Math.max(0, task.msToNext() ?? 0)), options);
  signal.addEventListener('abort', () => void task.destroy(), { once: true });
  void task.start();
}
