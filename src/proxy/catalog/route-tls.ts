import type { IngressRoute } from '../../api/traefik.ts';
import type { Problem } from './compiler.ts';

/** RouteTls is what `spec.tls` of an IngressRoute means here. */
export interface RouteTls {
  readonly isTls: boolean;
  readonly problems: readonly Problem[];
  /** refusal is why the routes must not be served; undefined: they may. */
  readonly refusal: Problem | undefined;
}

/** readTls reads `spec.tls`; that it is there, even if it is empty, makes routes TLS-only. */
export function readTls(tls: IngressRoute['spec']['tls'], at: string): RouteTls {
  if (tls === undefined || tls === null) return { isTls: false, problems: [], refusal: undefined };
  const problems: Problem[] = [];
  const warn = (message: string): void => {
    problems.push({ reason: 'NotSupported', message });
  };
  if ((tls.secretName ?? '') !== '') {
    warn(`${at}.tls.secretName: certificates of Secrets are not read yet; that of the entry point is used.`);
  }
  if ((tls.certResolver ?? '') !== '') {
    warn(`${at}.tls.certResolver: there is no ACME; let cert-manager keep a Secret, and name it in secretName.`);
  }
  return { isTls: true, problems, refusal: optionsRefusal(tls.options?.name, at) };
}

/** A TLSOption may ask for client certificates: without it anybody would come in. */
function optionsRefusal(name: string | undefined, at: string): Problem | undefined {
  if (name === undefined || name === '') return undefined;
  const message = `${at}.tls.options: TLSOption ${name} is not supported, so that its routes are not served; remove it, or serve them by Traefik.`;
  return { reason: 'NotSupported', message };
}
