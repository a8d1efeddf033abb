import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { isSluiceError } from '../../../src/errors.ts';
import { parseProxySettings, proxySettingDefaults, type RawProxySettings } from '../../../src/proxy-config.ts';
import { createAuthority } from '../../support/certificates.ts';

function refusal(raw: RawProxySettings): string {
  try {
    parseProxySettings(raw, 2);
  } catch (error) {
    expect(isSluiceError(error, 'ConfigInvalid')).toBe(true);
    return (error as Error).message;
  }
  throw new Error(`${JSON.stringify(raw)} was accepted`);
}

const web = {
  name: 'web',
  host: '',
  port: 8000,
  tls: undefined,
  trustedIps: [],
  isInsecure: false,
  readTimeoutMs: 60_000,
  idleTimeoutMs: 180_000,
  maxHeaderBytes: 65_536,
};

const defaults = {
  kubeconfig: undefined,
  context: undefined,
  entryPoints: [web],
  objects: { ingressClass: '', allowsCrossNamespace: false, allowsExternalName: false },
  isStrict: false,
  isSniStrict: false,
  publish: undefined,
  workers: 2,
  acceptGraceMs: 5_000,
  graceMs: 10_000,
  adminHost: '127.0.0.1',
  adminPort: 8080,
  metrics: { bucketsSeconds: [0.1, 0.3, 1.2, 5], hasRouterLabels: false },
  accessLog: undefined,
  logLevel: 'info',
};

function certificateFiles(): { readonly certFile: string; readonly keyFile: string; readonly otherKeyFile: string } {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-proxy-config-'));
  const authority = createAuthority('test');
  const [own, other] = [authority.issue('a'), authority.issue('b')];
  const write = (name: string, text: string): string => {
    writeFileSync(path.join(directory, name), text);
    return path.join(directory, name);
  };
  return {
    certFile: write('tls.crt', own.cert),
    keyFile: write('tls.key', own.key),
    otherKeyFile: write('other.key', other.key),
  };
}

describe('the settings of the proxy', () => {
  it('have a default each, also where the environment gives an empty text', () => {
    expect(parseProxySettings({}, 2)).toStrictEqual(defaults);
    const empty = Object.fromEntries(Object.keys(proxySettingDefaults).map((name) => [name, '']));
    expect(parseProxySettings(empty, 2)).toStrictEqual(defaults);
  });

  it('take a worker for each core, but no more than four unless told', () => {
    expect(parseProxySettings({}, 64).workers).toBe(4);
    expect(parseProxySettings({}, 0).workers).toBe(1);
    expect(parseProxySettings({ workers: '12' }, 2).workers).toBe(12);
  });

  it('read entry points with their options', () => {
    const { certFile, keyFile } = certificateFiles();
    const { entryPoints } = parseProxySettings(
      {
        entryPoint:
          'web=127.0.0.1:80 websecure=[::1]:8443,tls,trusted-ips=10.0.0.0/8;::1,read-timeout=5s,idle-timeout=1m,max-header-bytes=4096',
        tlsCertFile: certFile,
        tlsKeyFile: keyFile,
      },
      2,
    );
    expect(entryPoints.map(({ tls, ...others }) => ({ ...others, hasTls: tls?.key.includes('PRIVATE KEY') }))).toEqual([
      { ...web, tls: undefined, host: '127.0.0.1', port: 80 },
      {
        ...web,
        name: 'websecure',
        host: '::1',
        port: 8443,
        hasTls: true,
        trustedIps: ['10.0.0.0/8', '::1'],
        readTimeoutMs: 5_000,
        idleTimeoutMs: 60_000,
        maxHeaderBytes: 4096,
      },
    ]);
  });

  it.each([
    ['web', 'it must be name=address'],
    ['web=8000', 'it must be name=address'],
    ['web=:70000', 'it must be name=address'],
    ['web=:80,http3', '"http3" is no option of it; there are tls'],
    ['web=:80,trusted-ips=10.0.0.0/33', 'trusted-ips has "10.0.0.0/33"'],
    ['web=:80,trusted-ips=10.0.0.0/', 'trusted-ips has "10.0.0.0/"'],
    ['web=:80,trusted-ips=example.com', 'trusted-ips has "example.com"'],
    ['web=:80,read-timeout=soon', 'read-timeout is "soon"; it must be a duration like 60s'],
    ['web=:80,max-header-bytes=1', 'max-header-bytes must be from 1024 to 1048576'],
    ['web=:80 web=:81', '--entry-point web is given twice'],
  ])('refuse the entry point %s', (entryPoint, problem) => {
    expect(refusal({ entryPoint })).toContain(problem);
  });

  it('refuse a certificate that is not there, and a key of another one, before a client meets it', () => {
    const { certFile, otherKeyFile } = certificateFiles();
    expect(refusal({ tlsCertFile: '/nowhere', tlsKeyFile: '/nowhere' })).toMatch(/tls-cert-file \/nowhere .*ENOENT/);
    expect(refusal({ tlsCertFile: certFile, tlsKeyFile: otherKeyFile })).toMatch(/key values mismatch/i);
    expect(refusal({ tlsCertFile: certFile })).toContain('need each other');
  });

  it('are refused with all problems at once', () => {
    const message = refusal({
      entryPoint: 'web',
      workers: '0',
      metricsBuckets: '0.3,0.1',
      accessLog: 'yes',
      adminAddress: 'here',
      grace: '1',
      strictTraefik: 'maybe',
    });
    expect(message).toContain('7 problem(s)');
    for (const name of [
      'entry-point',
      'workers',
      'metrics-buckets',
      'access-log',
      'admin-address',
      'grace',
      'strict-traefik',
    ]) {
      expect(message).toContain(`--${name} `);
    }
  });
});
