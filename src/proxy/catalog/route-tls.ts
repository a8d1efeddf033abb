import { keyOf } from '../../api/kubernetes.ts';
import type { IngressRoute } from '../../api/traefik.ts';
import type { Certificate } from '../configuration.ts';
import type { CertificateReader } from './certificates.ts';
import type { Problem, Reader } from './compiler.ts';

/** RouteTls is what `spec.tls` of an IngressRoute means here. */
export interface RouteTls {
  readonly isTls: boolean;
  readonly certificates: readonly Certificate[];
  readonly problems: readonly Problem[];
  /** refusal is why the routes must not be served; undefined: they may. */
  readonly refusal: Problem | undefined;
}

/** TlsUse is an IngressRoute whose `spec.tls` is wanted; `at` is its spec, for messages. */
export interface TlsUse {
  readonly object: IngressRoute;
  readonly at: string;
  readonly reader: Reader;
  readonly readCertificate: CertificateReader;
}

/** readTls reads `spec.tls`; that it is there, even if it is empty, makes routes TLS-only. */
export function readTls({ object, at, reader, readCertificate }: TlsUse): RouteTls {
  const { tls } = object.spec;
  if (tls === undefined || tls === null) return { isTls: false, certificates: [], problems: [], refusal: undefined };
  const problems: Problem[] = [];
  const certificates: Certificate[] = [];
  const { secretName = '', certResolver = '' } = tls;
  if (secretName !== '') {
    const key = keyOf({ metadata: { ...object.metadata, name: secretName } });
    const read = readCertificate(key, `${at}.tls.secretName`, reader);
    problems.push(...read.problems);
    if (read.certificate !== undefined) certificates.push(read.certificate);
  }
  if (certResolver !== '') {
    const message = `${at}.tls.certResolver: there is no ACME; let cert-manager keep a Secret, and name it in secretName.`;
    problems.push({ reason: 'NotSupported', message });
  }
  return { isTls: true, certificates, problems, refusal: optionsRefusal(tls.options?.name, at) };
}

/** A TLSOption may ask for client certificates: without it anybody would come in. */
function optionsRefusal(name: string | undefined, at: string): Problem | undefined {
  if (name === undefined || name === '') return undefined;
  const message = `${at}.tls.options: TLSOption ${name} is not supported, so that its routes are not served; remove it, or serve them by Traefik.`;
  return { reason: 'NotSupported', message };
}
