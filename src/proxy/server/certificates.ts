import { createSecureContext, type SecureContext } from 'node:tls';
import { wildcardOf } from '../../rule/matcher.ts';
import { defaultCertificate, type Certificate, type ItemChanges } from '../configuration.ts';

/** Certificates chooses what a client is presented, by the name that it asks for. */
export interface Certificates {
  /** apply takes over a change. Connections that are open keep what they have. */
  apply(changes: ItemChanges<Certificate>): void;
  /** find returns the certificate for a name: exactly of this one, of its wildcard, or undefined. */
  find(serverName: string): SecureContext | undefined;
  /** byDefault is what is presented to others; undefined: there is none but that of the entry point. */
  byDefault(): Certificate | undefined;
}

/** createCertificates returns Certificates without any. Of several for a name the one of the oldest Secret is presented. */
export function createCertificates(): Certificates {
  const all = new Map<string, Certificate>();
  let byHost: ReadonlyMap<string, Certificate> = new Map();
  // Made at the first handshake: thousands may be configured, and few asked for.
  const contexts = new WeakMap<Certificate, SecureContext>();
  const contextOf = (certificate: Certificate): SecureContext => {
    const known = contexts.get(certificate);
    if (known !== undefined) return known;
    const context = createSecureContext({ cert: certificate.certificate, key: certificate.key, minVersion: 'TLSv1.2' });
    contexts.set(certificate, context);
    return context;
  };
  return {
    apply: ({ set, removed }) => {
      if (set.length === 0 && removed.length === 0) return;
      for (const name of removed) all.delete(name);
      for (const certificate of set) all.set(certificate.name, certificate);
      byHost = indexed([...all.values()]);
    },
    find: (serverName) => {
      const name = serverName.toLowerCase();
      const found = byHost.get(name) ?? byHost.get(wildcardOf(name));
      return found === undefined ? undefined : contextOf(found);
    },
    byDefault: () => all.get(defaultCertificate),
  };
}

function indexed(certificates: readonly Certificate[]): ReadonlyMap<string, Certificate> {
  const byHost = new Map<string, Certificate>();
  for (const certificate of certificates) {
    for (const host of certificate.hosts) {
      const present = byHost.get(host);
      if (present === undefined || isFirst(certificate, present)) byHost.set(host, certificate);
    }
  }
  return byHost;
}

function isFirst(one: Certificate, other: Certificate): boolean {
  if (one.createdAt !== other.createdAt) return one.createdAt < other.createdAt;
  return one.name < other.name;
}
