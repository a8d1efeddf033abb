/**
 * Another program that changes an IngressRoute all the time, as its own process: reads it, raises a counter in the
 * priority of its last rule, and puts it back as a whole. Prints what it did when it is stopped.
 * Alone: `node test/support/busy-writer.ts <url> <caFile> <token> <path> <writes a second>`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Agent, request } from 'undici';
import { resources } from '../../src/api/kubernetes.ts';
import type { Cluster } from './cluster.ts';
import { apiPathOf } from './objects.ts';

/** BusyWriterReport is the line that the writer prints when it is stopped. */
export interface BusyWriterReport {
  /** written is how many of its writes the API server has taken; the counter must say the same. */
  readonly written: number;
  readonly conflicts: number;
}

interface CountedRoute {
  readonly spec: { readonly routes: { priority?: number }[] };
}

async function main([url, caFile, token, path, rate]: readonly string[]): Promise<void> {
  const dispatcher = new Agent({ connect: { ca: readFileSync(caFile ?? '') } });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const report = { written: 0, conflicts: 0 };
  const stopped = new AbortController();
  process.once('SIGTERM', () => stopped.abort());
  const write = async (): Promise<void> => {
    const answer = await request(`${url}${path}`, { dispatcher, headers });
    const route = (await answer.body.json()) as CountedRoute;
    const last = route.spec.routes.at(-1);
    if (last === undefined) return;
    last.priority = (last.priority ?? 0) + 1;
    const target = `${url}${path}?fieldManager=busy-writer`;
    const put = await request(target, { dispatcher, headers, method: 'PUT', body: JSON.stringify(route) });
    await put.body.dump();
    if (put.statusCode === 200) report.written += 1;
    if (put.statusCode === 409) report.conflicts += 1;
  };
  const intervalMs = 1000 / Number(rate);
  while (!stopped.signal.aborted) {
    const startedMs = performance.now();
    await write();
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, Math.max(0, intervalMs - (performance.now() - startedMs)));
    await promise;
  }
  console.log(JSON.stringify(report));
  await dispatcher.close();
}

/** startBusyWriter starts the process on one IngressRoute; `stop` ends it and returns what it did. */
export function startBusyWriter(
  cluster: Cluster,
  route: { readonly namespace: string; readonly name: string },
  writesPerSecond: number,
): { stop(): Promise<BusyWriterReport> } {
  const path = apiPathOf(resources.ingressRoutes, route);
  const args = [
    fileURLToPath(import.meta.url),
    cluster.url,
    cluster.caFile,
    cluster.adminToken,
    path,
    String(writesPerSecond),
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  return {
    stop: async () => {
      child.kill('SIGTERM');
      await once(child, 'close');
      return JSON.parse(output) as BusyWriterReport;
    },
  };
}

if (import.meta.main) await main(process.argv.slice(2));
