import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { openTerminal, type Environment, type Terminal } from '../../../src/cli/terminal.ts';

/** A stream with the fields of a terminal, or of a pipe. */
class FakeStream extends EventEmitter {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  text = '';

  constructor(fields: { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number } = {}) {
    super();
    Object.assign(this, fields);
  }

  write = (text: string): boolean => {
    this.text += text;
    return true;
  };
}

function open(env: Environment['env'], platform = 'linux'): Terminal {
  return openTerminal(new FakeStream({ isTTY: true, columns: 120, rows: 50 }), { env, platform });
}

describe('a terminal', () => {
  test('is drawn on, in its size', () => {
    const terminal = open({ TERM: 'xterm' });
    expect(terminal).toMatchObject({ isInteractive: true, isColored: true });
    expect(terminal.size()).toEqual({ width: 120, rows: 50 });
  });

  test('has no colours with NO_COLOR, unless that is empty', () => {
    expect(open({ NO_COLOR: '1' })).toMatchObject({ isInteractive: true, isColored: false });
    expect(open({ NO_COLOR: '' })).toMatchObject({ isColored: true });
  });

  test('that cannot move its cursor gets lines', () => {
    expect(open({ TERM: 'dumb' })).toMatchObject({ isInteractive: false, isColored: false });
  });

  test('without a size is taken for 80 x 24', () => {
    const terminal = openTerminal(new FakeStream({ isTTY: true, columns: 0, rows: 0 }), { env: {}, platform: 'linux' });
    expect(terminal.size()).toEqual({ width: 80, rows: 24 });
  });

  test('gets blocks where the locale has them, and the first that is set is the locale', () => {
    expect(open({ LANG: 'en_US.UTF-8' }).isUnicode).toBe(true);
    expect(open({ LANG: 'en_US.UTF-8', LC_ALL: 'C' }).isUnicode).toBe(false);
    expect(open({ LANG: 'de_DE.ISO-8859-1', LC_CTYPE: 'de_DE.utf8' }).isUnicode).toBe(true);
    expect(open({}).isUnicode).toBe(false);
    expect(open({}, 'darwin').isUnicode).toBe(true);
  });

  test('tells of a new size until nobody listens', () => {
    const stream = new FakeStream({ isTTY: true });
    let resized = 0;
    const ignore = openTerminal(stream, { env: {}, platform: 'linux' }).onResize(() => (resized += 1));
    stream.emit('resize');
    ignore();
    stream.emit('resize');
    expect(resized).toBe(1);
  });
});

test('a pipe gets lines without colours', () => {
  const stream = new FakeStream();
  const terminal = openTerminal(stream, { env: { TERM: 'xterm', LANG: 'C.UTF-8' }, platform: 'linux' });
  expect(terminal).toMatchObject({ isInteractive: false, isColored: false });
  terminal.write('text');
  expect(stream.text).toBe('text');
});
