import { describe, expect, it } from 'vitest';
import {
  answerError,
  isConnectionLost,
  isPatchNotApplicable,
  networkError,
  streamError,
  type ApiStatus,
} from '../../../src/kube/status-error.ts';

const call = 'PATCH /apis/traefik.io/v1alpha1/namespaces/web/ingressroutes/shop';

function status(fields: ApiStatus): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', ...fields };
}

/** What kube-apiserver 1.36.3 answers to a JSON Patch with a failed test; test/contract holds it to the real server. */
const failedTest = status({
  code: 422,
  reason: 'Invalid',
  message: 'the server rejected our request due to an error in our request',
  details: {},
});

const refusedObject = status({
  code: 422,
  reason: 'Invalid',
  message: 'Widget.test.sluice.dev "a" is invalid: spec.size: Invalid value: "string"',
  details: { name: 'a', kind: 'Widget', causes: [{ reason: 'FieldValueTypeInvalid', field: 'spec.size' }] },
});

describe('answerError', () => {
  it.each([
    ['a refused object', 422, refusedObject, 'ApiInvalid'],
    ['a request that is not understood', 400, status({ reason: 'BadRequest' }), 'ApiInvalid'],
    ['refused credentials', 401, status({ reason: 'Unauthorized' }), 'ApiUnauthorized'],
    ['a missing right', 403, status({ reason: 'Forbidden' }), 'ApiForbidden'],
    ['a missing object', 404, status({ reason: 'NotFound' }), 'ApiNotFound'],
    ['a kind that the server does not know, in plain text', 404, undefined, 'ApiNotFound'],
    ['an object that changed', 409, status({ reason: 'Conflict' }), 'ApiConflict'],
    ['an object that exists', 409, status({ reason: 'AlreadyExists' }), 'ApiConflict'],
    ['a version that is gone', 410, status({ reason: 'Gone' }), 'ApiGone'],
    ['a version that expired', 410, status({ reason: 'Expired' }), 'ApiGone'],
    ['too many requests', 429, status({ reason: 'TooManyRequests' }), 'ApiThrottled'],
    ['a server error', 500, status({ reason: 'InternalError' }), 'ApiFailed'],
    ['a load balancer without a server', 502, undefined, 'ApiFailed'],
    ['a request that took too long', 504, status({ reason: 'Timeout' }), 'ApiTimeout'],
  ])('takes %s (%i) as what it is', (_name, httpStatus, body, code) => {
    expect(answerError(call, { status: httpStatus, body })).toMatchObject({ code, status: httpStatus });
  });

  it('takes a version that the server has not reached yet as gone, since only a fresh list helps', () => {
    const body = status({
      code: 504,
      reason: 'Timeout',
      message: 'Too large resource version: 999999, current: 1034',
      details: { causes: [{ reason: 'ResourceVersionTooLarge' }], retryAfterSeconds: 1 },
    });
    expect(answerError(call, { status: 504, body }).code).toBe('ApiGone');
  });

  it('names the call, the status and the reason, and quotes the server', () => {
    const body = status({ reason: 'Forbidden', message: 'User "bob" cannot patch resource "ingressroutes"' });
    expect(answerError(call, { status: 403, body }).message).toBe(
      `${call} failed with HTTP 403 Forbidden: User "bob" cannot patch resource "ingressroutes"`,
    );
  });

  it('quotes at most 300 characters in one line, without control characters', () => {
    const body = status({ reason: 'Invalid', message: `first\n\u001B[31msecond ${'x'.repeat(5000)}` });
    const { message } = answerError(call, { status: 422, body });
    expect(message).toContain('first [31msecond');
    expect(message.length).toBeLessThan(call.length + 350);
    expect(message).toMatch(/^\P{Cc}*$/u);
  });

  it('leaves out the object that the server quotes when a patch makes it undecodable, and keeps short quotations', () => {
    const object = JSON.stringify(JSON.stringify({ kind: 'Secret', data: { password: 'hunter2'.repeat(20) } }));
    const said = `"s" is invalid: patch: Invalid value: ${object}: cannot unmarshal string into "port" of type int32`;
    const body = status({ reason: 'Invalid', message: said, details: { causes: [{ reason: 'X', message: said }] } });
    const error = answerError(call, { status: 422, body });
    expect(error.message).toContain(
      '"s" is invalid: patch: Invalid value: "…": cannot unmarshal string into "port" of type int32',
    );
    expect(JSON.stringify(error.cause)).not.toContain('hunter2');
  });

  it('quotes nothing of an answer that is not a Status', () => {
    const body = { secret: 'hunter2', message: 'hunter2' };
    const { message } = answerError(call, { status: 502, body });
    expect(message).toBe(`${call} failed with HTTP 502: the answer was not a Kubernetes Status`);
  });

  it.each([
    ['3', 3000],
    [' 12 ', 12_000],
    ['0', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['Sat, 21 Nov 2026 09:00:00 GMT', undefined],
    ['86400', 300_000],
    [undefined, undefined],
  ])('reads Retry-After: %s as %s ms', (retryAfter, retryAfterMs) => {
    expect(answerError(call, { status: 429, body: undefined, retryAfter }).retryAfterMs).toBe(retryAfterMs);
  });

  it('falls back to the seconds in the Status, as an in-stream error has no header', () => {
    const body = status({ code: 429, reason: 'TooManyRequests', details: { retryAfterSeconds: 2 } });
    expect(streamError('The watch', body)).toMatchObject({ code: 'ApiThrottled', retryAfterMs: 2000 });
  });
});

describe('streamError', () => {
  it('takes the status from the object of the event', () => {
    const body = status({ code: 410, reason: 'Expired', message: 'too old resource version: 1 (1034)' });
    expect(streamError('The watch', body)).toMatchObject({ code: 'ApiGone', status: 410 });
  });

  it('takes an object that is no Status as a failed server', () => {
    expect(streamError('The watch', { anything: true }).code).toBe('ApiFailed');
  });
});

describe('isPatchNotApplicable', () => {
  it.each([
    ['a failed test of a JSON Patch', 422, failedTest, true],
    ['an object that validation refused', 422, refusedObject, false],
    [
      'an object that a webhook refused without details',
      422,
      status({ code: 422, reason: 'Invalid', message: 'admission webhook "x" denied the request' }),
      false,
    ],
    [
      'an object that an admission policy refused',
      422,
      status({ code: 422, reason: 'Invalid', details: { name: 'a', kind: 'widgets', causes: [{ message: 'no' }] } }),
      false,
    ],
    ['a conflict', 409, status({ code: 409, reason: 'Conflict', details: {} }), false],
    ['an unprocessable request that is no Status', 422, undefined, false],
  ])('tells %s: %i', (_name, httpStatus, body, expected) => {
    expect(isPatchNotApplicable(answerError(call, { status: httpStatus, body }))).toBe(expected);
  });
});

describe('networkError', () => {
  const withCode = (code: string, message = 'it broke'): Error => Object.assign(new Error(message), { code });

  it.each([
    ['ECONNREFUSED', 'ApiUnreachable', false],
    ['UND_ERR_CONNECT_TIMEOUT', 'ApiUnreachable', false],
    ['ENOTFOUND', 'ApiUnreachable', false],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'ApiUnreachable', false],
    ['ECONNRESET', 'ApiUnreachable', true],
    ['UND_ERR_SOCKET', 'ApiUnreachable', true],
    ['UND_ERR_HEADERS_TIMEOUT', 'ApiTimeout', false],
    ['UND_ERR_BODY_TIMEOUT', 'ApiTimeout', false],
  ])('takes %s as %s, connection lost under way: %s', (errorCode, code, isLost) => {
    const error = networkError(call, withCode(errorCode));
    expect(error.code).toBe(code);
    expect(error.message).toContain(errorCode);
    expect(isConnectionLost(error)).toBe(isLost);
  });

  it('finds the code in the cause', () => {
    const error = networkError(call, new TypeError('terminated', { cause: withCode('UND_ERR_SOCKET') }));
    expect(error.message).toContain('UND_ERR_SOCKET');
    expect(isConnectionLost(error)).toBe(true);
  });
});
