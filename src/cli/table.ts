/** Tables as kubectl prints them: columns with three blanks between them, none at the end of a line. */

/** printTable returns lines of columns that are as wide as their widest cell. */
export function printTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => lineOf(row, widths)).join('\n');
}

function lineOf(row: readonly string[], widths: readonly number[]): string {
  return row
    .map((cell, column) => cell.padEnd((widths[column] ?? 0) + 3))
    .join('')
    .trimEnd();
}
