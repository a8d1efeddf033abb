/** Settings are read from texts, from flags or the environment, and what is wrong with them is collected. */
import { parseDuration } from './api/duration.ts';
import { SluiceError } from './errors.ts';

/** SettingReader reads single settings by name; a value that is none is a problem, and the reader goes on. */
export interface SettingReader<N extends string> {
  /** problems are sentences, to which who checks more than one setting adds. */
  readonly problems: string[];
  /** matching returns the text, which must be valid; `want` says what it has to be. */
  readonly matching: (name: N, isValid: (value: string) => boolean, want: string) => string;
  /** optionalText returns undefined where the setting is empty. */
  readonly optionalText: (name: N) => string | undefined;
  readonly durationMs: (name: N) => number;
  /** positiveMs is a duration longer than zero: a period of zero would be a busy loop, a deadline of zero the end of every query. */
  readonly positiveMs: (name: N) => number;
  readonly oneOf: <T extends string>(name: N, allowed: readonly T[]) => T;
  /** address returns host and port; the host is empty for every address. */
  readonly address: (name: N) => readonly [string, number];
}

/** ReadSettings is what was read, with a sentence for each problem. */
export interface ReadSettings<S> {
  readonly settings: S;
  readonly problems: readonly string[];
}

/** createSettingReader reads `raw` over `defaults`; undefined and an empty text take the default. */
export function createSettingReader<N extends string>(
  raw: Readonly<Partial<Record<N, string>>>,
  defaults: Readonly<Record<N, string>>,
): SettingReader<N> {
  const problems: string[] = [];
  const text = (name: N): string => raw[name] || defaults[name];
  const matching = (name: N, isValid: (value: string) => boolean, want: string): string => {
    const value = text(name);
    if (!isValid(value)) problems.push(`--${kebab(name)} is "${withoutCredentials(value)}"; it must be ${want}`);
    return value;
  };
  const isPositive = (value: string): boolean => isDuration(value) && parseDuration(value) > 0;
  return {
    problems,
    matching,
    optionalText: (name) => text(name) || undefined,
    durationMs: (name) => parseDuration(matching(name, isDuration, 'a duration like 15s')),
    positiveMs: (name) => parseDuration(matching(name, isPositive, 'a duration like 15s, longer than zero')),
    oneOf: <T extends string>(name: N, allowed: readonly T[]): T =>
      matching(name, (value) => (allowed as readonly string[]).includes(value), `one of ${allowed.join(', ')}`) as T,
    address: (name) =>
      splitAddress(matching(name, (value) => splitAddress(value) !== undefined, 'host:port, [IPv6]:port or :port')) ?? [
        '',
        0,
      ],
  };
}

/** refuseProblems throws ConfigInvalid with every problem in one message, if there is any. */
export function refuseProblems(problems: readonly string[]): void {
  if (problems.length === 0) return;
  throw new SluiceError(
    'ConfigInvalid',
    `The configuration has ${problems.length} problem(s): ${problems.join('; ')}.`,
  );
}

/** isDuration tells whether `text` is a duration as Go and Kubernetes write it, of whole numbers. */
export function isDuration(text: string): boolean {
  return /^([0-9]+(h|m|s|ms))+$/.test(text);
}

/** splitAddress returns host and port, or undefined; the host is empty for every address. */
export function splitAddress(text: string): readonly [string, number] | undefined {
  const [, ipv6, host = '', port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]*)):([0-9]{1,5})$/.exec(text) ?? [];
  return port === undefined || Number(port) > 65_535 ? undefined : [ipv6 ?? host, Number(port)];
}

/** isHttpUrl tells whether `text` is an http or https URL without credentials. */
export function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** withoutCredentials makes a value fit for a message: what stands before an @ may be a password, however malformed the rest. */
function withoutCredentials(url: string): string {
  return url.replace(/^.*@/s, '***@');
}
