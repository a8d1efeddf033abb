/** Reads scenarios/*.yaml. What a file may hold is checked, so that a misspelt key is an error and not a silent default. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { figures, tables, type Scenario } from './scenario.ts';

const directory = fileURLToPath(new URL('scenarios', import.meta.url));

/** readScenarios returns all scenarios in the order of their tables and names. */
export function readScenarios(): readonly Scenario[] {
  const scenarios = globSync('*.yaml', { cwd: directory }).map((file) =>
    parseScenario(path.basename(file, '.yaml'), readFileSync(path.join(directory, file), 'utf8')),
  );
  return scenarios.toSorted(
    (left, right) =>
      tables.indexOf(left.table) - tables.indexOf(right.table) ||
      left.order - right.order ||
      (left.name < right.name ? -1 : 1),
  );
}

/** parseScenario returns the scenario; it throws an Error that names the place of what is wrong. */
export function parseScenario(name: string, text: string): Scenario {
  const content: unknown = parse(text);
  const problems = [...findProblems(content, scenarioShape, name)];
  if (problems.length > 0) throw new Error(problems.join('; '));
  return { order: 0, warmupSeconds: 0, expect: {}, ...(content as Written), name };
}

/** Written is a Scenario as it may be written, with defaults left out. */
type Written = Omit<Scenario, 'name' | 'order' | 'warmupSeconds' | 'expect'> & Partial<Scenario>;

/** Shape says what a value must be: a kind, one of some words, a list, an object with these keys (`?`: optional), or one with any keys. */
type Shape =
  | 'number'
  | 'text'
  | 'boolean'
  | 'profile'
  | 'range'
  | readonly string[]
  | { readonly list: Shape }
  | { readonly keys: Readonly<Record<string, Shape>> }
  | { readonly each: Shape };

const scenarioShape: Shape = {
  keys: {
    title: 'text',
    table: tables,
    'order?': 'number',
    judged: { list: ['Errors', 'Latency'] },
    isBad: 'boolean',
    plan: ['Watch', 'Rollout'],
    steps: { list: { keys: { weight: 'number', seconds: 'number' } } },
    rps: 'profile',
    errorPercent: 'profile',
    'incidents?': {
      list: {
        keys: { fromSeconds: 'number', seconds: 'number', 'errorPercent?': 'number', 'latencyFactor?': 'number' },
      },
    },
    'burstErrors?': 'number',
    'spikes?': { keys: { percent: 'number', factor: 'number' } },
    'pauses?': { keys: { percent: 'number', factor: 'number' } },
    'latency?': { keys: { medianMs: 'number', sigma: 'number', buckets: ['Fine', 'Traefik'] } },
    'canary?': {
      keys: {
        'errorPercent?': 'number',
        'latencyFactor?': 'number',
        'slowPercent?': 'number',
        'slowMs?': 'number',
        'fromSeconds?': 'number',
        'untilSeconds?': 'number',
        'fromWeight?': 'number',
      },
    },
    'endpoints?': { list: { keys: { stablePercent: 'number', canaryPercent: 'number', errorPercent: 'number' } } },
    'sessions?': { keys: { seconds: 'number', rps: 'number', badPercent: 'number', badErrorPercent: 'number' } },
    'scraping?': {
      keys: { pods: 'number', 'unscrapedPods?': 'number', 'missedPercent?': 'number', 'restartSeconds?': 'number' },
    },
    'warmupSeconds?': 'number',
    'expect?': { each: { keys: Object.fromEntries(figures.map((figure) => [`${figure}?`, 'range'])) } },
    'notPromised?': 'text',
  },
};

function* findProblems(value: unknown, shape: Shape, where: string): Generator<string> {
  if (typeof shape === 'string') {
    if (!kinds[shape](value)) yield `${where} is not a ${shape}`;
  } else if (isWords(shape)) {
    if (!shape.includes(String(value))) yield `${where} is not one of ${shape.join(', ')}`;
  } else if ('list' in shape) {
    if (!Array.isArray(value)) yield `${where} is not a list`;
    else for (const [index, item] of value.entries()) yield* findProblems(item, shape.list, `${where}[${index}]`);
  } else if (typeof value !== 'object' || value === null) {
    yield `${where} is not an object`;
  } else if ('each' in shape) {
    for (const [key, item] of Object.entries(value)) yield* findProblems(item, shape.each, `${where}.${key}`);
  } else {
    yield* findKeyProblems(value, shape.keys, where);
  }
}

function* findKeyProblems(value: object, keys: Readonly<Record<string, Shape>>, where: string): Generator<string> {
  const known = new Map(Object.entries(keys).map(([key, shape]) => [key.replace('?', ''), shape]));
  for (const [key, item] of Object.entries(value)) {
    const shape = known.get(key);
    if (shape === undefined) yield `${where}.${key} is unknown`;
    else yield* findProblems(item, shape, `${where}.${key}`);
  }
  for (const key of Object.keys(keys)) if (!key.endsWith('?') && !(key in value)) yield `${where}.${key} is missing`;
}

const kinds = {
  number: isNumber,
  text: (value: unknown): boolean => typeof value === 'string',
  boolean: (value: unknown): boolean => typeof value === 'boolean',
  profile: (value: unknown): boolean => isNumber(value) || (Array.isArray(value) && value.every(isPair)),
  range: isPair,
} as const;

function isNumber(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value);
}

function isPair(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every(isNumber);
}

function isWords(shape: Shape): shape is readonly string[] {
  return Array.isArray(shape);
}
