/** The command line of the bench. */
import { parseArgs } from 'node:util';

/** BenchMode is what the Rollouts do: step, rest, or fail. */
export type BenchMode = 'Stepping' | 'Idle' | 'Breach';

/** BenchOptions is what to measure. */
export interface BenchOptions {
  readonly mode: BenchMode;
  readonly rollouts: number;
  /** seconds is the length of the measured window. */
  readonly seconds: number;
  /** breach is how many Rollouts fail at once; 0 outside of the mode Breach. */
  readonly breach: number;
  readonly json: boolean;
  /** program is a main.js that was built elsewhere; without it the tree is built. */
  readonly program: string | undefined;
  /** profileDirectory receives a CPU profile of the controller, written when it stops. */
  readonly profileDirectory: string | undefined;
  /** nodeFlags are put behind those of the Dockerfile, e.g. `--max-semi-space-size=4`. */
  readonly nodeFlags: readonly string[];
}

/** usage is what the bench prints when it is called wrongly. */
export const usage =
  'usage: npm run bench:controller -- --rollouts N --seconds S [--idle | --breach K] [--json] [--program dist/main.js] [--profile DIRECTORY] [--node-flag=FLAG ...]';

/** A ramp has a hundred steps of 10 s; warming up and the window have to fit in. */
const maxSteppingSeconds = 600;

/** parseOptions returns the options; it throws an Error that says what is wrong. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rollouts: { type: 'string', default: '200' },
      seconds: { type: 'string', default: '60' },
      idle: { type: 'boolean', default: false },
      breach: { type: 'string' },
      json: { type: 'boolean', default: false },
      program: { type: 'string' },
      profile: { type: 'string' },
      'node-flag': { type: 'string', multiple: true, default: [] },
    },
  });
  const rollouts = wholeNumber('--rollouts', values.rollouts, 99_999);
  const breach = values.breach === undefined ? 0 : wholeNumber('--breach', values.breach, rollouts);
  if (values.idle && breach > 0) throw new Error('--idle and --breach exclude each other');
  const mode = values.idle ? 'Idle' : breach > 0 ? 'Breach' : 'Stepping';
  const seconds = wholeNumber('--seconds', values.seconds, mode === 'Stepping' ? maxSteppingSeconds : 86_400);
  return {
    mode,
    rollouts,
    seconds,
    breach,
    json: values.json,
    program: values.program,
    profileDirectory: values.profile,
    nodeFlags: values['node-flag'],
  };
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new Error(`${name} is "${text}"; it must be a whole number from 1 to ${max}`);
  }
  return value;
}
