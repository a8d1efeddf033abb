/** The command line of the bench. */
import { parseArgs } from 'node:util';
import { applyName, scenarioNames, type ScenarioName } from './scenarios.ts';
import { peerNames, type PeerName } from './peers/peer.ts';

/** BenchOptions is what to measure. */
export interface BenchOptions {
  /** seconds is how long each proxy is under load in each round. */
  readonly seconds: number;
  readonly rounds: number;
  readonly scenarios: readonly ScenarioName[];
  /** isApplying: how long changes of the configuration take is measured too. */
  readonly isApplying: boolean;
  readonly peers: readonly PeerName[];
  readonly json: boolean;
}

/** usage is what the bench prints when it is called wrongly. */
export const usage = `usage: npm run bench:proxy -- [--seconds N] [--rounds N] [--scenario ${[applyName, ...scenarioNames].join(' | ')}]... [--proxy ${peerNames.join(' | ')}]... [--json]`;

/** parseOptions returns the options; it throws an Error that says what is wrong. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '5' },
      rounds: { type: 'string', default: '5' },
      scenario: { type: 'string', multiple: true, default: [] },
      proxy: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
    },
  });
  const all = chosen('--scenario', values.scenario, [applyName, ...scenarioNames] as const);
  return {
    seconds: wholeNumber('--seconds', values.seconds),
    rounds: wholeNumber('--rounds', values.rounds),
    scenarios: scenarioNames.filter((name) => all.includes(name)),
    isApplying: all.includes(applyName),
    peers: chosen('--proxy', values.proxy, peerNames),
    json: values.json,
  };
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 600) return value;
  throw new Error(`${name} is "${text}"; it must be a whole number from 1 to 600`);
}

function chosen<T extends string>(flag: string, given: readonly string[], known: readonly T[]): readonly T[] {
  const unknown = given.find((name) => !(known as readonly string[]).includes(name));
  if (unknown !== undefined) throw new Error(`${flag} ${unknown} is unknown; there are ${known.join(', ')}`);
  return given.length === 0 ? known : known.filter((name) => given.includes(name));
}
