import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CredentialsNotice } from '../../../src/kube/connection.ts';
import { createTlsFiles, type TlsInputs } from '../../../src/kube/tls-files.ts';
import { createAuthority } from '../../support/certificates.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const old = createAuthority('old');
const next = createAuthority('next');
const alice = old.issue('alice');
const bob = next.issue('bob');
const carol = next.issue('carol');

let directory = '';
let clock = new ManualClock();
let notices: CredentialsNotice[] = [];

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'sluice-tls-'));
  clock = new ManualClock();
  notices = [];
});

afterEach(() => rm(directory, { recursive: true, force: true }));

const fileOf = (name: string): string => path.join(directory, name);
const put = (name: string, text: string) => writeFile(fileOf(name), text);
const create = (inputs: TlsInputs) =>
  createTlsFiles(inputs, { clock, owner: 'Kubeconfig c', onNotice: (notice) => notices.push(notice) });

async function pair() {
  await put('ca.pem', old.cert);
  await put('cert.pem', alice.cert);
  await put('key.pem', alice.key);
  return create({
    ca: { file: fileOf('ca.pem') },
    cert: { file: fileOf('cert.pem') },
    key: { file: fileOf('key.pem') },
  });
}

describe('createTlsFiles', () => {
  it('reads files again after 60 s and only when asked, and returns the same object until they change', async () => {
    const tls = await pair();
    const first = await tls.current();
    expect(first).toEqual({ ca: old.cert, ...alice });
    await put('ca.pem', next.cert);
    await clock.advance(59_999);
    expect(await tls.current()).toBe(first);
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(1);
    const second = await tls.current();
    expect(second).toEqual({ ca: next.cert, ...alice });
    expect(notices).toMatchObject([{ kind: 'Reloaded' }]);
    expect(notices[0]?.message).toContain(fileOf('ca.pem'));
    await clock.advance(60_000);
    expect(await tls.current()).toBe(second);
    expect(notices.length).toBe(1);
  });

  it('reads them at once after a refusal, once for all who ask', async () => {
    const tls = await pair();
    await put('ca.pem', next.cert);
    await Promise.all(Array.from({ length: 5 }, () => tls.refresh()));
    expect(await tls.current()).toMatchObject({ ca: next.cert });
    expect(notices.length).toBe(1);
  });

  it('takes a bundle of authorities', async () => {
    const tls = await pair();
    await put('ca.pem', `# the old one\n${old.cert}\n${next.cert}`);
    await tls.refresh();
    expect((await tls.current()).ca).toContain(next.cert);
  });

  it.each([
    ['is missing', () => rm(fileOf('ca.pem')), /ca\.pem: ENOENT/],
    ['is empty', () => put('ca.pem', ''), /ca\.pem holds no certificate/],
    [
      'is half written',
      () => put('ca.pem', `${old.cert}${next.cert.slice(0, 300)}`),
      /ca\.pem ends in the middle of a certificate/,
    ],
    [
      'holds what is no certificate',
      () => put('ca.pem', '-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----'),
      /ca\.pem holds a certificate that cannot be read/,
    ],
    ['belongs to another key', () => put('cert.pem', carol.cert), /cert\.pem and .*key\.pem cannot be used together/],
    ['is a broken key', () => put('key.pem', alice.key.slice(0, 80)), /cannot be used together/],
  ])('keeps what it has while a file %s, and says so once', async (_name, damage, expected) => {
    const tls = await pair();
    const first = await tls.current();
    await damage();
    for (let round = 0; round < 3; round += 1) {
      await clock.advance(60_000);
      expect(await tls.current()).toBe(first);
    }
    expect(notices).toMatchObject([{ kind: 'Kept' }]);
    expect(notices[0]?.message).toMatch(expected);
    expect(notices[0]?.message).not.toContain(alice.key.slice(40, 70));
    // The rotation is complete: new certificate and new key.
    await put('ca.pem', next.cert);
    await put('cert.pem', bob.cert);
    await put('key.pem', bob.key);
    await clock.advance(60_000);
    expect(await tls.current()).toEqual({ ca: next.cert, ...bob });
    expect(notices.map((notice) => notice.kind)).toEqual(['Kept', 'Reloaded']);
    // The same damage later is another one.
    await damage();
    await clock.advance(60_000);
    await tls.current();
    expect(notices.length).toBe(3);
  });

  it('says so again only when the problem is another one', async () => {
    const tls = await pair();
    await put('ca.pem', '');
    await tls.refresh();
    await rm(fileOf('ca.pem'));
    await tls.refresh();
    await tls.refresh();
    expect(notices.map((notice) => notice.kind)).toEqual(['Kept', 'Kept']);
  });

  it('does not look at anything where everything is text', async () => {
    const tls = await create({ ca: { pem: old.cert } });
    const first = await tls.current();
    await clock.advance(600_000);
    await tls.refresh();
    expect(await tls.current()).toBe(first);
  });
});
