/** The import graph of `src`, read from its text, and the rules of docs/architecture.md that it has to obey. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Sources maps each file, relative to `src` with forward slashes, to its text. */
export type Sources = Readonly<Record<string, string>>;

/**
 * ranks gives each folder of `src`, and each file beside them, its rank. A file may import files of lower rank and of its
 * own folder; that holds for type imports too.
 */
export const ranks: Readonly<Record<string, number>> = {
  'errors.ts': 0,
  'clock.ts': 0,
  'version.ts': 0,
  api: 1,
  analysis: 2,
  traffic: 2,
  rule: 2,
  balance: 2,
  'setting-reader.ts': 2,
  rollout: 3,
  telemetry: 3,
  kube: 4,
  controller: 4,
  source: 5,
  traefik: 5,
  proxy: 5,
  standalone: 5,
  reconciler: 6,
  cli: 6,
  'backing.ts': 7,
  'config.ts': 7,
  'proxy-config.ts': 7,
  'run-proxy.ts': 7,
  'freezes.ts': 7,
  'leadership.ts': 7,
  'observers.ts': 7,
  'manifest.ts': 7,
  'named-rollout.ts': 7,
  'readiness.ts': 7,
  'run.ts': 7,
  check: 8,
  'standalone-config.ts': 8,
  'run-standalone.ts': 8,
  'simulate.ts': 7,
  'get.ts': 7,
  'rollout-source.ts': 7,
  'read-status.ts': 7,
  'command.ts': 7,
  'completion.ts': 7,
  'command-api.ts': 7,
  'follow.ts': 7,
  'status.ts': 7,
  'lint.ts': 7,
  'plan.ts': 7,
  'rehearsal.ts': 7,
  'surroundings.ts': 7,
  'manifest-files.ts': 7,
  'install.ts': 8,
  'uninstall.ts': 9,
  'sources.ts': 7,
  'index.ts': 7,
  demo: 9,
  commands: 10,
  'main.ts': 11,
};

/** readSources reads every TypeScript file below `directory`. */
export function readSources(directory: string): Sources {
  const files = globSync('**/*.ts', { cwd: directory }).sort();
  return Object.fromEntries(
    files.map((file) => [file.split(path.sep).join('/'), readFileSync(path.join(directory, file), 'utf8')]),
  );
}

/** importsOf returns the specifiers of all imports in `text`: static, type, re-exporting, side-effect and dynamic ones. */
export function importsOf(text: string): readonly string[] {
  const code = text.replaceAll(/\/\*.*?\*\//gs, '').replaceAll(/^\s*\/\/.*$/gm, '');
  const patterns = [
    /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^\s*import\s*['"]([^'"]+)['"]/gm,
    // `import('…')` is a dynamic import or, in a type, an import type. What is computed cannot be read: `?`.
    /\bimport\s*\(\s*(?:['"]([^'"]+)['"])?/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? '?'));
}

/** findViolations returns one sentence for each import that breaks the ranks and for each cycle; none is right. */
export function findViolations(sources: Sources): readonly string[] {
  const edges = readEdges(sources);
  const unknown = Object.keys(sources)
    .filter((file) => ranks[unitOf(file)] === undefined)
    .map((file) => `${file} lies in no folder of the rank table`);
  const forbidden = edges.flatMap(({ from, to }) => judge(sources, from, to) ?? []);
  return [...unknown, ...forbidden, ...findCycles(edges)];
}

interface Edge {
  readonly from: string;
  readonly to: string;
}

function readEdges(sources: Sources): readonly Edge[] {
  return Object.entries(sources).flatMap(([from, text]) =>
    importsOf(text)
      .filter((specifier) => specifier.startsWith('.') || specifier === '?')
      .map((specifier) => ({
        from,
        to: specifier === '?' ? '?' : path.posix.join(path.posix.dirname(from), specifier),
      })),
  );
}

function judge(sources: Sources, from: string, to: string): string | undefined {
  if (to === '?') return `${from} imports something computed, which nobody can check`;
  if (sources[to] === undefined) return `${from} imports ${to}, which is no file of src`;
  const [own, other] = [ranks[unitOf(from)], ranks[unitOf(to)]];
  if (own === undefined || other === undefined || other < own) return undefined;
  if (other > own) return `${from} (rank ${own}) imports ${to} (rank ${other}) upwards`;
  if (path.posix.dirname(from).split('/')[0] === path.posix.dirname(to).split('/')[0]) return undefined;
  return `${from} imports ${to} of another folder with the same rank ${own}`;
}

/** unitOf returns what the rank table lists: the first folder of a file, or the file itself if it lies in `src`. */
function unitOf(file: string): string {
  return file.split('/')[0] ?? file;
}

function findCycles(edges: readonly Edge[]): readonly string[] {
  const targets = Map.groupBy(edges, ({ from }) => from);
  const finished = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, trail: readonly string[]): void => {
    const start = trail.indexOf(file);
    if (start !== -1) cycles.push(`cycle: ${[...trail.slice(start), file].join(' → ')}`);
    if (start !== -1 || finished.has(file)) return;
    for (const { to } of targets.get(file) ?? []) visit(to, [...trail, file]);
    finished.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  return cycles;
}
