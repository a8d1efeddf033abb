/** A tree of labelled texts, drawn for a screen: no line is wider, and what goes on in the next line stands below its text. */
import { padded, paint, widthOf, wrap, type Screen, type Style } from './text.ts';

/** Node is a label with a text and what belongs to it; `style` is that of the text. */
export interface Node {
  readonly label: string;
  readonly text?: string;
  readonly style?: Style | undefined;
  readonly children?: readonly Node[];
}

/** TreeScreen is as much of a Screen as a tree needs. */
export type TreeScreen = Pick<Screen, 'width' | 'isColored' | 'isUnicode'>;

/** A text gets at least this many columns, however deep it stands. */
const leastText = 10;
const mostLines = 12;

/** drawTree returns the lines of the nodes; those of one level have their texts below each other. */
export function drawTree(nodes: readonly Node[], screen: TreeScreen, indent = ''): readonly string[] {
  const labelWidth = Math.max(0, ...nodes.map(({ label, text }) => (text === undefined ? 0 : widthOf(label))));
  const marks = screen.isUnicode ? unicode : ascii;
  return nodes.flatMap((node, index) => {
    const isLast = index === nodes.length - 1;
    const below = indent + (isLast ? '   ' : marks.past);
    const children = node.children ?? [];
    const head = indent + (isLast ? marks.last : marks.next);
    const lines = linesOf(node, { head, below, hasChildren: children.length > 0, labelWidth, screen, bar: marks.past });
    return [...lines, ...drawTree(children, screen, below)];
  });
}

const unicode = { next: '├─ ', last: '└─ ', past: '│  ' } as const;
const ascii = { next: '|- ', last: '`- ', past: '|  ' } as const;

interface Place {
  readonly head: string;
  readonly below: string;
  readonly hasChildren: boolean;
  readonly labelWidth: number;
  readonly screen: TreeScreen;
  readonly bar: string;
}

function linesOf({ label, text, style }: Node, place: Place): readonly string[] {
  const { head, below, screen, labelWidth } = place;
  const name = paint(screen, 'bold', label);
  if (text === undefined || text === '') return [head + name];
  const column = head.length + labelWidth + 2;
  const lines = wrap(text, Math.max(leastText, screen.width - column), mostLines);
  const hanging = padded(below + (place.hasChildren ? place.bar : ''), column);
  return lines.map((line, index) => {
    const painted = style === undefined ? line : paint(screen, style, line);
    return index === 0 ? `${head}${padded(name, labelWidth + 2)}${painted}` : hanging + painted;
  });
}
