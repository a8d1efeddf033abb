/**
 * Byte strings: strings whose characters are bytes, as node reads headers and targets ('latin1'). Go compares bytes, so rules
 * and requests meet in this form.
 */

const beyondAscii = /[\x80-\uffff]/;

/** isAscii tells whether a string has only characters below 128. */
export function isAscii(text: string): boolean {
  return !beyondAscii.test(text);
}

/** toBytes turns text into the byte string of its UTF-8. */
export function toBytes(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

/** toText turns a byte string into text as Go reads strings: each byte that is not part of valid UTF-8 becomes U+FFFD. */
export function toText(bytes: string): string {
  if (isAscii(bytes)) return bytes;
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    text += length === 0 ? '\ufffd' : Buffer.from(bytes.slice(at, at + length), 'latin1').toString('utf8');
    at += length || 1;
  }
  return text;
}

/** isUtf8 tells whether a byte string is valid UTF-8. */
export function isUtf8(bytes: string): boolean {
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    if (length === 0) return false;
    at += length;
  }
  return true;
}

/** The length of the valid sequence at `at`, 0 if there is none (RFC 3629: no overlong ones, no surrogates, at most U+10FFFF). */
function sequenceLength(bytes: string, at: number): number {
  const first = bytes.charCodeAt(at);
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > bytes.length) return 0;
  const [low, high] = secondByte(first);
  const second = bytes.charCodeAt(at + 1);
  if (second < low || second > high) return 0;
  for (let next = at + 2; next < at + length; next += 1) {
    if ((bytes.charCodeAt(next) & 0xc0) !== 0x80) return 0;
  }
  return length;
}

function secondByte(first: number): readonly [number, number] {
  switch (first) {
    case 0xe0:
      return [0xa0, 0xbf];
    case 0xed:
      return [0x80, 0x9f];
    case 0xf0:
      return [0x90, 0xbf];
    case 0xf4:
      return [0x80, 0x8f];
    default:
      return [0x80, 0xbf];
  }
}
