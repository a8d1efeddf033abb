/** Standard output as a view sees it: what it can show, and how large it is. */
import type { WriteStream } from 'node:tty';

/** Terminal is where a view is shown. */
export interface Terminal {
  write(text: string): void;
  /** isInteractive is false for files, pipes and terminals that cannot move the cursor. */
  readonly isInteractive: boolean;
  readonly isColored: boolean;
  readonly isUnicode: boolean;
  size(): { readonly width: number; readonly rows: number };
  /** onResize returns what ends it. */
  onResize(listener: () => void): () => void;
}

/** Output is the part of a stream of the process that is used; a file or a pipe has neither `isTTY` nor a size. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  readonly write: (text: string) => unknown;
  readonly on: (event: 'resize', listener: () => void) => unknown;
  readonly off: (event: 'resize', listener: () => void) => unknown;
}

/** Environment is what decides beside the stream. */
export interface Environment {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
}

const usual = { width: 80, rows: 24 } as const;

/** openTerminal reads NO_COLOR (no-color.org), TERM and the locale; a size that the terminal does not tell is 80 x 24. */
export function openTerminal(output: Output | WriteStream, { env, platform }: Environment): Terminal {
  const isInteractive = output.isTTY === true && env['TERM'] !== 'dumb';
  const stream: Output = output;
  return {
    write: (text) => void stream.write(text),
    isInteractive,
    isColored: isInteractive && (env['NO_COLOR'] ?? '') === '',
    isUnicode: isUnicode(env, platform),
    size: () => ({ width: stream.columns || usual.width, rows: stream.rows || usual.rows }),
    onResize: (listener) => {
      stream.on('resize', listener);
      return () => void stream.off('resize', listener);
    },
  };
}

/** The first of these that is set is the locale (POSIX, 8.2); terminals of Windows and macOS show blocks without one. */
function isUnicode(env: Environment['env'], platform: string): boolean {
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((value) => value !== undefined && value !== '');
  return locale === undefined ? platform === 'win32' || platform === 'darwin' : /utf-?8/i.test(locale);
}
