import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createExecCredential, type ExecCredential, type ExecPlugin } from '../../../src/kube/exec-credential.ts';
import { eventually } from '../../support/eventually.ts';
import { ManualClock } from '../../support/manual-clock.ts';

let directory = '';
let clock = new ManualClock();

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'sluice-exec-'));
  clock = new ManualClock();
});

afterEach(() => rm(directory, { recursive: true, force: true }));

/** plugin writes a shell script that counts its runs as $n; what it does then is `body`. */
async function plugin(body: string, fields: Partial<ExecPlugin> = {}): Promise<ExecCredential> {
  const command = path.join(directory, 'plugin.sh');
  const count = `echo run >> ${directory}/runs\nn=$(wc -l < ${directory}/runs | tr -d " ")\n`;
  await writeFile(command, `#!/bin/sh\n${count}${body}\n`);
  await chmod(command, 0o755);
  const options = { clock, owner: 'kubeconfig c', baseEnv: { PATH: process.env['PATH'], INHERITED: 'yes' } };
  return createExecCredential({ apiVersion: 'client.authentication.k8s.io/v1', command, ...fields }, options);
}

const runs = async (): Promise<number> =>
  (await readFile(path.join(directory, 'runs'), 'utf8').catch(() => '')).split('\n').length - 1;

/** status is the shell command that prints an ExecCredential. */
const status = (fields: string): string => `echo '{"kind": "ExecCredential", "status": {${fields}}}' | sed "s/N/$n/"`;
const inMs = (ms: number): string => new Date(clock.nowMs() + ms).toISOString();
const failed = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

describe('createExecCredential', () => {
  it('runs one process for ten first calls', async () => {
    const credential = await plugin(status('"token": "token-N"'));
    const headers = await Promise.all(Array.from({ length: 10 }, () => credential.authorization()));
    expect(new Set(headers)).toEqual(new Set(['Bearer token-1']));
    await clock.advance(86_400_000);
    expect(await credential.authorization()).toBe('Bearer token-1');
    expect(await runs()).toBe(1);
  });

  it('runs it again 30 s before the token ends', async () => {
    const credential = await plugin(status(`"token": "token-N", "expirationTimestamp": "${inMs(600_000)}"`));
    expect(await credential.authorization()).toBe('Bearer token-1');
    await clock.advance(569_000);
    expect(await credential.authorization()).toBe('Bearer token-1');
    await clock.advance(1000);
    expect(await credential.authorization()).toBe('Bearer token-2');
  });

  it('runs it again after half of the life of a short token, but not for every call', async () => {
    const credential = await plugin(status(`"token": "token-N", "expirationTimestamp": "${inMs(20_000)}"`));
    await credential.authorization();
    await clock.advance(9000);
    expect(await credential.authorization()).toBe('Bearer token-1');
    await clock.advance(1000);
    expect(await credential.authorization()).toBe('Bearer token-2');
  });

  it('does not run for every call where the plugin returns what has ended already', async () => {
    const credential = await plugin(status(`"token": "token-N", "expirationTimestamp": "${inMs(-3_600_000)}"`));
    for (let call = 0; call < 20; call += 1) await credential.authorization();
    expect(await runs()).toBe(1);
    await clock.advance(5000);
    expect(await credential.authorization()).toBe('Bearer token-2');
  });

  it('is not disturbed by a wall clock that jumps an hour, either way', async () => {
    const credential = await plugin(status(`"token": "token-N", "expirationTimestamp": "${inMs(600_000)}"`));
    await credential.authorization();
    clock.jumpWallClock(3_600_000);
    expect(await credential.authorization()).toBe('Bearer token-1');
    clock.jumpWallClock(-7_200_000);
    await clock.advance(569_000);
    expect(await credential.authorization()).toBe('Bearer token-1');
    await clock.advance(1000);
    expect(await credential.authorization()).toBe('Bearer token-2');
  });

  it('runs it once when ten requests were refused together, and not for one that was refused before', async () => {
    const credential = await plugin(status('"token": "token-N"'));
    await credential.authorization();
    await clock.advance(1000);
    const sentAtMs = clock.monotonicMs();
    await clock.advance(1000);
    const refused = async (): Promise<string | undefined> => {
      credential.onUnauthorized('Bearer token-1', sentAtMs);
      return credential.authorization();
    };
    const headers = await Promise.all(Array.from({ length: 10 }, refused));
    expect(new Set(headers)).toEqual(new Set(['Bearer token-2']));
    credential.onUnauthorized('Bearer token-1', clock.monotonicMs());
    expect(await credential.authorization()).toBe('Bearer token-2');
    expect(await runs()).toBe(2);
  });

  it('asks a plugin that insists on a refused token each 5 s only', async () => {
    const credential = await plugin(status('"token": "same"'));
    await credential.authorization();
    const refuse = async (): Promise<void> => {
      await clock.advance(10);
      credential.onUnauthorized('Bearer same', clock.monotonicMs());
      expect(await credential.authorization()).toBe('Bearer same');
    };
    for (let call = 0; call < 20; call += 1) await refuse();
    expect(await runs()).toBe(2);
    await clock.advance(5000);
    await refuse();
    expect(await runs()).toBe(3);
    // Sent before that run: its token is newer than this refusal.
    credential.onUnauthorized('Bearer same', clock.monotonicMs() - 1);
    await clock.advance(5000);
    await credential.authorization();
    expect(await runs()).toBe(3);
  });

  it('fails with the complaint of the plugin, without what looks like a token, and for 5 s without another run', async () => {
    const secret = 'eyJhbGciOiJSUzI1NiIsImtpZCI6Ii1hYmNkZWZnaGlqa2xtbm9w';
    const credential = await plugin(
      `test $n -gt 1 || { echo "login expired for ${secret}" >&2; exit 1; }; ${status('"token": "token-N"')}`,
    );
    const errors = await Promise.all(Array.from({ length: 10 }, () => failed(credential.authorization())));
    for (const error of errors as Error[]) {
      expect(error).toMatchObject({ code: 'ApiUnauthorized' });
      expect(error.message).toMatch(/plugin\.sh of kubeconfig c failed: login expired for …\.$/);
    }
    await clock.advance(4999);
    expect(await failed(credential.authorization())).toBeInstanceOf(Error);
    expect(await runs()).toBe(1);
    await clock.advance(1);
    expect(await credential.authorization()).toBe('Bearer token-2');
  });

  it('keeps a token that lives while the plugin fails, and not longer', async () => {
    const good = status(`"token": "token-N", "expirationTimestamp": "${inMs(600_000)}"`);
    const credential = await plugin(`test $n -eq 1 || exit 7; ${good}`);
    await credential.authorization();
    await clock.advance(599_999);
    expect(await credential.authorization()).toBe('Bearer token-1');
    expect(await runs()).toBe(2);
    await clock.advance(1);
    expect(await failed(credential.authorization())).toMatchObject({ code: 'ApiUnauthorized' });
  });

  it('does not offer a refused token while the plugin fails', async () => {
    const credential = await plugin(`test $n -eq 1 || exit 7; ${status('"token": "token-N"')}`);
    await credential.authorization();
    credential.onUnauthorized('Bearer token-1', clock.monotonicMs());
    expect(await failed(credential.authorization())).toMatchObject({ code: 'ApiUnauthorized' });
  });

  it('ends a plugin that takes longer than 30 s', async () => {
    const credential = await plugin(`echo $$ > ${directory}/pid; exec sleep 600`);
    const result = failed(credential.authorization());
    const pid = await eventually(async () => {
      const text = await readFile(path.join(directory, 'pid'), 'utf8').catch(() => '');
      return text === '' ? undefined : Number(text);
    });
    await clock.advance(29_999);
    expect(isAlive(pid)).toBe(true);
    await clock.advance(1);
    const error = (await result) as Error;
    expect(error).toMatchObject({ code: 'ApiUnauthorized' });
    expect(error.message).toContain('it did not end within 30 s');
    await eventually(() => !isAlive(pid), { describe: 'the plugin to be gone' });
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    ['nothing', 'true', /not JSON/],
    ['text', 'echo hunter2hunter2', /not JSON/],
    ['no status', 'echo "{}"', /neither a token nor a certificate/],
    ['a certificate without its key', status('"clientCertificateData": "x"'), /neither a token nor a certificate/],
  ])('says that a plugin returned %s', async (_name, body, expected) => {
    const error = (await failed((await plugin(body)).authorization())) as Error;
    expect(error.message).toMatch(expected);
    expect(error.message).not.toContain('hunter2');
  });

  it('gives the plugin its environment and its arguments, and no input to wait for', async () => {
    const body = `read answer; echo "{\\"status\\": {\\"token\\": \\"$INHERITED-$EXTRA-$1-$answer\\"}}"`;
    const credential = await plugin(body, { args: ['arg'], env: [{ name: 'EXTRA', value: 'extra' }] });
    expect(await credential.authorization()).toBe('Bearer yes-extra-arg-');
  });

  it('returns a certificate with its key, the same object until another one comes', async () => {
    const certificate = (name: string): string => `"clientCertificateData": "${name}", "clientKeyData": "key"`;
    const credential = await plugin(
      `test $n -gt 2 && { ${status(certificate('new'))}; exit; }; ${status(certificate('old'))}`,
    );
    expect(await credential.authorization()).toBeUndefined();
    const pair = credential.pair();
    expect(pair).toEqual({ cert: 'old', key: 'key' });
    credential.onUnauthorized(undefined, clock.monotonicMs());
    await credential.authorization();
    expect(credential.pair()).toBe(pair);
    await clock.advance(5000);
    credential.onUnauthorized(undefined, clock.monotonicMs());
    await credential.authorization();
    expect(credential.pair()).toEqual({ cert: 'new', key: 'key' });
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
