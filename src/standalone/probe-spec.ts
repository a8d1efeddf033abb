/** The annotation that says how the endpoints of an EndpointSlice are probed. */
import { parseDuration } from '../api/duration.ts';

/** probeAnnotation, on an EndpointSlice, replaces the TCP connect, e.g. `GET /healthz port=8081 timeout=2s`. */
export const probeAnnotation = 'sluice.dev/probe';

/** ProbeSpec is how each endpoint of a slice is probed. */
export interface ProbeSpec {
  /** request is what is asked for; undefined: a TCP connect is enough. */
  readonly request: ProbeRequest | undefined;
  /** port is probed instead of the ports of the slice; text is the name of one of them. */
  readonly port: number | string | undefined;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** ProbeRequest is a GET; a certificate is not checked, as the kubelet does not. */
export interface ProbeRequest {
  readonly scheme: 'http' | 'https';
  readonly path: string;
  /** host is the Host header; undefined: the address as the slice has it. */
  readonly host: string | undefined;
}

/** ProbeReading is a spec, or one sentence that says what to change. */
export type ProbeReading =
  | { readonly kind: 'Spec'; readonly spec: ProbeSpec }
  | { readonly kind: 'Problem'; readonly message: string };

/** tcpProbe is what happens without an annotation: a connect each second, which may take as long. */
export const tcpProbe: ProbeSpec = { request: undefined, port: undefined, intervalMs: 1000, timeoutMs: 1000 };

const example = 'write e.g. "GET /healthz", "GET /healthz port=8081 timeout=2s" or "TCP interval=5s"';

/** readProbe reads the annotation; undefined is tcpProbe. */
export function readProbe(text: string | undefined): ProbeReading {
  if (text === undefined) return { kind: 'Spec', spec: tcpProbe };
  const [method = '', ...words] = text.trim().split(/\s+/);
  const path = method === 'GET' ? words.shift() : undefined;
  if (method !== 'TCP' && method !== 'GET') return problem(`found "${text}"; ${example}.`);
  if (method === 'GET' && !/^\/[!"$-~]*$/.test(path ?? '')) {
    return problem(`found the path "${path ?? ''}"; write one that begins with /, without # and blanks: ${example}.`);
  }
  const options = readOptions(words, method === 'GET' ? [...tcpOptions, ...getOptions] : tcpOptions);
  return options.kind === 'Problem' ? options : { kind: 'Spec', spec: specOf(path, options.values) };
}

function specOf(path: string | undefined, values: OptionValues): ProbeSpec {
  const { port, interval, timeout, scheme, host } = values;
  return {
    request: path === undefined ? undefined : { scheme: scheme === 'https' ? 'https' : 'http', path, host },
    port: port !== undefined && /^[0-9]+$/.test(port) ? Number(port) : port,
    intervalMs: interval === undefined ? tcpProbe.intervalMs : parseDuration(interval),
    timeoutMs: timeout === undefined ? tcpProbe.timeoutMs : parseDuration(timeout),
  };
}

type OptionName = 'port' | 'interval' | 'timeout' | 'scheme' | 'host';
type OptionValues = Partial<Readonly<Record<OptionName, string>>>;

const tcpOptions: readonly OptionName[] = ['port', 'interval', 'timeout'];
const getOptions: readonly OptionName[] = ['scheme', 'host'];

/** longestMs: an endpoint that is looked at less often than once a minute is not looked after. */
const shortestMs = 100;
const longestMs = 60_000;

const rules: Readonly<Record<OptionName, { readonly isValid: (value: string) => boolean; readonly wanted: string }>> = {
  port: {
    isValid: (value) => (/^[0-9]+$/.test(value) ? isPort(Number(value)) : /^[a-z][-a-z0-9]{0,14}$/.test(value)),
    wanted: 'a number from 1 to 65535, or the name of a port of the slice',
  },
  interval: { isValid: isDuration, wanted: 'a duration from 100ms to 1m, e.g. 5s' },
  timeout: { isValid: isDuration, wanted: 'a duration from 100ms to 1m, e.g. 2s' },
  scheme: { isValid: (value) => value === 'http' || value === 'https', wanted: 'http or https' },
  host: { isValid: (value) => /^[A-Za-z0-9._:[\]-]+$/.test(value), wanted: 'what the Host header has to be' },
};

/** isPort tells whether a server can listen on it. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

function isDuration(text: string): boolean {
  const ms = parseDuration(text);
  return ms >= shortestMs && ms <= longestMs;
}

type Options =
  | { readonly kind: 'Options'; readonly values: OptionValues }
  | Extract<ProbeReading, { readonly kind: 'Problem' }>;

function readOptions(words: readonly string[], allowed: readonly OptionName[]): Options {
  const values: Partial<Record<OptionName, string>> = {};
  for (const word of words) {
    const equals = word.indexOf('=');
    const name = allowed.find((one) => one === word.slice(0, equals));
    if (name === undefined || name in values) return problem(`found "${word}"; ${optionProblem(name, allowed)}.`);
    const value = word.slice(equals + 1);
    if (!rules[name].isValid(value)) return problem(`found "${word}"; ${name} is ${rules[name].wanted}.`);
    values[name] = value;
  }
  return { kind: 'Options', values };
}

function optionProblem(name: OptionName | undefined, allowed: readonly OptionName[]): string {
  if (name !== undefined) return `write ${name} once`;
  return `what may follow is ${allowed.map((one) => `${one}=`).join(', ')}`;
}

function problem(message: string): Extract<ProbeReading, { readonly kind: 'Problem' }> {
  return { kind: 'Problem', message: `annotation ${probeAnnotation}: ${message}` };
}
