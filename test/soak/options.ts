/** The command line of the soak. */
import { parseArgs } from 'node:util';

/** SoakOptions say how long and how rough. */
export interface SoakOptions {
  readonly minutes: number;
  readonly rollouts: number;
  /** seed decides on all faults and releases; their times still depend on the machine. */
  readonly seed: number;
  /** isCalm leaves out the faults. */
  readonly isCalm: boolean;
  /** pauseS is the range of seconds between two bursts of faults. */
  readonly pauseS: readonly [number, number];
  /** nodeFlags are put behind those of the Dockerfile, e.g. `--heapsnapshot-signal=SIGUSR2`. */
  readonly nodeFlags: readonly string[];
}

/** usage is what the soak prints when it is called wrongly. */
export const usage = 'usage: npm run soak -- [--minutes 60] [--rollouts 60] [--seed N] [--calm] [--node-flag=FLAG ...]';

/** Below that a quarter of the time says nothing, and there has to be time for a few faults. */
const shortMinutes = 10;

/** parseOptions returns the options; it throws an Error that says what is wrong. */
export function parseOptions(args: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '60' },
      rollouts: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
      calm: { type: 'boolean', default: false },
      'node-flag': { type: 'string', multiple: true, default: [] },
    },
  });
  const minutes = positive('--minutes', values.minutes);
  return {
    minutes,
    rollouts: Math.floor(positive('--rollouts', values.rollouts)),
    seed: Number(values.seed),
    isCalm: values.calm,
    nodeFlags: values['node-flag'],
    pauseS: minutes < shortMinutes ? [3, 8] : [10, 40],
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new Error(`${name} is "${text}"; it must be a number greater than zero`);
}
