/**
 * Paths of request targets, treated as Traefik does before it routes: first what Go's net/url does when it parses and prints
 * them, then `sanitizePath`. All strings are byte strings.
 */

// Characters below 256 by what may be done with them in a path.
const plain = 1;
const unreserved = 2;
const valid = 4;
const classes = new Uint8Array(256);
mark('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~', plain | unreserved | valid);
mark('$&+,/:;=@', plain | valid);
mark("!'()*[]%", valid);

function mark(characters: string, bits: number): void {
  for (const character of characters) classes[character.charCodeAt(0)] = bits;
}

/** isPlainPath tells whether a path has only characters that stay as they are (those that Go does not escape). */
export function isPlainPath(path: string): boolean {
  for (let at = 0; at < path.length; at += 1) {
    if (((classes[path.charCodeAt(at)] ?? 0) & plain) === 0) return false;
  }
  return true;
}

const escapeForm = /%[0-9a-fA-F]{2}/g;
const brokenEscape = /%(?![0-9a-fA-F]{2})/;
const forbidden = /[^\x21-\x7e\x80-\xff]|#/;

/**
 * normalisePath writes escapes in upper case and decodes those of unreserved characters. A path with a character that must
 * be escaped and is not, as `|`, is escaped anew from its bytes, where also `%2F` becomes a slash: so does Go, which takes
 * no part of an invalid writing. undefined: no path at all.
 */
export function normalisePath(path: string): string | undefined {
  if (forbidden.test(path) || brokenEscape.test(path)) return undefined;
  if (isValidPath(path)) return path.replaceAll(escapeForm, normaliseEscape);
  return escapePath(path.replaceAll(escapeForm, decodeEscape));
}

function isValidPath(path: string): boolean {
  for (let at = 0; at < path.length; at += 1) {
    if (((classes[path.charCodeAt(at)] ?? 0) & valid) === 0) return false;
  }
  return true;
}

function decodeEscape(escape: string): string {
  return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
}

function normaliseEscape(escape: string): string {
  const character = decodeEscape(escape);
  return ((classes[character.charCodeAt(0)] ?? 0) & unreserved) === 0 ? escape.toUpperCase() : character;
}

function escapePath(path: string): string {
  let escaped = '';
  for (let at = 0; at < path.length; at += 1) {
    const code = path.charCodeAt(at);
    const isPlain = ((classes[code] ?? 0) & plain) !== 0;
    escaped += isPlain ? path.charAt(at) : `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return escaped;
}

// RFC 3986, 2.2, and the percent sign: decoding these would change what the path means.
const reserved = new Set(":/?#[]@!$&'()*+,;=%");

/** decodeRoutingPath decodes a normalised path but for reserved characters. */
export function decodeRoutingPath(path: string): string {
  return path.replaceAll(escapeForm, (escape) => {
    const character = decodeEscape(escape);
    return reserved.has(character) ? escape : character;
  });
}

/** cleanPath removes empty, `.` and `..` segments from a path that begins with a slash; a slash at its end stays. */
export function cleanPath(path: string): string {
  if (!path.includes('//') && !path.includes('/.')) return path;
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  const clean = `/${kept.join('/')}`;
  return path.endsWith('/') && clean !== '/' ? `${clean}/` : clean;
}
