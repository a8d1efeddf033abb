import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAccessFiles, type AccessFiles } from '../../../src/source/access-files.ts';
import { createAuthority } from '../../support/certificates.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const authority = createAuthority('one').cert.trim();
const noFiles = { bearerTokenFile: undefined, basicAuthFile: undefined, headersFile: undefined, caFile: undefined };

let folder: string;
let clock: ManualClock;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-access-'));
  clock = new ManualClock();
});
afterEach(() => rm(folder, { recursive: true }));

async function file(name: string, text: string): Promise<string> {
  const where = path.join(folder, name);
  await writeFile(where, text);
  return where;
}
async function refusal(files: Partial<AccessFiles>): Promise<string> {
  return createAccessFiles({ ...noFiles, ...files }, clock).then(
    () => 'accepted',
    (error: unknown) => (error as Error).message,
  );
}

describe('access files', () => {
  test('are a bearer token, a login, further headers and an authority', async () => {
    const bearerTokenFile = await file('token', 't0ken\n');
    const headersFile = await file('headers', 'X-Scope-OrgID: shop\n\n x-other:a: b\n');
    const caFile = await file('ca', authority);
    const token = await createAccessFiles({ ...noFiles, bearerTokenFile, headersFile, caFile }, clock);
    expect(await token.current()).toEqual({
      headers: { authorization: 'Bearer t0ken', 'x-scope-orgid': 'shop', 'x-other': 'a: b' },
      ca: authority,
    });
    const login = await createAccessFiles({ ...noFiles, basicAuthFile: await file('login', 'ann:p:ss\n') }, clock);
    expect(await login.current()).toEqual({ headers: { authorization: `Basic ${btoa('ann:p:ss')}` } });
    expect(await (await createAccessFiles(noFiles, clock)).current()).toEqual({ headers: {} });
  });

  test('are read again after half a minute, and at once when the server has refused them', async () => {
    const bearerTokenFile = await file('token', 'first');
    const access = await createAccessFiles({ ...noFiles, bearerTokenFile }, clock);
    const first = await access.current();
    await clock.advance(30_000);
    expect(await access.current()).toBe(first);
    await file('token', 'second');
    expect(await access.current()).toBe(first);
    await clock.advance(30_000);
    expect(await access.current()).toEqual({ headers: { authorization: 'Bearer second' } });
    await file('token', 'third');
    access.onRefused();
    expect(await access.current()).toEqual({ headers: { authorization: 'Bearer third' } });
  });

  test('stay as they were while they cannot be used', async () => {
    const caFile = await file('ca', authority);
    const bearerTokenFile = await file('token', 'first');
    const access = await createAccessFiles({ ...noFiles, bearerTokenFile, caFile }, clock);
    const first = await access.current();
    await file('token', 'second');
    for (const broken of [authority.slice(0, -30), '', 'x']) {
      await file('ca', broken);
      await clock.advance(30_000);
      expect(await access.current()).toBe(first);
    }
    await file('ca', authority);
    await clock.advance(30_000);
    expect(await access.current()).toEqual({ headers: { authorization: 'Bearer second' }, ca: authority });
  });

  test('are refused at the start where they cannot be used, with nothing of them in the message', async () => {
    const messages = await Promise.all([
      refusal({ bearerTokenFile: path.join(folder, 'missing') }),
      refusal({ bearerTokenFile: await file('empty', ' \n') }),
      refusal({ bearerTokenFile: await file('two', 'hunter2\nX-Evil: 1') }),
      refusal({ basicAuthFile: await file('login', 'hunter2') }),
      refusal({ headersFile: await file('headers', 'X-A: 1\nhunter2\n') }),
      refusal({ caFile: await file('ca', '-----BEGIN CERTIFICATE-----\nhunter2\n') }),
    ]);
    expect(messages).toEqual([
      expect.stringMatching(/^--prometheus-bearer-token-file: the file .*missing cannot be read\.$/),
      expect.stringMatching(/^--prometheus-bearer-token-file: the file .*empty is empty\.$/),
      '--prometheus-bearer-token-file: the file must hold one line.',
      '--prometheus-basic-auth-file: the file must hold user:password.',
      '--prometheus-headers-file: each line of the file must be `Name: value`.',
      '--prometheus-ca-file: the file holds no certificate, or one that cannot be read.',
    ]);
    expect(messages.join()).not.toContain('hunter2');
  });
});
