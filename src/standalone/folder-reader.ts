/**
 * Follows the texts of a folder of manifests. A change is taken when its file has been quiet for 100 ms, so that neither a
 * half-written file nor the moment between the removal of the old one and the rename of the new one is ever seen; what
 * changes together is taken together. While the folder is missing, cannot be read, or was replaced by an empty one, as
 * a mount that is not there yet, everything stays as it was.
 */
import { open } from 'node:fs/promises';
import { watch, type FSWatcher } from 'node:fs';
import path from 'node:path';
import type { Clock } from '../clock.ts';
import type { FolderProblem } from './folder-problem.ts';
import { scanFolder, type FolderScan } from './folder-scan.ts';

/** Not every file system reports changes (NFS, some mounts of Docker), so that a look has to find them within a second. */
const pollMs = 700;
const quietMs = 100;
const settleMs = 40;

/** After this long the quiet files do not wait for the others. */
const togetherMs = 500;

/** Larger than any manifest that an API server would take. */
const maxFileBytes = 8 * 1024 * 1024;

/** FolderReading is what is to be served: the text of each file, by its path below the folder. */
export interface FolderReading {
  readonly texts: ReadonlyMap<string, string>;
  /** unreadable are files and folders of which nothing new can be known; '' is the whole folder. */
  readonly unreadable: readonly string[];
  readonly problems: readonly FolderProblem[];
}

/** FolderReaderOptions: `except` is a folder below that is not part of it; `onReading` is told what has changed, and is waited for. */
export interface FolderReaderOptions {
  readonly directory: string;
  readonly except: string;
  readonly clock: Clock;
  readonly onReading: (reading: FolderReading) => Promise<void>;
  /** isExpected: there were objects before, so that an empty folder is doubted. */
  readonly isExpected: boolean;
}

interface Change {
  /** to is the new state of the file; undefined: gone. */
  readonly to: string | undefined;
  readonly sinceMs: number;
  readonly firstMs: number;
}

/** FolderReader reads once with `read`, and then follows until its signal aborts. */
export class FolderReader {
  readonly #options: FolderReaderOptions;
  readonly #texts = new Map<string, string>();
  /** The states that `texts` are of; of a file that could not be read too, so that it is not tried at each look. */
  readonly #known = new Map<string, string>();
  readonly #changes = new Map<string, Change>();
  readonly #fileProblems = new Map<string, string>();
  readonly #watchers = new Map<string, { readonly identity: string; readonly watcher: FSWatcher }>();
  #root: string | undefined;
  #problems: readonly FolderProblem[] = [];
  #isWoken = false;
  #wake: () => void = () => {};

  constructor(options: FolderReaderOptions) {
    this.#options = options;
  }

  /** read waits until all files are quiet and delivers the first reading. */
  async read(): Promise<void> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + 1_000;
    const isSettled = async (): Promise<boolean> => (await this.#look()).isSettled || clock.monotonicMs() > deadlineMs;
    while (!(await isSettled())) await clock.sleep(settleMs);
    await this.#deliver();
  }

  /** follow looks again after each change and each 0.7 s. */
  async follow(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    try {
      while (!signal.aborted) {
        await this.#sleep(this.#changes.size > 0 ? settleMs : pollMs, signal);
        if (signal.aborted) return;
        const { hasChanged } = await this.#look();
        if (hasChanged) await this.#deliver();
        // A storm of events is one look.
        await clock.sleep(settleMs / 4, signal).catch(() => {});
      }
    } finally {
      for (const { watcher } of this.#watchers.values()) watcher.close();
    }
  }

  async #deliver(): Promise<void> {
    const ofFiles = [...this.#fileProblems].map(([file, message]) => ({ file, line: 1, message }));
    await this.#options.onReading({
      texts: new Map(this.#texts),
      unreadable: [...this.#problems, ...ofFiles].map(({ file }) => file),
      problems: [...this.#problems, ...ofFiles],
    });
  }

  async #look(): Promise<{ readonly hasChanged: boolean; readonly isSettled: boolean }> {
    const scan = await scanFolder(this.#options.directory, this.#options.except);
    this.#follow(scan);
    const problems = problemsOf(scan, this.#isDoubtful(scan));
    let hasChanged = JSON.stringify(problems) !== JSON.stringify(this.#problems);
    this.#problems = problems;
    if (scan.unreadable.has('') || this.#isDoubtful(scan)) {
      this.#changes.clear();
      return { hasChanged, isSettled: true };
    }
    this.#note(scan);
    for (const [file, { to }] of this.#ready()) {
      if (await this.#take(file, to)) hasChanged = true;
    }
    if (scan.files.size > 0 || this.#changes.size === 0) this.#root = scan.root;
    return { hasChanged, isSettled: this.#changes.size === 0 };
  }

  /** An empty folder in the place of one that was not is believed when something is put into it. */
  #isDoubtful({ root, files, unreadable }: FolderScan): boolean {
    if (unreadable.has('')) return false;
    const hadFiles = this.#root === undefined ? this.#options.isExpected : this.#known.size > 0;
    return files.size === 0 && hadFiles && root !== this.#root;
  }

  #note(scan: FolderScan): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const file of new Set([...scan.files.keys(), ...this.#known.keys(), ...this.#changes.keys()])) {
      const to = scan.files.get(file);
      const before = this.#changes.get(file);
      if (to === this.#known.get(file) || isBelow([...scan.unreadable.keys()], file)) this.#changes.delete(file);
      else if (before === undefined) this.#changes.set(file, { to, sinceMs: nowMs, firstMs: nowMs });
      else if (before.to !== to) this.#changes.set(file, { ...before, to, sinceMs: nowMs });
    }
  }

  #ready(): readonly (readonly [string, Change])[] {
    const nowMs = this.#options.clock.monotonicMs();
    const all = [...this.#changes];
    const quiet = all.filter(([, { sinceMs }]) => nowMs - sinceMs >= quietMs);
    const isLate = all.some(([, { firstMs }]) => nowMs - firstMs >= togetherMs);
    return quiet.length === all.length || isLate ? quiet : [];
  }

  /** Returns whether there is something new to deliver; a file that changes while it is read waits for the next look. */
  async #take(file: string, to: string | undefined): Promise<boolean> {
    if (to === undefined) {
      this.#changes.delete(file);
      this.#known.delete(file);
      this.#texts.delete(file);
      this.#fileProblems.delete(file);
      return true;
    }
    const outcome = await readText(path.join(this.#options.directory, file), to);
    if (outcome.kind === 'Changed') return false;
    this.#changes.delete(file);
    this.#known.set(file, to);
    if (outcome.kind === 'Unreadable') this.#fileProblems.set(file, outcome.message);
    else {
      this.#fileProblems.delete(file);
      this.#texts.set(file, outcome.text);
    }
    return true;
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#isWoken) await this.#sleepUntilWoken(ms, signal);
    this.#isWoken = false;
  }

  #sleepUntilWoken(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        cancel();
        signal.removeEventListener('abort', finish);
        this.#wake = () => {};
        resolve();
      };
      const cancel = this.#options.clock.schedule(ms, finish);
      signal.addEventListener('abort', finish, { once: true });
      this.#wake = finish;
    });
  }

  /** Watches say sooner what a look finds anyway: whatever goes wrong with them is left to that. */
  #follow({ directories }: FolderScan): void {
    for (const [name, { identity, watcher }] of this.#watchers) {
      if (directories.get(name) === identity) continue;
      watcher.close();
      this.#watchers.delete(name);
    }
    for (const [name, identity] of directories) {
      if (this.#watchers.has(name)) continue;
      try {
        const watcher = watch(path.join(this.#options.directory, name), { persistent: false }, () => {
          this.#isWoken = true;
          this.#wake();
        });
        watcher.on('error', () => watcher.close());
        this.#watchers.set(name, { identity, watcher });
      } catch {
        return;
      }
    }
  }
}

function problemsOf({ unreadable }: FolderScan, isDoubtful: boolean): readonly FolderProblem[] {
  if (isDoubtful) {
    const message =
      'The folder was replaced by one without manifests; what it held before goes on being served until there are some.';
    return [{ file: '', line: 1, message }];
  }
  return [...unreadable].map(([file, code]) => {
    const what = file === '' ? 'The folder' : file;
    return { file, line: 1, message: `${what} cannot be read (${code}); what was there before goes on being served.` };
  });
}

/** isBelow tells whether `file` is one of `names`, or in a folder that is; '' is the folder of all. */
export function isBelow(names: readonly string[], file: string): boolean {
  return names.some((name) => name === '' || file === name || file.startsWith(`${name}/`));
}

type ReadText =
  | { readonly kind: 'Read'; readonly text: string }
  | { readonly kind: 'Changed' }
  | { readonly kind: 'Unreadable'; readonly message: string };

/** Reads a file if it still is in the state that was seen, and stays in it. */
async function readText(file: string, seen: string): Promise<ReadText> {
  try {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      if (size > maxFileBytes) {
        return { kind: 'Unreadable', message: `It has ${size} bytes; Sluice reads at most ${maxFileBytes}.` };
      }
      const bytes = await handle.readFile();
      const { dev, ino, size: sizeNow, mtimeNs, ctimeNs } = await handle.stat({ bigint: true });
      if ([dev, ino, sizeNow, mtimeNs, ctimeNs].join(':') !== seen) return { kind: 'Changed' };
      return { kind: 'Read', text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
    } finally {
      await handle.close();
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { kind: 'Changed' };
    return { kind: 'Unreadable', message: `It cannot be read (${code ?? message}); its last state is served.` };
  }
}
