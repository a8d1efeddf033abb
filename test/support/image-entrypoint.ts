/** How the images start the program, so that what is measured and watched is what is shipped. */
import { readFile } from 'node:fs/promises';

/** Entrypoint is what a target of the Dockerfile says: environment, flags of Node before main.js, arguments behind it. */
export interface Entrypoint {
  readonly environment: Readonly<Record<string, string>>;
  readonly nodeFlags: readonly string[];
  readonly args: readonly string[];
}

/** readEntrypoint reads it; it throws if the Dockerfile has none for the target in the form of a JSON list. */
export async function readEntrypoint(target: 'controller' | 'proxy'): Promise<Entrypoint> {
  const text = await readFile(new URL('../../Dockerfile', import.meta.url), 'utf8');
  const stages = text.split(/^(?=FROM )/m);
  const stageOf = (name: string): string =>
    stages.find((stage) => /^FROM \S+ AS (\w+)/.exec(stage)?.[1] === name) ?? '';
  const [entrypoint = [], command = []] = ['ENTRYPOINT', 'CMD'].map((word) => {
    const list = new RegExp(`^${word} (\\[.*\\])$`, 'm').exec(stageOf(target))?.[1];
    if (list === undefined)
      throw new Error(`The Dockerfile has no ${word} of the ${target} in the form of a JSON list.`);
    return JSON.parse(list) as readonly string[];
  });
  const rest = entrypoint.slice(1);
  const program = rest.findIndex((word) => word.endsWith('main.js'));
  const variables = `${stageOf('run')}${stageOf(target)}`.matchAll(/^ENV (\w+)=(\S+)$/gm);
  return {
    environment: Object.fromEntries([...variables].map(([, name = '', value = '']) => [name, value])),
    nodeFlags: rest.slice(0, program),
    args: [...rest.slice(program + 1), ...command],
  };
}
