import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Clock } from '../clock.ts';
import { SluiceError } from '../errors.ts';
import type { CredentialsNotice, TlsMaterial, TlsSource } from './connection.ts';

/** A rotated authority is to be in use within a minute; the files are looked at only when a request is made. */
const recheckAfterMs = 60_000;

/** PemInput is a file that may be rotated, or text that stays. */
export type PemInput = { readonly file: string } | { readonly pem: string };

/** TlsInputs says where each part of TlsMaterial comes from. */
export interface TlsInputs {
  readonly ca?: PemInput | undefined;
  readonly cert?: PemInput | undefined;
  readonly key?: PemInput | undefined;
}

/** TlsFilesOptions: `owner` begins the sentences about a problem, e.g. `Kubeconfig /home/a/.kube/config`. */
export interface TlsFilesOptions {
  readonly clock: Clock;
  readonly owner: string;
  readonly onNotice?: ((notice: CredentialsNotice) => void) | undefined;
}

/**
 * createTlsFiles returns a TlsSource that reads files again when they have not been looked at for 60 s. What cannot be
 * used, such as a certificate that came before its key, is reported once and the old material stays. It throws
 * ConfigInvalid where the first material cannot be used.
 */
export async function createTlsFiles(inputs: TlsInputs, options: TlsFilesOptions): Promise<TlsSource> {
  const { clock, owner, onNotice } = options;
  const files = Object.values(inputs as Record<string, PemInput | undefined>).flatMap((input) =>
    input !== undefined && 'file' in input ? [input.file] : [],
  );
  let material = await load(inputs, owner);
  let checkedAtMs = clock.monotonicMs();
  let problem: string | undefined;
  let checking: Promise<void> | undefined;

  const check = async (): Promise<void> => {
    checkedAtMs = clock.monotonicMs();
    const found = await load(inputs, owner, material).catch((error: unknown) => (error as Error).message);
    if (typeof found === 'string') {
      if (found !== problem) onNotice?.({ kind: 'Kept', message: `${found} What was read before stays in use.` });
      problem = found;
      return;
    }
    problem = undefined;
    if (found === material) return;
    material = found;
    onNotice?.({ kind: 'Reloaded', message: `${owner}: new TLS certificates are in use (${files.join(', ')}).` });
  };
  const refresh = (): Promise<void> => {
    if (files.length === 0) return Promise.resolve();
    checking ??= check().finally(() => {
      checking = undefined;
    });
    return checking;
  };
  return {
    current: async () => {
      if (clock.monotonicMs() - checkedAtMs >= recheckAfterMs) await refresh();
      return material;
    },
    refresh,
  };
}

/** Reads and checks; returns `known` itself where nothing has changed. */
async function load(inputs: TlsInputs, owner: string, known?: TlsMaterial): Promise<TlsMaterial> {
  const [ca, cert, key] = await Promise.all([inputs.ca, inputs.cert, inputs.key].map((input) => read(input, owner)));
  if (known !== undefined && known.ca === ca && known.cert === cert && known.key === key) return known;
  const material = { ca, cert, key };
  checkCertificates(material.ca, nameOf(inputs.ca, 'certificate authority'), owner);
  checkCertificates(material.cert, nameOf(inputs.cert, 'client certificate'), owner);
  try {
    createSecureContext({ ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) });
  } catch (error) {
    const names = `${nameOf(inputs.cert, 'client certificate')} and ${nameOf(inputs.key, 'client key')}`;
    throw invalid(`${owner}: ${names} cannot be used together: ${codeOf(error)}.`);
  }
  return material;
}

async function read(input: PemInput | undefined, owner: string): Promise<string | undefined> {
  if (input === undefined || 'pem' in input) return input?.pem;
  return readFile(input.file, 'utf8').catch((error: unknown) => {
    throw invalid(`${owner} names ${input.file}: ${codeOf(error)}.`);
  });
}

/** OpenSSL takes what it can read of a half-written bundle and ignores the rest: nobody would notice what is missing. */
function checkCertificates(pem: string | undefined, name: string, owner: string): void {
  if (pem === undefined) return;
  const begun = pem.split('-----BEGIN CERTIFICATE-----').length - 1;
  const whole = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (begun === 0) throw invalid(`${owner}: ${name} holds no certificate.`);
  if (begun !== whole.length) throw invalid(`${owner}: ${name} ends in the middle of a certificate.`);
  try {
    for (const certificate of whole) void new X509Certificate(certificate);
  } catch (error) {
    throw invalid(`${owner}: ${name} holds a certificate that cannot be read: ${codeOf(error)}.`);
  }
}

function nameOf(input: PemInput | undefined, fallback: string): string {
  return input !== undefined && 'file' in input ? input.file : `its ${fallback}`;
}

/** The code alone: what OpenSSL says besides may hold parts of the file. */
function codeOf(error: unknown): string {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? code : 'it is not valid PEM';
}

function invalid(message: string): SluiceError {
  return new SluiceError('ConfigInvalid', message);
}
