/** An address as bytes: 4, or 16 where it is not an IPv4 address written as IPv6. */
type Address = readonly number[];

/** AddressRange holds the addresses whose first `bits` are those of `first`. */
export interface AddressRange {
  readonly first: Address;
  readonly bits: number;
}

/** parseRange reads an address or a CIDR as Go does (no zones, no leading zeros, host bits ignored); undefined if it is none. */
export function parseRange(text: string): AddressRange | undefined {
  const slash = text.indexOf('/');
  const written = parseAddress(slash === -1 ? text : text.slice(0, slash));
  if (written === undefined) return undefined;
  const wide = written.length * 8;
  const bits = slash === -1 ? wide : parseBits(text.slice(slash + 1), wide);
  if (bits === undefined) return undefined;
  // A range of IPv4 addresses written as IPv6 is one of IPv4 addresses, if it holds no others.
  if (isMapped(written) && bits >= 96) return { first: written.slice(12), bits: bits - 96 };
  return { first: written, bits };
}

/** rangeContains tells whether an address, as the socket names the peer, lies in the range. */
export function rangeContains(range: AddressRange, address: string): boolean {
  const zone = address.indexOf('%');
  const written = parseAddress(zone === -1 ? address : address.slice(0, zone));
  if (written === undefined) return false;
  const bytes = isMapped(written) ? written.slice(12) : written;
  return bytes.length === range.first.length && samePrefix(bytes, range.first, range.bits);
}

/** isIpv6 tells whether a text is an IPv6 address without zone. */
export function isIpv6(text: string): boolean {
  return text.includes(':') && parseIpv6(text) !== undefined;
}

function samePrefix(a: Address, b: Address, bits: number): boolean {
  for (let index = 0; index * 8 < bits; index += 1) {
    const mask = 0xff & (0xff << Math.max(0, 8 - (bits - index * 8)));
    if ((((a[index] ?? 0) ^ (b[index] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

function parseBits(text: string, max: number): number | undefined {
  if (!/^[0-9]+$/.test(text)) return undefined;
  const bits = Number(text);
  return bits <= max ? bits : undefined;
}

function parseAddress(text: string): Address | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Address | undefined {
  const parts = text.split('.');
  const bytes = parts.map((part) => (/^(?:0|[1-9][0-9]{0,2})$/.test(part) ? Number(part) : 256));
  return parts.length === 4 && bytes.every((byte) => byte < 256) ? bytes : undefined;
}

function parseIpv6(text: string): Address | undefined {
  const [head = '', tail, ...more] = text.split('::');
  if (more.length > 0) return undefined;
  const front = parseGroups(head, tail === undefined);
  const back = tail === undefined ? [] : parseGroups(tail, true);
  if (front === undefined || back === undefined) return undefined;
  const missing = 16 - front.length - back.length;
  if (tail === undefined ? missing !== 0 : missing < 2) return undefined;
  return [...front, ...Array.from({ length: missing }, () => 0), ...back];
}

/** Groups of four hex digits; the last two may be written as an IPv4 address where the address ends. */
function parseGroups(text: string, isEnd: boolean): Address | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    const isLast = isEnd && index === groups.length - 1;
    const parsed = isLast && group.includes('.') ? parseIpv4(group) : parseGroup(group);
    if (parsed === undefined) return undefined;
    bytes.push(...parsed);
  }
  return bytes;
}

function parseGroup(text: string): Address | undefined {
  if (!/^[0-9a-fA-F]{1,4}$/.test(text)) return undefined;
  const value = Number.parseInt(text, 16);
  return [value >> 8, value & 0xff];
}

function isMapped(address: Address): boolean {
  return (
    address.length === 16 &&
    address.every((byte, index) => index >= 12 || byte === (index === 10 || index === 11 ? 0xff : 0))
  );
}
