/**
 * goJson writes JSON as Go's encoding/json does, with `<`, `>`, `&` and the two line separators escaped. The API server
 * applies JSON Patches with evanphx/json-patch, which compares the value of a `test` as text with Go's encoding of the
 * object: an unescaped `&` of a rule with `&&` would never be equal, and the patch would fail for ever with 422.
 */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
