import { BlockList, isIP } from 'node:net';
import { parseDuration } from '../api/duration.ts';
import { isDuration, splitAddress } from '../setting-reader.ts';
import type { EntryPoint, EntryPointTls } from './entry-point.ts';

const defaults = { 'read-timeout': '60s', 'idle-timeout': '180s', 'max-header-bytes': '65536', 'trusted-ips': '' };
const flags = ['tls', 'insecure'];
const options = [...flags, ...Object.keys(defaults)];

/**
 * parseEntryPoint reads `name=address[,option[=value]]...`, e.g. `websecure=:8443,tls,trusted-ips=10.0.0.0/8;::1`. It
 * returns the entry point, or a sentence that says what is wrong with it. `tls` is the default certificate of those with TLS.
 */
export function parseEntryPoint(text: string, tls: EntryPointTls): EntryPoint | string {
  const [, name, address = '', rest = ''] = /^([A-Za-z][A-Za-z0-9_-]*)=([^,]+)(?:,(.*))?$/.exec(text) ?? [];
  const place = splitAddress(address);
  if (name === undefined || place === undefined)
    return 'it must be name=address, like web=:8000 or websecure=:8443,tls';
  const given = new Map(rest === '' ? [] : rest.split(',').map(splitOption));
  const problem = problemOf(given);
  if (problem !== undefined) return problem;
  return {
    name,
    host: place[0],
    port: place[1],
    tls: given.has('tls') ? tls : undefined,
    isInsecure: given.has('insecure'),
    trustedIps: rangesOf(valueOf(given, 'trusted-ips')),
    readTimeoutMs: parseDuration(valueOf(given, 'read-timeout')),
    idleTimeoutMs: parseDuration(valueOf(given, 'idle-timeout')),
    maxHeaderBytes: Number(valueOf(given, 'max-header-bytes')),
  };
}

type Given = ReadonlyMap<string, string>;

function problemOf(given: Given): string | undefined {
  const unknown = [...given.keys()].find((option) => !options.includes(option));
  if (unknown !== undefined) return `"${unknown}" is no option of it; there are ${options.join(', ')}`;
  const wrongRange = rangesOf(valueOf(given, 'trusted-ips')).find((range) => !isRange(range));
  if (wrongRange !== undefined) return `trusted-ips has "${wrongRange}", which is neither an address nor a CIDR range`;
  const wrongTime = (['read-timeout', 'idle-timeout'] as const).find((option) => !isDuration(valueOf(given, option)));
  if (wrongTime !== undefined) return `${wrongTime} is "${valueOf(given, wrongTime)}"; it must be a duration like 60s`;
  const maxHeaderBytes = Number(valueOf(given, 'max-header-bytes'));
  if (!(maxHeaderBytes >= 1024 && maxHeaderBytes <= 1_048_576)) return 'max-header-bytes must be from 1024 to 1048576';
  return undefined;
}

function valueOf(given: Given, option: keyof typeof defaults): string {
  return given.get(option) ?? defaults[option];
}

function splitOption(option: string): readonly [string, string] {
  const [name = '', ...value] = option.split('=');
  return [name, value.join('=')];
}

function rangesOf(text: string): readonly string[] {
  return text.split(';').filter((range) => range !== '');
}

/** Node's own check is the one that counts later. */
function isRange(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  if (bits === undefined) return true;
  if (!/^[0-9]{1,3}$/.test(bits)) return false;
  try {
    new BlockList().addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4');
    return true;
  } catch {
    return false;
  }
}
