/** One probe of one endpoint: a connect, or a GET that is answered by 2xx or 3xx. */
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { formatDuration } from '../api/duration.ts';
import type { Clock } from '../clock.ts';
import { version } from '../version.ts';
import type { ProbeRequest } from './probe-spec.ts';

/** ProbeTarget is what is connected to; `address` is an IP address. */
export interface ProbeTarget {
  readonly address: string;
  readonly port: number;
  readonly request: (ProbeRequest & { readonly host: string }) | undefined;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** Attempt is a probe under way. */
export interface Attempt {
  /** result is undefined for a success, else why it failed; it comes when the socket is closed. */
  readonly result: Promise<string | undefined>;
  /** cancel closes the socket at once. */
  cancel(): void;
}

/** maxBodyBytes of an answer are read, as by the kubelet, so that a server does not see its answer cut off. */
const maxBodyBytes = 10 * 1024;

/** attemptProbe probes once, and gives up after the timeout of the target. */
export function attemptProbe(target: ProbeTarget, clock: Clock): Attempt {
  const result = Promise.withResolvers<string | undefined>();
  let verdict: { readonly failure: string | undefined } | undefined;
  const judge = (failure: string | undefined): void => {
    verdict ??= { failure };
  };
  const exchange = target.request === undefined ? connect(target, judge) : ask(target, target.request, judge);
  const expire = (): void => {
    judge(`no answer within ${timeText(target.timeoutMs)}`);
    exchange.destroy();
  };
  // An event loop that was held up runs its timers before it reads its sockets: the answer may be there already.
  let cancelTimer = clock.schedule(target.timeoutMs, () => (cancelTimer = clock.schedule(0, expire)));
  exchange.on('error', (error: NodeJS.ErrnoException) => judge(reasonOf(error)));
  exchange.once('close', () => {
    cancelTimer();
    result.resolve(verdict === undefined ? 'the connection was closed without an answer' : verdict.failure);
  });
  return { result: result.promise, cancel: () => void exchange.destroy() };
}

type Judge = (failure: string | undefined) => void;

function connect({ address, port }: ProbeTarget, judge: Judge): net.Socket {
  const socket = net.connect({ host: address, port });
  socket.once('connect', () => {
    judge(isConnectedToItself(socket) ? 'connection refused' : undefined);
    socket.destroy();
  });
  return socket;
}

/**
 * On loopback a socket that tries a port where nobody listens may be given that very port as its own, and then connects to
 * itself (RFC 9293, 3.5: simultaneous open). Who tries each second for hours meets it.
 */
function isConnectedToItself({ localPort, remotePort, localAddress, remoteAddress }: net.Socket): boolean {
  return localPort === remotePort && localAddress === remoteAddress;
}

/** A connection of its own each time: a kept one says nothing of whether new ones are taken. */
function ask({ address, port }: ProbeTarget, request: ProbeRequest & { readonly host: string }, judge: Judge) {
  const headers = { host: request.host, 'user-agent': `sluice-probe/${version}`, accept: '*/*', connection: 'close' };
  const options = { host: address, port, path: request.path, headers, agent: false as const };
  // What is asked is no secret, and a server that lies about its name is not what is looked for here.
  const asked = request.scheme === 'https' ? https.get({ ...options, rejectUnauthorized: false }) : http.get(options);
  asked.once('response', (answer) => {
    const { statusCode = 0 } = answer;
    judge(statusCode >= 200 && statusCode < 400 ? undefined : `answered ${statusCode}`);
    let bytes = 0;
    answer.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBodyBytes) asked.destroy();
    });
    answer.on('error', () => undefined);
  });
  return asked;
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network unreachable',
  EADDRNOTAVAIL: 'no address of this machine reaches it',
};

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  return code === undefined ? message : (reasons[code] ?? code);
}

function timeText(ms: number): string {
  return ms % 1000 === 0 ? formatDuration(ms) : `${ms}ms`;
}
