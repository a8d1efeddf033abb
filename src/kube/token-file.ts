import { readFile } from 'node:fs/promises';
import type { Clock } from '../clock.ts';
import { SluiceError } from '../errors.ts';

/** client-go refreshes every 60 s with a leeway of 10 s; the kubelet rotates a token long before it expires. */
const rereadAfterMs = 50_000;

/** TokenSource yields an Authorization header value and can be told that the server refused it. */
export interface TokenSource {
  authorization(): Promise<string | undefined>;
  /** onUnauthorized makes the next call look for a new credential if `refused` is the present one and as old as that request. */
  onUnauthorized(refused: string | undefined, sentAtMs: number): void;
}

/**
 * createTokenFile reads a bearer token from `file` and again when it is 50 s old. While the file is missing or empty the
 * old token stays in use; without one the call fails with ApiUnauthorized. Concurrent calls share one read.
 */
export function createTokenFile(file: string, clock: Clock): TokenSource {
  let header: string | undefined;
  let readAtMs = Number.NEGATIVE_INFINITY;
  let isRefused = false;
  let reading: Promise<string> | undefined;

  const read = async (): Promise<string> => {
    const startMs = clock.monotonicMs();
    try {
      const token = (await readFile(file, 'utf8')).trim();
      if (token === '') throw new Error('it is empty');
      header = `Bearer ${token}`;
      readAtMs = startMs;
      isRefused = false;
    } catch (error) {
      if (header === undefined) {
        const found = error instanceof Error ? error.message : String(error);
        throw new SluiceError('ApiUnauthorized', `Token file ${file} cannot be used: ${found}.`, { cause: error });
      }
    }
    return header ?? '';
  };

  return {
    authorization: () => {
      const isFresh = header !== undefined && !isRefused && clock.monotonicMs() - readAtMs < rereadAfterMs;
      if (isFresh) return Promise.resolve(header);
      reading ??= read().finally(() => {
        reading = undefined;
      });
      return reading;
    },
    onUnauthorized: (refused, sentAtMs) => {
      // A token that was read after the refused request had left is newer than the refusal (client-go, transport/token_source.go).
      if (refused === header && readAtMs <= sentAtMs) isRefused = true;
    },
  };
}
