/** A real Traefik that reads its routes from one file, so that thousands of them are live after one reload. */
import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { request } from 'undici';
import { toolPath } from './build-tools.ts';
import { eventually } from './eventually.ts';
import { freePort, startServer, temporaryDirectory } from './processes.ts';

/** FileRouter is a router of the file provider, as in Traefik's documentation. */
export interface FileRouter {
  readonly rule: string;
  readonly ruleSyntax: 'v2' | 'v3';
  readonly priority: number;
  readonly service: string;
  readonly entryPoints: readonly string[];
}

/** FileConfiguration is what is written: routers and the one server of each service, by name. */
export interface FileConfiguration {
  readonly routers: Readonly<Record<string, FileRouter>>;
  readonly services: Readonly<Record<string, string>>;
}

/** LiveRouter is what Traefik's API says about a router. */
export interface LiveRouter {
  readonly name: string;
  readonly status: 'enabled' | 'warning' | 'disabled';
  readonly error?: readonly string[];
}

/** FileTraefik is a running Traefik with the entry point `web`. */
export interface FileTraefik {
  readonly port: number;
  /** configure replaces all routes and returns once they are live, with what the API says about each router. */
  configure(configuration: FileConfiguration): Promise<ReadonlyMap<string, LiveRouter>>;
  stop(): Promise<void>;
}

/** startFileTraefik starts Traefik with its defaults and no routes. */
export async function startFileTraefik(): Promise<FileTraefik> {
  const [port, adminPort] = [await freePort(), await freePort()];
  const directory = await temporaryDirectory('traefik-file');
  const file = path.join(directory.path, 'routes.yml');
  const apiUrl = `http://127.0.0.1:${adminPort}/api`;
  await writeFile(file, '{}');
  const server = await startServer({
    name: 'traefik',
    command: await toolPath('traefik'),
    directory: directory.path,
    env: { PATH: process.env['PATH'] },
    args: [
      `--entrypoints.web.address=127.0.0.1:${port}`,
      `--entrypoints.traefik.address=127.0.0.1:${adminPort}`,
      '--global.checknewversion=false',
      '--global.sendanonymoususage=false',
      '--api.insecure=true',
      `--providers.file.filename=${file}`,
      '--providers.providersthrottleduration=50ms',
    ],
    isReady: async () => (await request(`${apiUrl}/version`)).statusCode === 200,
  });
  let generation = 0;
  return {
    port,
    configure: async (configuration) => {
      generation += 1;
      await writeAtomically(file, encode(configuration, generation));
      return eventually(() => readRouters(apiUrl, `generation-${generation}@file`), {
        timeoutMs: 60_000,
        describe: 'Traefik to load the file',
      });
    },
    stop: async () => {
      await server.stop(1000);
      await directory.remove();
    },
  };
}

/** One router more, named after the generation, shows that the file is live. */
function encode({ routers, services }: FileConfiguration, generation: number): string {
  const marker = { rule: 'Host(`generation.invalid`)', service: 'generation', entryPoints: ['web'] };
  const http = {
    routers: { ...routers, [`generation-${generation}`]: marker },
    services: Object.fromEntries(
      Object.entries({ ...services, generation: 'http://127.0.0.1:1' }).map(([name, url]) => [
        name,
        { loadBalancer: { servers: [{ url }] } },
      ]),
    ),
  };
  // The file is a Go template before it is YAML; an escaped brace is none for the one and one for the other.
  return JSON.stringify({ http })
    .replaceAll('{{', String.raw`{\u007b`)
    .replaceAll(/[^ -~]/g, escapeUnit);
}

function escapeUnit(unit: string): string {
  return [...Array(unit.length).keys()]
    .map((index) => String.raw`\u${unit.charCodeAt(index).toString(16).padStart(4, '0')}`)
    .join('');
}

async function writeAtomically(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

async function readRouters(apiUrl: string, marker: string): Promise<ReadonlyMap<string, LiveRouter> | undefined> {
  const answer = await request(`${apiUrl}/http/routers?per_page=100000`);
  const routers = (await answer.body.json()) as readonly LiveRouter[];
  const byName = new Map(routers.map((router) => [router.name.replace(/@file$/, ''), router]));
  return byName.has(marker.replace(/@file$/, '')) ? byName : undefined;
}
