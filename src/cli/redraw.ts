/** Draws a view over itself, on a terminal. */
import type { Terminal } from './terminal.ts';
import type { Screen } from './text.ts';

/** Frame returns the lines of a view for a screen. */
export type Frame = (screen: Screen) => readonly string[];

/** Redraw draws one frame after the other in the same place. */
export interface Redraw {
  /** draw shows as many lines of the frame as the screen has rows, but one. */
  draw(frame: Frame): void;
  /** end leaves what was drawn last, with the cursor below it. */
  end(): void;
}

const escape = '\u001b[';
const hideCursor = `${escape}?25l`;
const showCursor = `${escape}?25h`;
const clearScreen = `${escape}2J${escape}H`;
const clearBelow = `${escape}J`;

/** startRedraw draws nothing yet. A terminal breaks drawn lines anew when it is resized, so then all is drawn afresh. */
export function startRedraw(terminal: Terminal): Redraw {
  let drawn = 0;
  let last: Frame | undefined;
  const draw = (frame: Frame): void => {
    const { rows } = terminal.size();
    const lines = frame(screenOf(terminal)).slice(0, Math.max(1, rows - 1));
    const up = drawn === 0 ? '' : `${escape}${drawn}A`;
    // Each line is cleared before it is written: behind a full one the cursor is still on its last column.
    const text = lines.map((line) => `\r${escape}2K${line}\n`).join('');
    terminal.write(`${drawn === 0 ? hideCursor : ''}${up}${text}${clearBelow}`);
    drawn = lines.length;
  };
  const ignore = terminal.onResize(() => {
    if (last === undefined) return;
    terminal.write(clearScreen);
    drawn = 0;
    draw(last);
  });
  return {
    draw: (frame) => {
      last = frame;
      draw(frame);
    },
    end: () => {
      ignore();
      terminal.write(showCursor);
    },
  };
}

/** screenOf is the terminal as it is now. */
export function screenOf(terminal: Terminal): Screen {
  return { ...terminal.size(), isColored: terminal.isColored, isUnicode: terminal.isUnicode };
}
