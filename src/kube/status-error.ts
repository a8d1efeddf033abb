import { SluiceError, type ErrorCode } from '../errors.ts';

/** No answer is worth waiting longer for than this; API servers say 32 s at most, but a proxy in between may say an hour. */
const maxRetryAfterMs = 300_000;

/** ApiStatus is the part of metav1.Status that Sluice reads. */
export interface ApiStatus {
  readonly code?: number | undefined;
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  readonly details?:
    | {
        readonly name?: string | undefined;
        readonly kind?: string | undefined;
        readonly retryAfterSeconds?: number | undefined;
        readonly causes?: readonly ApiStatusCause[] | undefined;
      }
    | undefined;
}

/** ApiStatusCause is one reason of several, such as one field of an object. */
export interface ApiStatusCause {
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  readonly field?: string | undefined;
}

/** Answer is what is known of an HTTP answer that was not a success. */
export interface Answer {
  readonly status: number;
  /** body is the parsed JSON, or undefined where the answer was not JSON. */
  readonly body: unknown;
  /** retryAfter is the Retry-After header. */
  readonly retryAfter?: string | undefined;
}

/** What stays with the error for whoever tells refusals apart; messages are left out, since they quote objects. */
function withoutMessages(status: ApiStatus | undefined): ApiStatus | undefined {
  if (status === undefined) return undefined;
  const { code, reason, details } = status;
  if (details === undefined) return { code, reason };
  const causes = details.causes?.map((cause) => ({ reason: cause.reason, field: cause.field }));
  return { code, reason, details: { name: details.name, kind: details.kind, causes } };
}

/** statusOf returns `body` as an ApiStatus if it is one. */
export function statusOf(body: unknown): ApiStatus | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  return (body as { readonly kind?: unknown }).kind === 'Status' ? body : undefined;
}

/**
 * answerError turns an HTTP answer that was not a success into a SluiceError whose cause is the ApiStatus without its
 * messages, if the answer held one. `what` names the call, such as `GET /apis/sluice.dev/v1alpha1/rollouts`. The message quotes at most
 * the first 300 characters of the server's own sentence, and nothing of an answer that is not a Status.
 */
export function answerError(what: string, answer: Answer): SluiceError {
  const status = statusOf(answer.body);
  const reason = status?.reason ?? '';
  const said = clean(status?.message ?? 'the answer was not a Kubernetes Status');
  const head = reason === '' ? `HTTP ${answer.status}` : `HTTP ${answer.status} ${clean(reason)}`;
  return new SluiceError(codeOf(answer.status, status), `${what} failed with ${head}: ${said}`, {
    status: answer.status,
    retryAfterMs: parseRetryAfter(answer.retryAfter) ?? secondsToMs(status?.details?.retryAfterSeconds),
    cause: withoutMessages(status),
  });
}

/** streamError turns the object of an in-stream ERROR event into a SluiceError. */
export function streamError(what: string, object: unknown): SluiceError {
  const status = statusOf(object);
  return answerError(what, { status: status?.code ?? 500, body: object });
}

/**
 * networkError turns what undici threw into a SluiceError: ApiTimeout where headers or body did not come in time, else
 * ApiUnreachable. Of the error only its code and first line are quoted.
 */
export function networkError(what: string, error: unknown): SluiceError {
  const code = networkCode(error);
  const text = error instanceof Error ? error.message : String(error);
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return new SluiceError('ApiTimeout', `${what} was not answered in time (${code}).`, { cause: error });
  }
  const detail = [code, clean(text)].filter((part) => part !== undefined && part !== '').join(': ');
  return new SluiceError('ApiUnreachable', `${what} did not reach the API server (${detail}).`, { cause: error });
}

/** isConnectionLost tells whether a connection broke under a request, which for a read is a reason to try once more. */
export function isConnectionLost(error: SluiceError): boolean {
  const code = networkCode(error.cause);
  return error.code === 'ApiUnreachable' && code !== undefined && lostCodes.has(code);
}

const lostCodes: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/**
 * isTlsFailure tells whether a connection was given up in its handshake, because a certificate was refused by us or by the
 * server: no request has been sent over it.
 */
export function isTlsFailure(error: unknown): boolean {
  const code = networkCode(error) ?? '';
  return certificateCodes.test(code);
}

/** Node's codes of X509_verify_cert errors, of its own check of names, and of TLS alerts. */
const certificateCodes =
  /^(?:ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_(?:CA|PURPOSE)$)/;

/**
 * isWriteUnknown tells whether a write that ended with `error` after it was sent may have been applied: no answer came,
 * the API server gave up waiting for its storage, or something before it answered in its stead. An error of its storage
 * that it has no word for, like etcd's own time-out, comes as a 500 without a reason (apiserver,
 * endpoints/handlers/responsewriters/status.go); that of an admission webhook has one.
 */
export function isWriteUnknown({ cause, code, status }: SluiceError): boolean {
  if (status === undefined) return code === 'ApiTimeout' || code === 'ApiUnreachable';
  if (status < 500) return false;
  const { reason = '' } = (cause ?? {}) as ApiStatus;
  return ['', 'Timeout', 'ServerTimeout'].includes(reason);
}

/**
 * isPatchNotApplicable tells the 422 of a JSON Patch whose `test` failed, or whose path has gone, from the 422 of an
 * object that was refused: the API server answers the first from patching, before it knows the object, so that the
 * Status names no object and no cause (apiserver, endpoints/handlers/patch.go); validation, admission policies and
 * webhooks name at least one of them.
 */
export function isPatchNotApplicable(error: SluiceError): boolean {
  if (error.status !== 422) return false;
  const status = error.cause as ApiStatus | undefined;
  const details = status?.details;
  if (status?.reason !== 'Invalid' || details === undefined) return false;
  return details.name === undefined && details.kind === undefined && (details.causes ?? []).length === 0;
}

function codeOf(httpStatus: number, status: ApiStatus | undefined): ErrorCode {
  const causes = status?.details?.causes ?? [];
  // A list at a resourceVersion that the server has not reached: like Gone, only a list without one helps.
  if (causes.some((cause) => cause.reason === 'ResourceVersionTooLarge')) return 'ApiGone';
  if (status?.reason === 'Expired' || status?.reason === 'Gone') return 'ApiGone';
  return codes.get(httpStatus) ?? 'ApiFailed';
}

const codes: ReadonlyMap<number, ErrorCode> = new Map([
  [400, 'ApiInvalid'],
  [401, 'ApiUnauthorized'],
  [403, 'ApiForbidden'],
  [404, 'ApiNotFound'],
  [408, 'ApiTimeout'],
  [409, 'ApiConflict'],
  [410, 'ApiGone'],
  [413, 'ApiInvalid'],
  [415, 'ApiInvalid'],
  [422, 'ApiInvalid'],
  [429, 'ApiThrottled'],
  [504, 'ApiTimeout'],
] as const);

/** client-go understands whole seconds only; a date or junk counts as no header. */
function parseRetryAfter(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,9}$/.test(header.trim()) ? secondsToMs(Number(header)) : undefined;
}

function secondsToMs(seconds: number | undefined): number | undefined {
  return typeof seconds === 'number' && seconds > 0 ? Math.min(seconds * 1000, maxRetryAfterMs) : undefined;
}

function networkCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? code : networkCode(error.cause);
}

const quotation = /"(?:[^"\\]|\\.)*(?:"|$)/g;

/**
 * One line without control characters, since it may end in a terminal, and without long quotations: the API server
 * quotes the whole object, a Secret too, when a patch makes it undecodable.
 */
function clean(text: string): string {
  const line = text
    .replaceAll(/[\p{Cc}\s]+/gu, ' ')
    .replaceAll(quotation, (quoted) => (quoted.length > 66 ? '"…"' : quoted))
    .trim();
  return line.length <= 300 ? line : `${line.slice(0, 299)}…`;
}
