/** tokenCharacters has a 1 for each character of a token (RFC 9110, 5.6.2): methods and names of headers. */
const tokenCharacters = table((code) => /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code)));

/** valueCharacters has a 1 for what a header's value may hold (RFC 9110, 5.5): tab, space, visible ASCII, and bytes over 127. */
const valueCharacters = table((code) => code === 9 || (code >= 32 && code !== 127));

function table(accepts: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (accepts(code) ? 1 : 0));
}

/** skipToken returns the index of the first character at or after `from` that is not one of a token. */
export function skipToken(text: string, from: number): number {
  let at = from;
  while (tokenCharacters[text.charCodeAt(at)] === 1) at += 1;
  return at;
}

/** skipValue returns the index of the first character at or after `from` that the value of a header may not hold. */
export function skipValue(text: string, from: number): number {
  let at = from;
  while (valueCharacters[text.charCodeAt(at)] === 1) at += 1;
  return at;
}

/** isToken is true for a token. */
export function isToken(text: string): boolean {
  return text.length > 0 && skipToken(text, 0) === text.length;
}

/** isVisible is true for text without spaces and control characters that fits into bytes: a request target, an authority. */
export function isVisible(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code <= 32 || code === 127 || code > 255) return false;
  }
  return true;
}

/** countForbidden returns how many characters of `text` may not be in the value of a header, line ends among them. */
export function countForbidden(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (valueCharacters[text.charCodeAt(at)] !== 1) count += 1;
  }
  return count;
}
