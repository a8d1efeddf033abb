/** Certificates made on the spot, so that tests can rotate an authority; DER by hand, since Node signs but does not build them. */
import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

/** Certified is a certificate and its private key, PEM. */
export interface Certified {
  readonly cert: string;
  readonly key: string;
}

/** Authority signs certificates. */
export interface Authority extends Certified {
  /** issue returns a certificate whose subject is `name`, for servers and for clients: for 127.0.0.1 and localhost, or these hosts. */
  issue(name: string, hosts?: readonly string[]): Certified;
}

/** createAuthority returns a new authority that is valid for ten years. */
export function createAuthority(name: string): Authority {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = { name, key: own.privateKey };
  const cert = certificate({ subject: name, publicKey: own.publicKey, issuer, extensions: authorityExtensions });
  return {
    cert,
    key: pem(own.privateKey),
    issue: (subject, hosts) => {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      return {
        cert: certificate({ subject, publicKey, issuer, extensions: leafExtensions(hosts) }),
        key: pem(privateKey),
      };
    },
  };
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' });
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...head]), body]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const text = (value: string): Buffer => der(0x0c, Buffer.from(value));
const bits = (value: Uint8Array): Buffer => der(0x03, Buffer.from([0]), value);
const yes = der(0x01, Buffer.from([0xff]));

const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'));
const commonName = (name: string): Buffer => sequence(der(0x31, sequence(oid('550403'), text(name))));
const extension = (id: string, value: Uint8Array): Buffer => sequence(oid(id), yes, der(0x04, value));

/** basicConstraints CA:TRUE and keyUsage keyCertSign (RFC 5280, 4.2.1). */
const authorityExtensions = [
  extension('551d13', sequence(yes)),
  extension('551d0f', der(0x03, Buffer.from([2, 0x04]))),
] as const;

/** subjectAltName: the IP address 127.0.0.1 and DNS names. */
function leafExtensions(hosts: readonly string[] = ['localhost']): readonly Uint8Array[] {
  const names = hosts.map((host) => der(0x82, Buffer.from(host)));
  return [extension('551d11', sequence(der(0x87, Buffer.from([127, 0, 0, 1])), ...names))];
}

function certificate(options: {
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly issuer: { readonly name: string; readonly key: KeyObject };
  readonly extensions: readonly Uint8Array[];
}): string {
  const { issuer } = options;
  const year = 365 * 24 * 3_600_000;
  const time = (ms: number): Buffer => {
    const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
    return der(0x18, Buffer.from(digits));
  };
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    commonName(issuer.name),
    sequence(time(Date.now() - year), time(Date.now() + 9 * year)),
    commonName(options.subject),
    options.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...options.extensions)),
  );
  const signature = sign('sha256', body, issuer.key);
  const lines =
    sequence(body, ecdsaWithSha256, bits(signature))
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
