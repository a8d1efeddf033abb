/**
 * The table of Sluice's errors. Every unexpected outcome is a SluiceError with one of these codes; the controller loop
 * alone classifies, requeues, counts and logs it. Expected outcomes (a conflict, no data) are values, not errors.
 * `retry: 'Backoff'` means the same call may succeed later; `'Never'` means a person has to change something first.
 */
export const errorTable = {
  ApiUnreachable: { retry: 'Backoff', meaning: 'The API server did not answer.' },
  ApiTimeout: { retry: 'Backoff', meaning: 'The API server did not answer in time; nothing was written.' },
  WriteUnknown: { retry: 'Backoff', meaning: 'A write got no answer and may have been applied; read again first.' },
  ApiConflict: { retry: 'Backoff', meaning: 'The object has changed since it was read.' },
  ApiGone: { retry: 'Backoff', meaning: 'The resourceVersion is too old; a new list is needed.' },
  ApiThrottled: { retry: 'Backoff', meaning: 'The API server asked to slow down.' },
  ApiForbidden: { retry: 'Backoff', meaning: 'The credentials lack a right.' },
  ApiUnauthorized: { retry: 'Backoff', meaning: 'The credentials were refused.' },
  ApiNotFound: { retry: 'Backoff', meaning: 'The object or its kind does not exist.' },
  ApiInvalid: { retry: 'Backoff', meaning: 'The API server refused the object or patch.' },
  ApiFailed: { retry: 'Backoff', meaning: 'The API server answered with an unexpected status.' },
  WatchBroken: { retry: 'Backoff', meaning: 'A watch ended in the middle of a line or carried something unreadable.' },
  NotLeading: { retry: 'Backoff', meaning: 'This replica may not write, so that nothing was sent.' },
  Aborted: { retry: 'Never', meaning: 'The work was cancelled.' },
  ConfigInvalid: { retry: 'Never', meaning: 'The configuration has problems; all of them are listed.' },
  SourceUnreachable: { retry: 'Backoff', meaning: 'The metric source did not answer.' },
  SourceRefused: { retry: 'Backoff', meaning: 'The metric source refused the query.' },
  SourcePartial: { retry: 'Backoff', meaning: 'The metric source answered with warnings; its answer may be partial.' },
  Internal: { retry: 'Backoff', meaning: 'A defect of Sluice.' },
} as const satisfies Record<string, { readonly retry: 'Backoff' | 'Never'; readonly meaning: string }>;

/** ErrorCode is a key of the error table. */
export type ErrorCode = keyof typeof errorTable;

/** SluiceError is the one error class of Sluice; `message` names the object, what was found and what to do. */
export class SluiceError extends Error {
  readonly code: ErrorCode;
  /** retryAfterMs is what the server asked for, if it did. */
  readonly retryAfterMs: number | undefined;
  /** status is the HTTP status of the answer, if there was one. */
  readonly status: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      readonly cause?: unknown;
      readonly retryAfterMs?: number | undefined;
      readonly status?: number | undefined;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SluiceError';
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.status = options.status;
  }
}

/** isSluiceError tells whether `error` is a SluiceError with one of `codes` (any code if none is given). */
export function isSluiceError(error: unknown, ...codes: readonly ErrorCode[]): error is SluiceError {
  return error instanceof SluiceError && (codes.length === 0 || codes.includes(error.code));
}
