import { describe, expect, test } from 'vitest';
import type { RolloutStatus } from '../../../src/api/rollout-status.ts';
import { liveShow, opening, plainShow } from '../../../src/demo/show.ts';
import type { Terminal } from '../../../src/cli/terminal.ts';
import { stories } from '../../../src/demo/stories.ts';
import { noTally } from '../../../src/demo/tally.ts';
import type { DemoView } from '../../../src/demo/view.ts';

function viewOf(status: RolloutStatus = {}, seconds = 1): DemoView {
  const shown = stories.map((story) => ({ story, status, tally: noTally.good, observed: undefined }));
  return { seconds, seed: 1, rate: 0, releasedAtMs: undefined, stories: shown };
}

/** A terminal that remembers what was written, and can be resized. */
function terminalOf(size = { width: 80, rows: 24 }) {
  const listeners = new Set<() => void>();
  const terminal = {
    text: '',
    current: size,
    listeners,
    isInteractive: true,
    isColored: false,
    isUnicode: true,
    write: (text: string) => void (terminal.text += text),
    size: () => terminal.current,
    onResize: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return terminal satisfies Terminal & { text: string };
}

describe('on a terminal', () => {
  test('each view is drawn over the one before', () => {
    const terminal = terminalOf();
    const show = liveShow(terminal);
    show.update(viewOf());
    const lines = terminal.text.split('\n').length - 1;
    expect(terminal.text.startsWith('\u001b[?25l')).toBe(true);
    terminal.text = '';
    show.update(viewOf({}, 2));
    expect(terminal.text.startsWith(`\u001b[${lines}A`)).toBe(true);
    show.end();
    expect(terminal.text.endsWith('\u001b[?25h')).toBe(true);
    expect(terminal.listeners.size).toBe(0);
  });

  test('it is never as high as the terminal, so that nothing scrolls', () => {
    const terminal = terminalOf({ width: 80, rows: 8 });
    liveShow(terminal).update(viewOf());
    expect(terminal.text.split('\n')).toHaveLength(8);
  });

  test('a resize clears what the terminal broke anew', () => {
    const terminal = terminalOf();
    const show = liveShow(terminal);
    show.update(viewOf());
    terminal.text = '';
    terminal.current = { width: 40, rows: 24 };
    for (const listener of terminal.listeners) listener();
    expect(terminal.text.startsWith('\u001b[2J\u001b[H')).toBe(true);
    const movesUp = Array.from({ length: 30 }, (_, lines) => `\u001b[${lines}A`);
    expect(movesUp.filter((move) => terminal.text.includes(move))).toEqual([]);
  });
});

describe('elsewhere', () => {
  const failed: RolloutStatus = { phase: 'Failed', reason: 'MoreErrors', weight: 0, message: 'Too many errors.' };

  test('a line is written when there is news, and no more', () => {
    const terminal = terminalOf();
    const show = plainShow(terminal);
    show.update(viewOf());
    show.update(viewOf(failed, 9.26));
    show.update(viewOf({ ...failed, message: 'The same in other words.' }, 10));
    expect(terminal.text).toBe(
      '  9.3 s  good Failed        0%  Too many errors.\n  9.3 s  bad  Failed        0%  Too many errors.\n',
    );
  });

  test('what is known already is no news', () => {
    const terminal = terminalOf();
    plainShow(terminal, viewOf(failed)).update(viewOf(failed, 2));
    expect(terminal.text).toBe('');
  });

  test('the opening names seed, stories and the values that differ', () => {
    const text = opening(viewOf());
    expect(text).toContain('seed 1');
    expect(text).toContain('v1, the stable version, answers everything.');
    expect(text).toContain('bad.localhost: v2 answers 15% with 500');
    expect(text).toContain('errorRatio.maxIncrease 2pp (0.5pp)');
  });
});
