/** The temporary folder of the demo, and what is in it when. */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { rolloutManifest, routeManifest, stories } from './stories.ts';
import type { Ports } from './world.ts';

/** DemoFolder is `manifests`, which standalone reads, beside `state`, where it keeps weights and status. */
export interface DemoFolder {
  readonly path: string;
  readonly manifests: string;
  readonly state: string;
  /** writeRoutes writes what is there before the release. */
  writeRoutes(ports: Ports): Promise<void>;
  /** writeRollouts releases both stories. */
  writeRollouts(): Promise<void>;
  /** remove deletes everything. */
  remove(): Promise<void>;
}

/** openFolder creates an empty folder among the temporary files of the system. */
export async function openFolder(): Promise<DemoFolder> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-demo-'));
  const manifests = path.join(folder, 'manifests');
  await mkdir(manifests);
  const write = async (name: string, text: string): Promise<void> => {
    // As editors save: nobody ever reads half a file.
    const draft = path.join(folder, `${name}.draft`);
    await writeFile(draft, text);
    await rename(draft, path.join(manifests, name));
  };
  return {
    path: folder,
    manifests,
    state: path.join(folder, 'state'),
    writeRoutes: async (ports) => {
      for (const { name } of stories) await write(routeFile(name), routeManifest(name, ports[name]));
    },
    writeRollouts: async () => {
      for (const { name } of stories) await write(rolloutFile(name), rolloutManifest(name));
    },
    remove: () => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }),
  };
}

/** routeFile is the file of a story's IngressRoute, Services and EndpointSlices. */
export function routeFile(name: string): string {
  return `${name}.yaml`;
}

/** rolloutFile is the file of a story's Rollout. */
export function rolloutFile(name: string): string {
  return `${name}-rollout.yaml`;
}
