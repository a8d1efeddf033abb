import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadKubeConfig, type KubeConfigSource } from '../../../src/kube/config.ts';
import { createAuthority } from '../../support/certificates.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const authority = createAuthority('test');
const client = authority.issue('bob');

let directory = '';
let clock = new ManualClock();

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'sluice-config-'));
  clock = new ManualClock();
});

afterEach(() => rm(directory, { recursive: true, force: true }));

async function write(name: string, text: string): Promise<string> {
  const file = path.join(directory, name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, text);
  return file;
}

const load = (source: Partial<KubeConfigSource>) => loadKubeConfig({ env: {}, clock, ...source });

const problem = async (source: Partial<KubeConfigSource>): Promise<string> => {
  const error = (await load(source).catch((thrown: unknown) => thrown)) as Error;
  expect(error).toMatchObject({ code: 'ConfigInvalid' });
  return error.message;
};

/** kubeconfig returns a kubeconfig with one context, whose user and cluster have the given fields (YAML flow syntax). */
function kubeconfig(user: string, cluster = '{server: "https://10.0.0.1:6443"}', name = 'main'): string {
  return [
    'apiVersion: v1',
    'kind: Config',
    `current-context: ${name}`,
    `contexts: [{name: ${name}, context: {cluster: ${name}, user: ${name}, namespace: team-a}}]`,
    `clusters: [{name: ${name}, cluster: ${cluster}}]`,
    `users: [{name: ${name}, user: ${user}}]`,
  ].join('\n');
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('loadKubeConfig with a kubeconfig', () => {
  it('reads server, certificate authority, client certificate and namespace', async () => {
    await write('pki/ca.pem', authority.cert);
    const cluster = '{server: "https://10.0.0.1:6443", certificate-authority: pki/ca.pem, tls-server-name: kubernetes}';
    const user = `{client-certificate-data: ${base64(client.cert)}, client-key-data: ${base64(client.key)}}`;
    const connection = await load({ kubeconfig: await write('config', kubeconfig(user, cluster)) });
    expect(connection).toMatchObject({
      server: new URL('https://10.0.0.1:6443'),
      tlsServerName: 'kubernetes',
      insecureSkipTlsVerify: false,
      namespace: 'team-a',
      proxy: undefined,
    });
    expect(await connection.tls?.current()).toEqual({ ca: authority.cert, ...client });
    expect(await connection.authorization()).toBeUndefined();
  });

  it.each([
    ['a token', '{token: abc}', 'Bearer abc'],
    ['a user name and a password', '{username: bob, password: pw}', `Basic ${base64('bob:pw')}`],
    ['nothing', '{}', undefined],
    ['null', 'null', undefined],
  ])('uses %s as the credential', async (_name, user, header) => {
    const connection = await load({ kubeconfig: await write('config', kubeconfig(user)) });
    expect(await connection.authorization()).toBe(header);
  });

  it('impersonates', async () => {
    const connection = await load({ kubeconfig: await write('config', kubeconfig('{token: abc, as: alice}')) });
    expect(connection.impersonateUser).toBe('alice');
  });

  it('reads a token file beside the kubeconfig and follows its rotation', async () => {
    const token = await write('token', 'one\n');
    const connection = await load({ kubeconfig: await write('config', kubeconfig('{tokenFile: token}')) });
    expect(await connection.authorization()).toBe('Bearer one');
    await writeFile(token, 'two');
    await clock.advance(50_000);
    expect(await connection.authorization()).toBe('Bearer two');
  });

  it('looks for a credential plugin beside the kubeconfig, and tells it the cluster if it asks', async () => {
    await write('pki/ca.pem', authority.cert);
    const plugin = await write(
      'bin/plugin.sh',
      '#!/bin/sh\necho "{\\"status\\": {\\"token\\": \\"$(echo "$KUBERNETES_EXEC_INFO" | base64 -w0)\\"}}"\n',
    );
    await chmod(plugin, 0o755);
    const cluster = '{server: "https://10.0.0.1:6443", certificate-authority: pki/ca.pem}';
    const version = 'client.authentication.k8s.io/v1';
    const user = `{exec: {apiVersion: ${version}, command: ./bin/plugin.sh, provideClusterInfo: true}}`;
    const file = await write('config', kubeconfig(user, cluster));
    const connection = await load({ kubeconfig: file, env: { PATH: process.env['PATH'] } });
    const token = (await connection.authorization())?.replace('Bearer ', '') ?? '';
    expect(JSON.parse(Buffer.from(token, 'base64').toString())).toEqual({
      apiVersion: version,
      kind: 'ExecCredential',
      spec: {
        interactive: false,
        cluster: {
          server: 'https://10.0.0.1:6443',
          'insecure-skip-tls-verify': false,
          'certificate-authority-data': base64(authority.cert),
        },
      },
    });
  });

  it('says at the start that a credential plugin fails, and refuses one that wants a terminal', async () => {
    const exec = (more: string): string => `{exec: {command: /does/not/exist${more}}}`;
    const file = await write('config', kubeconfig(exec(', installHint: "Get it at example.com."')));
    const error = (await load({ kubeconfig: file }).catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ code: 'ApiUnauthorized' });
    expect(error.message).toMatch(
      /kubeconfig .*config failed: the program is not installed\. Get it at example\.com\.$/,
    );
    await write('config', kubeconfig(exec(', interactiveMode: Always')));
    expect(await problem({ kubeconfig: file })).toContain('runs without a terminal');
  });

  it('uses the proxy of the cluster', async () => {
    const cluster = '{server: "https://a", proxy-url: "http://bob:pw@proxy:3128"}';
    const connection = await load({ kubeconfig: await write('config', kubeconfig('{token: abc}', cluster)) });
    expect(connection.proxy?.href).toBe('http://bob:pw@proxy:3128/');
  });

  it('uses the context that was asked for', async () => {
    const text = kubeconfig('{token: abc}').replace(
      'contexts: [',
      'contexts: [{name: other, context: {cluster: main, user: main}}, ',
    );
    const file = await write('config', text);
    expect((await load({ kubeconfig: file, context: 'other' })).namespace).toBeUndefined();
    expect(await problem({ kubeconfig: file, context: 'nope' })).toBe(
      `Kubeconfig ${file} has no context nope; it has: other, main.`,
    );
  });

  it('merges the files of KUBECONFIG: the first wins, and files that are missing are skipped', async () => {
    const first = await write('one/config', kubeconfig('{token: first}'));
    const second = await write('two/config', kubeconfig('{tokenFile: token}', undefined, 'other'));
    await write('two/token', 'second');
    const env = { KUBECONFIG: ['/does/not/exist', first, second].join(path.delimiter) };
    expect(await (await load({ env })).authorization()).toBe('Bearer first');
    expect(await (await load({ env, context: 'other' })).authorization()).toBe('Bearer second');
  });

  it('falls back to the kubeconfig in the home directory', async () => {
    await write('.kube/config', kubeconfig('{token: home}'));
    expect(await (await load({ env: { HOME: directory } })).authorization()).toBe('Bearer home');
  });

  it.each([
    ['is missing', undefined, /^Kubeconfig .*config cannot be read: ENOENT\.$/],
    ['is not YAML', 'a: [b\ntoken: hunter2: x', /^Kubeconfig .*config is not valid: [^\n]+\.$/],
    ['is empty', '', /^Kubeconfig .*config is not valid: /],
    ['has no current context', 'contexts: []', /has no current-context/],
    [
      'names a cluster that it lacks',
      'current-context: a\ncontexts: [{name: a, context: {cluster: b}}]',
      /names the cluster b/,
    ],
    [
      'has a server that is no URL',
      kubeconfig('{}', '{server: "10.0.0.1"}'),
      /must be an http or https URL and is 10\.0\.0\.1/,
    ],
    [
      'names a file that is missing',
      kubeconfig('{}', '{server: "https://a", certificate-authority: no.pem}'),
      /no\.pem: ENOENT/,
    ],
    [
      'wants a proxy of another kind',
      kubeconfig('{}', '{server: "https://a", proxy-url: "socks5://bob:hunter2@p"}'),
      /proxy-url of cluster main must be an http URL, or an https URL with a host name, and has socks5:; /,
    ],
    [
      'has a certificate authority that is none',
      kubeconfig('{}', `{server: "https://a", certificate-authority-data: ${base64('CA')}}`),
      /its certificate authority holds no certificate\.$/,
    ],
    [
      'has a key that is not that of the certificate',
      kubeconfig(
        `{client-certificate-data: ${base64(client.cert)}, client-key-data: ${base64(authority.issue('eve').key)}}`,
      ),
      /its client certificate and its client key cannot be used together: ERR_OSSL_X509_KEY_VALUES_MISMATCH\.$/,
    ],
  ])('says in one sentence, with the file, that it %s', async (_name, text, expected) => {
    const file = text === undefined ? path.join(directory, 'config') : await write('config', text);
    const message = await problem({ kubeconfig: file });
    expect(message).toMatch(expected);
    expect(message).toContain(file);
    expect(message).not.toContain('hunter2');
  });

  it('says what to do when nothing is configured', async () => {
    expect(await problem({ env: { HOME: directory } })).toContain('set --kubeconfig or KUBECONFIG');
  });
});

describe('loadKubeConfig in a pod', () => {
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' };

  it('uses the service account and its namespace', async () => {
    await write('ca.crt', authority.cert);
    await write('token', 'pod-token\n');
    await write('namespace', 'sluice-system\n');
    const connection = await load({ env, serviceAccountDir: directory });
    expect(await connection.tls?.current()).toMatchObject({ ca: authority.cert });
    expect(connection).toMatchObject({ namespace: 'sluice-system', insecureSkipTlsVerify: false });
    expect(connection.server.href).toBe('https://[fd00::1]:6443/');
    expect(await connection.authorization()).toBe('Bearer pod-token');
  });

  it('reads the token again after 50 s or a 401, and keeps it while the file is missing or empty', async () => {
    await write('ca.crt', authority.cert);
    const token = await write('token', 'one');
    const connection = await load({ env, serviceAccountDir: directory });
    expect(await connection.authorization()).toBe('Bearer one');
    await write('token', 'two');
    await clock.advance(49_999);
    expect(await connection.authorization()).toBe('Bearer one');
    await clock.advance(1);
    expect(await connection.authorization()).toBe('Bearer two');
    await write('token', 'three');
    const sentAtMs = clock.monotonicMs();
    connection.onUnauthorized('Bearer one', sentAtMs);
    expect(await connection.authorization()).toBe('Bearer two');
    // Refused before it was read again: not the one that is in use now.
    connection.onUnauthorized('Bearer two', sentAtMs - 1);
    expect(await connection.authorization()).toBe('Bearer two');
    connection.onUnauthorized('Bearer two', sentAtMs);
    expect(await connection.authorization()).toBe('Bearer three');
    await rm(token);
    await clock.advance(60_000);
    expect(await connection.authorization()).toBe('Bearer three');
    await write('token', ' \n');
    expect(await connection.authorization()).toBe('Bearer three');
    await write('token', 'four');
    expect(await connection.authorization()).toBe('Bearer four');
  });

  it('says that the token file is missing, with its name', async () => {
    await write('ca.crt', authority.cert);
    const connection = await load({ env, serviceAccountDir: directory });
    await expect(connection.authorization()).rejects.toThrow(path.join(directory, 'token'));
  });

  it('says that the service account is missing', async () => {
    expect(await problem({ env, serviceAccountDir: directory })).toContain('automountServiceAccountToken');
  });

  it('prefers an explicit kubeconfig', async () => {
    const file = await write('config', kubeconfig('{token: abc}'));
    expect((await load({ env, kubeconfig: file })).server.hostname).toBe('10.0.0.1');
    expect((await load({ env: { ...env, KUBECONFIG: file } })).server.hostname).toBe('10.0.0.1');
  });
});
