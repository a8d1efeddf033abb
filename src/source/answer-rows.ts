/**
 * Reads the JSON of an answer row by row. A range answer is a megabyte and ten times as much in objects, most of which
 * nobody needs when the row has been read; parsed at once they outlive a collection of the young generation, and wait as
 * garbage for one of the whole heap.
 */

/** How an answer with rows begins, with Prometheus and all that speak its API; inside of a text its quotes would be escaped. */
const beforeRows = /"data":\{"resultType":"(?:matrix|vector)","result":\[/;

/** So many characters of an answer are looked through for that; some put a few words of their own before it. */
const headChars = 500;

const code = { quote: 0x22, comma: 0x2c, backslash: 0x5c, openList: 0x5b, closeList: 0x5d, open: 0x7b, close: 0x7d };

/** Parsed is an answer, and its rows with an empty list in their place; `rows` is undefined where it could not be cut into rows. */
export interface Parsed<T> {
  readonly body: unknown;
  readonly rows: readonly T[] | undefined;
}

/**
 * parseByRow parses an answer, hands each of its rows on to `read`, and keeps of it what that returns. An answer that is
 * laid out otherwise, e.g. with blanks, is parsed as a whole. It throws a SyntaxError for what is not JSON.
 */
export function parseByRow<T>(bytes: Buffer, read: (row: unknown) => T): Parsed<T> {
  const head = beforeRows.exec(bytes.toString('latin1', 0, headChars));
  if (head === null) return { body: parse(bytes, 0, bytes.length), rows: undefined };
  const start = head.index + head[0].length;
  const rows: T[] = [];
  let at = start;
  while (bytes[at] === code.open) {
    const end = endOf(bytes, at);
    rows.push(read(parse(bytes, at, end)));
    at = bytes[end] === code.comma && bytes[end + 1] === code.open ? end + 1 : end;
  }
  if (bytes[at] !== code.closeList) return { body: parse(bytes, 0, bytes.length), rows: undefined };
  const rest = `${bytes.toString('utf8', 0, start)}${bytes.toString('utf8', at)}`;
  return { body: JSON.parse(rest) as unknown, rows };
}

function parse(bytes: Buffer, start: number, end: number): unknown {
  return JSON.parse(bytes.toString('utf8', start, end));
}

/** endOf returns where the object that begins at `start` ends; what is wrong in it is found when it is parsed. */
function endOf(bytes: Buffer, start: number): number {
  let depth = 0;
  let isText = false;
  for (let at = start; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (isText) {
      if (byte === code.backslash) at += 1;
      else if (byte === code.quote) isText = false;
    } else if (byte === code.quote) isText = true;
    else if (byte === code.open || byte === code.openList) depth += 1;
    else if (byte === code.close || byte === code.closeList) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return bytes.length;
}
