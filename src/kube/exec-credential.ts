import { execFile } from 'node:child_process';
import { parseTime, type Clock } from '../clock.ts';
import { SluiceError } from '../errors.ts';
import type { TlsMaterial } from './connection.ts';
import { startDeadline } from './deadline.ts';
import type { TokenSource } from './token-file.ts';

/** A plugin that asks a cloud takes seconds; one that waits for a person never ends. */
const pluginTimeoutMs = 30_000;

/** A credential is renewed this long before its end, or after half of its life where that is shorter. */
const leewayMs = 30_000;

/** After a run that did not help, so that a thousand requests do not become a thousand processes. */
const holdMs = 5000;

const maxOutputBytes = 1_048_576;

/** A plugin's complaint may quote what it was given; nothing that long is needed to understand it. */
const longToken = /[\w\-.=+/]{40,}/g;

/** ExecPlugin is how a kubeconfig says to run a credential plugin (client.authentication.k8s.io). */
export interface ExecPlugin {
  readonly apiVersion?: string | undefined;
  readonly command: string;
  readonly args?: readonly string[] | null | undefined;
  readonly env?: readonly { readonly name: string; readonly value: string }[] | null | undefined;
  readonly installHint?: string | null | undefined;
  readonly interactiveMode?: string | null | undefined;
}

/** ExecOptions: `owner` is the kubeconfig, `baseEnv` what the plugin inherits, `cluster` what it is told if it wants to know. */
export interface ExecOptions {
  readonly clock: Clock;
  readonly owner: string;
  readonly baseEnv: Readonly<Record<string, string | undefined>>;
  readonly cluster?: object | undefined;
}

/** ExecCredential yields the token and the client certificate of a plugin. */
export interface ExecCredential extends TokenSource {
  /** pair returns the certificate and key of the last run; the same object until a run brings others. */
  pair(): Pick<TlsMaterial, 'cert' | 'key'>;
}

interface Credential {
  readonly header: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** lifetimeMs is undefined for a credential that says no end. */
  readonly lifetimeMs: number | undefined;
}

/**
 * createExecCredential runs a credential plugin: one process however many callers wait, again before the credential
 * ends or after it was refused, never longer than 30 s, and at most each 5 s while that does not help. A plugin that
 * fails leaves an old credential in use for as long as it lives; without one calls fail with ApiUnauthorized.
 */
export function createExecCredential(plugin: ExecPlugin, options: ExecOptions): ExecCredential {
  const { clock } = options;
  let current: Credential | undefined;
  let pair: Pick<TlsMaterial, 'cert' | 'key'> = {};
  let startedAtMs = Number.NEGATIVE_INFINITY;
  let renewAtMs = Number.NEGATIVE_INFINITY;
  let endsAtMs = Number.NEGATIVE_INFINITY;
  let heldUntilMs = Number.NEGATIVE_INFINITY;
  let failure: SluiceError | undefined;
  let isRefused = false;
  let running: Promise<void> | undefined;

  const renew = async (): Promise<void> => {
    const startMs = clock.monotonicMs();
    try {
      const found = await runPlugin(plugin, options);
      const receivedMs = clock.monotonicMs();
      const lifetimeMs = found.lifetimeMs ?? Number.POSITIVE_INFINITY;
      if (isRefused && isSame(found, current)) heldUntilMs = receivedMs + holdMs;
      if (found.cert !== pair.cert || found.key !== pair.key) pair = { cert: found.cert, key: found.key };
      current = found;
      startedAtMs = startMs;
      endsAtMs = receivedMs + lifetimeMs;
      renewAtMs = receivedMs + Math.max(holdMs, lifetimeMs - Math.min(leewayMs, lifetimeMs / 2));
      failure = undefined;
      isRefused = false;
    } catch (error) {
      failure = error as SluiceError;
      heldUntilMs = clock.monotonicMs() + holdMs;
    }
  };
  const isDue = (): boolean => {
    const nowMs = clock.monotonicMs();
    return nowMs >= heldUntilMs && (current === undefined || isRefused || nowMs >= renewAtMs);
  };
  return {
    authorization: async () => {
      if (running === undefined && isDue()) {
        running = renew().finally(() => {
          running = undefined;
        });
      }
      await running;
      const isUsable = current !== undefined && !isRefused && clock.monotonicMs() < endsAtMs;
      if (failure !== undefined && !isUsable) throw failure;
      return current?.header;
    },
    onUnauthorized: (refused, sentAtMs) => {
      if (refused === current?.header && startedAtMs <= sentAtMs) isRefused = true;
    },
    pair: () => pair,
  };
}

function isSame(a: Credential, b: Credential | undefined): boolean {
  return a.header === b?.header && a.cert === b?.cert && a.key === b?.key;
}

async function runPlugin(plugin: ExecPlugin, options: ExecOptions): Promise<Credential> {
  const deadline = startDeadline(options.clock, pluginTimeoutMs, undefined);
  try {
    return readCredential(await spawnPlugin(plugin, options, deadline.signal), options.clock);
  } catch (error) {
    const found = deadline.isOver() ? `it did not end within ${pluginTimeoutMs / 1000} s` : complaintOf(error);
    const hint = isMissing(error) && plugin.installHint ? ` ${firstLine(plugin.installHint)}` : '';
    const message = `The credential plugin ${plugin.command} of ${options.owner} failed: ${found}.${hint}`;
    throw new SluiceError('ApiUnauthorized', message);
  } finally {
    deadline.close();
  }
}

function spawnPlugin(plugin: ExecPlugin, options: ExecOptions, signal: AbortSignal): Promise<string> {
  // Plugins of v1 refuse to run without it.
  const spec = { interactive: false, ...(options.cluster === undefined ? {} : { cluster: options.cluster }) };
  const info = { apiVersion: plugin.apiVersion, kind: 'ExecCredential', spec };
  const env = {
    ...options.baseEnv,
    ...Object.fromEntries((plugin.env ?? []).map(({ name, value }) => [name, value])),
    KUBERNETES_EXEC_INFO: JSON.stringify(info),
  };
  return new Promise((resolve, reject) => {
    const limits = { maxBuffer: maxOutputBytes, signal, killSignal: 'SIGKILL' } as const;
    const child = execFile(plugin.command, plugin.args ?? [], { env, ...limits }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(stderr.trim() === '' ? error : new Error(stderr));
    });
    // Nobody is there to answer a question; a plugin that reads its input finds the end of it.
    child.stdin?.on('error', () => {});
    child.stdin?.end();
  });
}

interface ExecAnswer {
  readonly status?: {
    readonly token?: string;
    readonly clientCertificateData?: string;
    readonly clientKeyData?: string;
    readonly expirationTimestamp?: string;
  };
}

function readCredential(text: string, clock: Clock): Credential {
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = parse(text).status ?? {};
  if ((token ?? '') === '' && (cert === undefined || key === undefined)) {
    throw new Error('it returned neither a token nor a certificate with its key');
  }
  // From here on the monotonic clock counts: a wall clock that is set must not end all credentials.
  const endsAtMs = parseTime(expirationTimestamp);
  return {
    header: (token ?? '') === '' ? undefined : `Bearer ${token}`,
    cert,
    key,
    lifetimeMs: endsAtMs === undefined ? undefined : Math.max(0, endsAtMs - clock.nowMs()),
  };
}

function parse(text: string): ExecAnswer {
  try {
    return (JSON.parse(text) ?? {}) as ExecAnswer;
  } catch {
    // The parser would quote the output, and with it the token.
    throw new Error('it returned something that is not JSON');
  }
}

function isMissing(error: unknown): boolean {
  return (error as { readonly code?: unknown }).code === 'ENOENT';
}

function complaintOf(error: unknown): string {
  if (isMissing(error)) return 'the program is not installed';
  return firstLine(error instanceof Error ? error.message : String(error));
}

function firstLine(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  return line.replaceAll(longToken, '…').slice(0, 200);
}
