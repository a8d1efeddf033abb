/** The load: wrk for HTTP/1.1, h2load for HTTP/2, and connections that only stay open. */
import { writeFile } from 'node:fs/promises';
import net, { type Socket } from 'node:net';
import path from 'node:path';
import { runCommand } from '../../test/support/cluster.ts';
import { hostOf } from './routes.ts';
import { otherCore, type Peer } from './peers/peer.ts';
import type { Scenario } from './scenarios.ts';

/** Load is what a client saw. */
export interface Load {
  readonly rps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** failed counts answers other than 2xx, broken connections and time-outs. */
  readonly failed: number;
}

/** connections is how many clients there are. */
export const connections = 64;

/** runLoad puts load on a proxy for `seconds`. */
export function runLoad(peer: Peer, scenario: Scenario, run: LoadRun): Promise<Load> {
  return scenario.client === 'h2load' ? runH2load(peer, scenario, run) : runWrk(peer, scenario, run);
}

/** LoadRun says how long, and where files may be written. */
export interface LoadRun {
  readonly seconds: number;
  readonly directory: string;
}

async function runWrk(peer: Peer, scenario: Scenario, { seconds, directory }: LoadRun): Promise<Load> {
  const script = path.join(directory, 'wrk.lua');
  await writeFile(script, wrkScript(scenario));
  const url = urlOf(peer, scenario);
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-s', script, url];
  const output = await run(['wrk', ...args], seconds);
  const [, p50 = '', p99 = '', rps = '', failed = ''] =
    /result ([0-9.]+) ([0-9.]+) ([0-9.]+) ([0-9.]+)/.exec(output) ?? [];
  if (failed === '') throw new Error(`wrk said nothing that can be read:\n${output}`);
  return { rps: Number(rps), p50Ms: Number(p50) / 1000, p99Ms: Number(p99) / 1000, failed: Number(failed) };
}

/** The requests are made before, so that the client costs the same with one host as with thousands. */
function wrkScript({ hasAllHosts, routes, path: target }: Scenario): string {
  const hosts = hasAllHosts ? Array.from({ length: routes }, (_, index) => hostOf(index)) : [hostOf('main')];
  return `
local hosts = {${hosts.map((host) => `"${host}"`).join(',')}}
local requests, next = {}, 0
init = function()
  for i, host in ipairs(hosts) do requests[i] = wrk.format("GET", "${target}", {["Host"] = host}) end
  math.randomseed(7)
end
request = function()
  if #requests == 1 then return requests[1] end
  return requests[math.random(#requests)]
end
done = function(summary, latency)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  print(string.format("result %f %f %f %d", latency:percentile(50), latency:percentile(99), summary.requests / summary.duration * 1e6, failed))
end
`;
}

/** Eight connections with eight streams each. */
async function runH2load(peer: Peer, scenario: Scenario, { seconds }: LoadRun): Promise<Load> {
  const args = ['-t1', '-c8', '-m8', `-D${seconds}`, '--warm-up-time=1', `-H:authority: ${hostOf('main')}`];
  const output = await run(['h2load', ...args, urlOf(peer, scenario)], seconds + 1);
  const rps = Number(/finished in [^,]+, ([0-9.]+) req\/s/.exec(output)?.[1]);
  const [, failed, errored, timedOut] = /([0-9]+) failed, ([0-9]+) errored, ([0-9]+) timeout/.exec(output) ?? [];
  const statuses = /status codes: [0-9]+ 2xx, ([0-9]+) 3xx, ([0-9]+) 4xx, ([0-9]+) 5xx/.exec(output) ?? [];
  const other = statuses.slice(1).reduce((sum, text) => sum + Number(text), 0);
  if (!Number.isFinite(rps)) throw new Error(`h2load said nothing that can be read:\n${output}`);
  // h2load has no percentiles: the mean stands for the median, the greatest for the 99th.
  const [, max = '', mean = ''] = /time for request:\s+\S+\s+(\S+)\s+(\S+)/.exec(output) ?? [];
  return {
    rps,
    p50Ms: milliseconds(mean),
    p99Ms: milliseconds(max),
    failed: Number(failed) + Number(errored) + Number(timedOut) + other,
  };
}

function milliseconds(text: string): number {
  const [, number = '', unit = ''] = /^([0-9.]+)(us|ms|s)$/.exec(text) ?? [];
  return Number(number) * ({ us: 0.001, ms: 1, s: 1000 }[unit] ?? Number.NaN);
}

function urlOf(peer: Peer, { isTls, path: target }: Scenario): string {
  return `${isTls ? 'https' : 'http'}://127.0.0.1:${isTls ? peer.tlsPort : peer.plainPort}${target}`;
}

async function run(command: readonly string[], seconds: number): Promise<string> {
  const [file, ...args] = [...otherCore, ...command];
  const { code, stdout, stderr } = await runCommand(file, args, { input: '', timeoutMs: (seconds + 30) * 1000 });
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

/** openIdle opens connections, sends one request on each, and leaves them open until the returned function is called. */
export async function openIdle(port: number, count: number): Promise<() => void> {
  const sockets: Socket[] = [];
  const atOnce = 200;
  for (let from = 0; from < count; from += atOnce) {
    const opened = Array.from({ length: Math.min(atOnce, count - from) }, () => openOne(port));
    sockets.push(...(await Promise.all(opened)));
  }
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

function openOne(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('error', reject);
    socket.write(`GET /small HTTP/1.1\r\nHost: ${hostOf('main')}\r\n\r\n`);
    let text = '';
    socket.on('data', (data: Buffer) => {
      text += data.toString('latin1');
      if (!text.includes('012345678\n')) return;
      socket.removeAllListeners('data');
      socket.off('error', reject).on('error', () => undefined);
      if (text.startsWith('HTTP/1.1 200')) resolve(socket);
      else reject(new Error(`an idle connection was answered ${text.slice(0, 40)}`));
    });
  });
}
