import type { Problem } from './compiler.ts';
import type { CatalogSettings } from './settings.ts';

/** Points are the entry points of a route: which exist, and what is wrong. */
export interface Points {
  readonly names: readonly string[];
  readonly problems: readonly Problem[];
  /** isNone: the route names some, and none of them exists. */
  readonly isNone: boolean;
}

/** resolveEntryPoints finds the entry points of an object; without any it is on all. */
export function resolveEntryPoints(wanted: readonly string[], { entryPoints }: CatalogSettings, at: string): Points {
  const known = entryPoints.map(({ name }) => name);
  if (wanted.length === 0) return { names: known, problems: [], isNone: known.length === 0 };
  const names = [...new Set(wanted)].filter((name) => known.includes(name));
  const problems = [...new Set(wanted)]
    .filter((name) => !known.includes(name))
    .map((name): Problem => {
      const message = `${at}.entryPoints: there is no entry point ${name}; there are ${known.join(', ')}.`;
      return { reason: 'UnknownEntryPoint', message };
    });
  return { names, problems, isNone: names.length === 0 };
}
