/** Headers as flat lists of names and values in their order; names are compared without case, and asked for in lower case. */

/** headerValue returns the first value of a header. */
export function headerValue(headers: readonly string[], name: string): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    if (isNamed(headers[index], name)) return headers[index + 1];
  }
  return undefined;
}

/** withoutHeaders leaves out the headers of these lower-cased names. */
export function withoutHeaders(headers: readonly string[], names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? '';
    if (!names.has(name.toLowerCase())) kept.push(name, headers[index + 1] ?? '');
  }
  return kept;
}

/** hasToken tells whether a list of tokens, separated by commas, has this lower-cased one. */
export function hasToken(value: string, token: string): boolean {
  const lower = value.toLowerCase();
  return lower === token || (lower.includes(token) && lower.split(',').some((each) => each.trim() === token));
}

function isNamed(each: string | undefined, name: string): boolean {
  return each !== undefined && each.length === name.length && each.toLowerCase() === name;
}
