import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseTime } from '../../src/clock.ts';
import { followFreezes } from '../../src/freezes.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryDirectory } from '../support/processes.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let file: string;
let woken: number;
const lines: string[] = [];
const stop = new AbortController();

beforeEach(async () => {
  directory = await temporaryDirectory('freezes');
  file = path.join(directory.path, 'freezes.yaml');
  woken = 0;
  lines.length = 0;
});

afterEach(() => directory.remove());

/** replace puts a file in the place of the other one, as the kubelet does. */
async function replace(text: string): Promise<void> {
  await writeFile(`${file}.next`, text);
  await rename(`${file}.next`, file);
}

function follow(clock = new ManualClock()) {
  const logger = createLogger({ level: 'info', destination: { write: (line) => lines.push(line) } });
  return followFreezes(file, { clock, logger, wake: () => (woken += 1) }, stop.signal);
}

describe('the file of freezes', () => {
  test('holds times and reasons, and a changed one counts within a quarter of a minute', async () => {
    await replace('- {from: "2026-12-24T00:00:00Z", to: 2026-12-27T00:00:00Z, reason: holidays}');
    const clock = new ManualClock();
    const freezes = await follow(clock);
    const first = { fromMs: parseTime('2026-12-24T00:00:00Z'), toMs: parseTime('2026-12-27T00:00:00Z') };
    expect(freezes()).toEqual([{ ...first, reason: 'holidays' }]);
    await replace('');
    await clock.advance(15_000);
    await eventually(() => woken === 1);
    expect(freezes()).toEqual([]);
  });

  test('that cannot be used later changes nothing, and is reported once', async () => {
    await replace('- {from: "2026-12-24T00:00:00Z", to: "2026-12-27T00:00:00Z"}');
    const clock = new ManualClock();
    const freezes = await follow(clock);
    await replace('- {from: tomorrow}');
    for (let round = 0; round < 3; round += 1) {
      await clock.advance(15_000);
      await eventually(() => lines.length === 1);
    }
    expect(freezes()).toHaveLength(1);
    expect(lines.join('')).toContain('[0].from is \\"tomorrow\\"');
    expect(woken).toBe(0);
  });

  test.each([
    ['from: 1', /holds no list; write lines like/],
    ['- {from: "2026-12-27T00:00:00Z", to: "2026-12-24T00:00:00Z"}', /\[0\]\.to is not later than from/],
    ['- {from: "2026-12-24T00:00:00Z"}\n- 7', /\[0\]\.to is missing; .*\[1\]\.from is missing/],
    ['- {', /is no YAML: /],
  ])('%s is refused at the start', async (text, message) => {
    await replace(text);
    await expect(follow()).rejects.toThrow(message);
  });

  test('that is not there is refused at the start', async () => {
    await expect(follow()).rejects.toThrow(/freezes\.yaml cannot be read \(ENOENT\)\.$/);
  });
});
