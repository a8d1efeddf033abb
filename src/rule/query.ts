/**
 * queryValues returns the decoded values of a parameter in a query without its `?`, as Go's url.ParseQuery: pairs with a
 * malformed %xx are dropped, `+` is a space. `name` and the values are byte strings. Where more than 10,000 pairs are
 * counted there is none (Go's limit).
 */
export function queryValues(query: string, name: string): readonly string[] {
  if (query === '') return [];
  const pairs = query.split('&');
  if (pairs.length > maxPairs) return [];
  const values: string[] = [];
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    const key = decodeComponent(equals === -1 ? pair : pair.slice(0, equals));
    if (key === name && pair !== '') {
      const value = equals === -1 ? '' : decodeComponent(pair.slice(equals + 1));
      if (value !== undefined) values.push(value);
    }
  }
  return values;
}

const maxPairs = 10_000;
const escapes = /%(?:([0-9a-fA-F]{2})|)/g;

/** The bytes that a component stands for; undefined if a % is not followed by two hex digits. */
function decodeComponent(text: string): string | undefined {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  let isMalformed = false;
  const decoded = spaced.replaceAll(escapes, (_, digits: string | undefined) => {
    isMalformed ||= digits === undefined;
    return String.fromCharCode(Number.parseInt(digits ?? '0', 16));
  });
  return isMalformed ? undefined : decoded;
}
