/** What authenticates Sluice to a metric source, read from mounted files and again when they have changed. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Clock } from '../clock.ts';
import { SluiceError } from '../errors.ts';

/** Access is what a request is sent with; header names are in lower case. */
export interface Access {
  readonly headers: Readonly<Record<string, string>>;
  /** ca is the PEM of the authorities that may have signed the server's certificate; left out for those of the system. */
  readonly ca?: string;
}

/** AccessSource yields the Access of now; it is the same object for as long as nothing has changed. */
export interface AccessSource {
  readonly current: () => Promise<Access>;
  /** onRefused makes the next call look for changes at once, because the server has refused what was sent. */
  readonly onRefused: () => void;
}

/** AccessFiles are paths; at most one of bearer token and basic authentication is given. */
export interface AccessFiles {
  readonly bearerTokenFile: string | undefined;
  /** basicAuthFile holds `user:password`. */
  readonly basicAuthFile: string | undefined;
  /** headersFile holds lines `Name: value`. */
  readonly headersFile: string | undefined;
  readonly caFile: string | undefined;
}

/** The kubelet takes up to a minute to write a changed Secret; the files are looked at only when a request is made. */
const rereadAfterMs = 30_000;

/**
 * createAccessFiles reads the files, and again when a request is made 30 s later. What cannot be used then, such as a
 * file that is being replaced, changes nothing: what was read before stays. It throws ConfigInvalid where the first
 * reading fails; no message holds anything of a file. The flags that it names begin with `prefix`.
 */
export async function createAccessFiles(
  files: AccessFiles,
  clock: Clock,
  prefix = 'prometheus',
): Promise<AccessSource> {
  let texts = await readTexts(files, prefix);
  let access = toAccess(texts, prefix);
  let readAtMs = clock.monotonicMs();
  let reading: Promise<void> | undefined;

  async function reread(): Promise<void> {
    readAtMs = clock.monotonicMs();
    try {
      const found = await readTexts(files, prefix);
      if (found.every((text, index) => text === texts[index])) return;
      access = toAccess(found, prefix);
      texts = found;
    } catch {
      // Looked at again at the next request; the server says where what was read before is not enough any more.
    }
  }

  return {
    current: async () => {
      if (clock.monotonicMs() - readAtMs >= rereadAfterMs) {
        reading ??= reread().finally(() => (reading = undefined));
      }
      await reading;
      return access;
    },
    onRefused: () => {
      readAtMs = Number.NEGATIVE_INFINITY;
    },
  };
}

type Texts = readonly [
  token: string | undefined,
  login: string | undefined,
  lines: string | undefined,
  ca: string | undefined,
];

async function readTexts(files: AccessFiles, prefix: string): Promise<Texts> {
  return Promise.all([
    readSetting(files.bearerTokenFile, `${prefix}-bearer-token-file`),
    readSetting(files.basicAuthFile, `${prefix}-basic-auth-file`),
    readSetting(files.headersFile, `${prefix}-headers-file`),
    readSetting(files.caFile, `${prefix}-ca-file`),
  ]);
}

async function readSetting(file: string | undefined, flag: string): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw invalid(flag, `the file ${file} cannot be read.`, cause);
  });
  if (text.trim() === '') throw invalid(flag, `the file ${file} is empty.`);
  return text.trim();
}

function toAccess([token, login, lines, ca]: Texts, prefix: string): Access {
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${onOneLine(token, `${prefix}-bearer-token-file`)}` }),
    ...(login === undefined ? {} : { authorization: basicOf(login, `${prefix}-basic-auth-file`) }),
    ...headersOf(lines ?? '', `${prefix}-headers-file`),
  };
  return ca === undefined ? { headers } : { headers, ca: checkedCa(ca, `${prefix}-ca-file`) };
}

/** A line break in a header would be a header of its own. */
function onOneLine(text: string, flag: string): string {
  if (/[^\t\x20-\x7e\x80-\u{10ffff}]/u.test(text)) throw invalid(flag, 'the file must hold one line.');
  return text;
}

function basicOf(login: string, flag: string): string {
  if (!login.includes(':')) throw invalid(flag, 'the file must hold user:password.');
  return `Basic ${Buffer.from(onOneLine(login, flag)).toString('base64')}`;
}

/** Names are tokens of RFC 9110, 5.6.2; values are printable ASCII. */
const headerForm = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*)$/;

function headersOf(lines: string, flag: string): Readonly<Record<string, string>> {
  const filled = lines.split('\n').map((line) => line.trim());
  return Object.fromEntries(
    filled
      .filter((line) => line !== '')
      .map((line) => {
        const [, name, value] = headerForm.exec(line) ?? [];
        if (name === undefined || value === undefined) {
          throw invalid(flag, 'each line of the file must be `Name: value`.');
        }
        return [name.toLowerCase(), value];
      }),
  );
}

/** OpenSSL takes what it can read of a half-written bundle and ignores the rest. */
function checkedCa(pem: string, flag: string): string {
  const begun = pem.split('-----BEGIN CERTIFICATE-----').length - 1;
  const whole = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    if (begun === 0 || begun !== whole.length) throw new Error('not whole');
    for (const certificate of whole) void new X509Certificate(certificate);
  } catch (cause) {
    throw invalid(flag, 'the file holds no certificate, or one that cannot be read.', cause);
  }
  return pem;
}

function invalid(flag: string, message: string, cause?: unknown): SluiceError {
  return new SluiceError('ConfigInvalid', `--${flag}: ${message}`, { cause });
}
