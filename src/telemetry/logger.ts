/** The only file that knows pino. Messages are constant, values are keys; quiet when nothing changes. */
import { pino, type DestinationStream } from 'pino';

/** LogFields are the values of a line; never a token, a Secret or a header. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Logger writes one JSON line a call: info for transitions, warn for degraded, error once per failed reconcile, debug for the rest. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** child returns a Logger whose lines all carry `fields`. */
  child(fields: LogFields): Logger;
}

/** LogLevel is the least severe level that is written. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** createLogger returns a Logger that writes JSON lines to `destination` (standard output by default). */
export function createLogger(options: { readonly level: LogLevel; readonly destination?: DestinationStream }): Logger {
  const settings = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return wrap(options.destination === undefined ? pino(settings) : pino(settings, options.destination));
}

/** createLineWriter returns a function that writes lines to standard output, many at a time, and at the latest after a second. */
export function createLineWriter(): (line: string) => void {
  const output = pino.destination({ dest: 1, sync: false, minLength: 4096, periodicFlush: 1000 });
  return (line) => void output.write(line);
}

function wrap(inner: pino.Logger): Logger {
  return {
    debug: (message, fields = {}) => inner.debug(fields, message),
    info: (message, fields = {}) => inner.info(fields, message),
    warn: (message, fields = {}) => inner.warn(fields, message),
    error: (message, fields = {}) => inner.error(fields, message),
    child: (fields) => wrap(inner.child(fields)),
  };
}
