/** Text in columns: colours, bars, and lines that are no wider than they may be. */
import { stripVTControlCharacters } from 'node:util';

/** Screen is what a view is drawn for. */
export interface Screen {
  readonly width: number;
  readonly rows: number;
  readonly isColored: boolean;
  /** isUnicode is false where blocks would be shown as something else. */
  readonly isUnicode: boolean;
}

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

/** Style is a colour of the terminal's own palette, so that it is readable on any background, or a weight. */
export type Style = keyof typeof codes;

/** paint returns the text in a style, or as it is on a screen without colours. */
export function paint({ isColored }: Pick<Screen, 'isColored'>, style: Style, text: string): string {
  const [on, off] = codes[style];
  return isColored && text !== '' ? `\u001b[${on}m${text}\u001b[${off}m` : text;
}

/** widthOf returns how many columns a text takes; every character here takes one. */
export function widthOf(text: string): number {
  return stripVTControlCharacters(text).length;
}

/** padded fills a text with blanks to `width`. */
export function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** cut shortens a text without colours to `width`, and shows that it did. */
export function cut(text: string, width: number): string {
  if (text.length <= width) return text;
  return width <= 3 ? text.slice(0, Math.max(0, width)) : `${text.slice(0, width - 3)}...`;
}

/** between puts one text to the left and one to the right; the left one is cut where there is no room for both. */
export function between(left: string, right: string, width: number): readonly [string, string] {
  const room = width - right.length - 1;
  return room < 1 ? ['', padded(cut(right, width), width)] : [padded(cut(left, room), room + 1), right];
}

/** wrap breaks a text at blanks into lines of at most `width`; of more than `most` lines the last one is cut. */
export function wrap(text: string, width: number, most: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length <= width || line === '') line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  const all = [...lines, line];
  const kept = all.slice(0, most);
  const rest = all.slice(most - 1).join(' ');
  return (all.length > most ? [...kept.slice(0, -1), rest] : kept).map((text) => cut(text, width));
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** bar returns `part`, from 0 to 1, as a filled and an empty text that are `width` columns together. */
export function bar(part: number, width: number, { isUnicode }: Pick<Screen, 'isUnicode'>): readonly [string, string] {
  const filled = Math.max(0, Math.min(1, part)) * width;
  if (!isUnicode) {
    const whole = Math.round(filled);
    return ['#'.repeat(whole), '.'.repeat(width - whole)];
  }
  const units = Math.round(filled * 8);
  const text = '█'.repeat(Math.floor(units / 8)) + (eighths[units % 8] ?? '');
  return [text, '░'.repeat(width - text.length)];
}

/** grouped writes a count with commas: 12,345. */
export function grouped(count: number): string {
  return String(Math.round(count)).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

/** percent writes a ratio, with two decimals below 10 %. */
export function percent(ratio: number): string {
  const points = ratio * 100;
  return `${points >= 10 ? Number(points.toFixed(1)) : Number(points.toFixed(2))}%`;
}
