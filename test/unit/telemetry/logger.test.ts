import { describe, expect, it } from 'vitest';
import { createLogger, type Logger, type LogLevel } from '../../../src/telemetry/logger.ts';

/** logged returns what `write` logs at a level, each line parsed, without its time. */
function logged(level: LogLevel, write: (logger: Logger) => void): readonly object[] {
  const lines: string[] = [];
  write(createLogger({ level, destination: { write: (line) => lines.push(line) } }));
  return lines.map((line) => {
    expect(line.endsWith('\n')).toBe(true);
    const { time, ...rest } = JSON.parse(line) as { readonly time: string };
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    return rest;
  });
}

function writeAll(logger: Logger): void {
  for (const level of ['debug', 'info', 'warn', 'error'] as const) logger[level](`a ${level}`);
}

describe('createLogger', () => {
  it.each<[LogLevel, readonly string[]]>([
    ['debug', ['debug', 'info', 'warn', 'error']],
    ['info', ['info', 'warn', 'error']],
    ['warn', ['warn', 'error']],
    ['error', ['error']],
    ['silent', []],
  ])('writes at level %s only %j', (level, written) => {
    expect(logged(level, writeAll)).toEqual(written.map((name) => ({ level: name, msg: `a ${name}` })));
  });

  it('writes one JSON object a line: the level by name, the fields, and the message as it is', () => {
    const lines = logged('info', (logger) =>
      logger.info('route write lost: %s {x}', { rollout: 'web/shop', weight: 5 }),
    );
    expect(lines).toEqual([{ level: 'info', rollout: 'web/shop', weight: 5, msg: 'route write lost: %s {x}' }]);
  });

  it('gives every line of a child the fields of all its parents, and the parent none of the child', () => {
    const lines = logged('info', (logger) => {
      const child = logger.child({ component: 'sampler' }).child({ rollout: 'web/shop' });
      child.warn('slow', { ms: 7 });
      logger.info('ready');
    });
    expect(lines).toEqual([
      { level: 'warn', component: 'sampler', rollout: 'web/shop', ms: 7, msg: 'slow' },
      { level: 'info', msg: 'ready' },
    ]);
  });
});
