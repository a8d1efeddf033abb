import type { Dispatcher } from 'undici';
import type { Clock } from '../clock.ts';
import { SluiceError } from '../errors.ts';
import { describeCall, httpMethods, isWrite, type KubeCall, type RequestVerb } from './call.ts';
import type { KubeConnection } from './connection.ts';
import { untilAborted, type Deadline } from './deadline.ts';
import { fence } from './fence.ts';
import { goJson } from './go-json.ts';
import type { ServerClock } from './server-clock.ts';
import { isTlsFailure } from './status-error.ts';
import type { Transport } from './transport.ts';

/** Exchanger is what the requests of one client share. */
export interface Exchanger {
  readonly connection: KubeConnection;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly serverClock: ServerClock;
  readonly userAgent: string;
  /** observer is told of each exchange, with status 0 where no answer came. */
  readonly observer: { onRequest(verb: RequestVerb, status: number, ms: number): void } | undefined;
}

/** Attempt is one try of a call; `isSent` turns true when its request is handed to a socket. */
export interface Attempt {
  readonly call: KubeCall;
  readonly deadline: Deadline;
  isSent: boolean;
}

/**
 * exchange sends one request and resolves with the headers of its answer and a body to read. It is repeated once with a
 * new credential after a 401, and once with new certificates when the handshake failed and the files have changed: in
 * both cases the server has not looked at the request.
 */
export async function exchange(client: Exchanger, attempt: Attempt): Promise<Dispatcher.ResponseData> {
  const { tls } = client.connection;
  const { signal } = attempt.deadline;
  const used = await untilAborted(tls?.current() ?? Promise.resolve(undefined), signal);
  try {
    return await authorized(client, attempt);
  } catch (error) {
    if (tls === undefined || attempt.isSent || !isTlsFailure(error)) throw error;
    await untilAborted(tls.refresh(), signal);
    if ((await tls.current()) === used) throw error;
    return authorized(client, attempt);
  }
}

async function authorized(client: Exchanger, attempt: Attempt): Promise<Dispatcher.ResponseData> {
  const { clock, connection } = client;
  const { signal } = attempt.deadline;
  const authorization = await untilAborted(connection.authorization(), signal);
  const sentAtMs = clock.monotonicMs();
  const response = await send(client, attempt, authorization);
  if (response.statusCode !== 401) return response;
  attempt.isSent = false;
  await response.body.dump();
  connection.onUnauthorized(authorization, sentAtMs);
  // A certificate that has expired is refused with 401 too.
  await untilAborted(connection.tls?.refresh() ?? Promise.resolve(), signal);
  return send(client, attempt, await untilAborted(connection.authorization(), signal));
}

async function send(
  client: Exchanger,
  attempt: Attempt,
  authorization: string | undefined,
): Promise<Dispatcher.ResponseData> {
  const { call, deadline } = attempt;
  const tls = await untilAborted(client.connection.tls?.current() ?? Promise.resolve(undefined), deadline.signal);
  const { clock, connection, observer, serverClock, transport } = client;
  const startMs = clock.monotonicMs();
  let status = 0;
  attempt.isSent = false;
  const { server } = connection;
  const dispatcher = transport.dispatcher(call.verb === 'watch' ? 'Watch' : 'Call', tls);
  const onStart = (): void => {
    // Aborted while it waited for a connection: undici would end it by closing that connection.
    if (deadline.signal.aborted) throw deadline.signal.reason;
    if (call.permit?.() === false) throw notLeading(call);
    attempt.isSent = true;
  };
  if (call.permit?.() === false) throw notLeading(call);
  try {
    const response = dispatcher.compose(fence(onStart)).request({
      origin: server.origin,
      method: httpMethods[call.verb],
      path: server.pathname.replace(/\/$/, '') + call.path + queryString(attempt, clock),
      headers: headersOf(client, call, authorization),
      body: call.body === undefined ? null : goJson(call.body),
      signal: deadline.signal,
    });
    // undici tells a request that waits for a connection of its abort only when its turn comes.
    const { statusCode, headers } = await untilAborted(response, deadline.signal);
    status = statusCode;
    serverClock.observe(firstHeader(headers['date']), startMs);
    return await response;
  } finally {
    observer?.onRequest(call.verb, status, clock.monotonicMs() - startMs);
  }
}

function notLeading(call: KubeCall): SluiceError {
  return new SluiceError('NotLeading', `${describeCall(call)} was not sent: this replica may not write.`);
}

function headersOf(client: Exchanger, call: KubeCall, authorization: string | undefined): Record<string, string> {
  const { impersonateUser } = client.connection;
  return {
    accept: call.accept ?? 'application/json',
    'user-agent': client.userAgent,
    ...(authorization === undefined ? {} : { authorization }),
    ...(impersonateUser === undefined ? {} : { 'impersonate-user': impersonateUser }),
    ...(call.body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
  };
}

function queryString({ call, deadline }: Attempt, clock: Clock): string {
  // A Go duration (apiserver, WithRequestDeadline): the server gives a write up when we do, instead of making it late.
  const restMs = Math.max(1, Math.floor(deadline.endsAtMs - clock.monotonicMs()));
  const query = isWrite(call) ? { timeout: `${restMs}ms`, ...call.query } : (call.query ?? {});
  const entries = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return entries.length === 0 ? '' : `?${new URLSearchParams(entries).toString()}`;
}

/** firstHeader returns the value of a header that may have come several times. */
export function firstHeader(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
