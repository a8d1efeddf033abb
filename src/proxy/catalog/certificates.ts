import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { ObjectKey, Secret } from '../../api/kubernetes.ts';
import type { Certificate } from '../configuration.ts';
import type { Problem, Reader } from './compiler.ts';

/** CertificateReader reads the certificates of Secrets; `at` is the field that names the Secret, with its object. */
export type CertificateReader = (key: ObjectKey, at: string, reader: Reader) => ReadCertificate;

/** ReadCertificate is what is served, if anything, and what is wrong. */
export interface ReadCertificate {
  readonly certificate: Certificate | undefined;
  readonly problems: readonly Problem[];
}

/** Judged is a certificate, or what is wrong with its Secret. */
type Judged = Certificate | string;

/**
 * createCertificateReader returns a CertificateReader. It remembers the last good certificate of each Secret: where one cannot be
 * read after a change, what was served before goes on being served, and the object that names it says so.
 */
export function createCertificateReader(): CertificateReader {
  const judged = new WeakMap<Secret, Judged>();
  const lastGood = new Map<ObjectKey, Certificate>();
  return (key, at, reader) => {
    const secret = reader.object('Secret', key);
    if (secret === undefined) {
      lastGood.delete(key);
      return wrong(`${at}: Secret ${key} does not exist; create it, of type kubernetes.io/tls, or correct the name.`);
    }
    const found = judged.get(secret) ?? judge(key, secret);
    judged.set(secret, found);
    if (typeof found !== 'string') {
      lastGood.set(key, found);
      return { certificate: found, problems: [] };
    }
    const before = lastGood.get(key);
    const served = before === undefined ? '' : ' The one that it had before is served.';
    return wrong(`${at}: Secret ${key} ${found}; correct it.${served}`, before);
  };
}

function wrong(message: string, certificate?: Certificate): ReadCertificate {
  return { certificate, problems: [{ reason: 'BrokenReference', message }] };
}

/** No text of a Secret, and no error that might hold one, is in what is said. */
function judge(key: ObjectKey, { data = {}, metadata }: Secret): Judged {
  const [certificate, privateKey] = ['tls.crt', 'tls.key'].map((name) =>
    Buffer.from(data[name] ?? '', 'base64').toString(),
  );
  if (certificate === undefined || certificate === '') return 'has no tls.crt';
  if (privateKey === undefined || privateKey === '') return 'has no tls.key';
  const parsed = attempt(() => new X509Certificate(certificate));
  if (parsed === undefined) return 'has no certificate in tls.crt that can be read as PEM';
  const secretKey = attempt(() => createPrivateKey(privateKey));
  if (secretKey === undefined) return 'has no key in tls.key that can be read as PEM';
  if (!parsed.checkPrivateKey(secretKey)) return 'has a tls.key that is not that of the certificate in tls.crt';
  const context = attempt(() => createSecureContext({ cert: certificate, key: privateKey }));
  if (context === undefined) return 'has a certificate in tls.crt that OpenSSL does not take';
  const { creationTimestamp: createdAt = '' } = metadata;
  return { name: key, certificate, key: privateKey, hosts: hostsOf(parsed), createdAt };
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** The names of a certificate; the common name counts where there are none (RFC 6125, 6.4.4). */
function hostsOf({ subjectAltName = '', subject }: X509Certificate): readonly string[] {
  const names = [...subjectAltName.matchAll(/(?:^|, )DNS:([^,"]+)/g)].map(([, name = '']) => name.toLowerCase());
  if (names.length > 0) return [...new Set(names)].sort();
  const [, commonName] = /^CN=(.+)$/m.exec(subject) ?? [];
  return commonName === undefined ? [] : [commonName.toLowerCase()];
}

/** isHostOf tells whether a certificate is for a host, which may be a wildcard itself. */
export function isHostOf({ hosts }: Certificate, host: string): boolean {
  return hosts.includes(host) || hosts.includes(host.replace(/^[^.]+/, '*'));
}
