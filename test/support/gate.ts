/** A gate before the API server: it lets requests through, until one comes at which the client shall be killed or overtaken. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Cluster } from './cluster.ts';
import type { Exchange, ProxiedRequest } from './fault-exchange.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { isWrite } from './faults.ts';

/** Passage is a request as the gate sees it. */
export interface Passage {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

/** CutPoint is the write at which nothing passes any more: the first for which `last` is true. */
export interface CutPoint {
  readonly last: (passage: Passage) => boolean;
  readonly side: 'Before' | 'After';
}

/** Cut watches writes; without a CutPoint all of them pass. */
export interface Cut {
  /** made are the writes that were forwarded and have succeeded so far, in order. */
  readonly made: readonly Passage[];
  /** isReached tells whether the last write has come. */
  readonly isReached: boolean;
  /** lift lets everything pass again and sees nothing any more. */
  lift(): void;
}

/** Gate forwards to the API server. */
export interface Gate {
  /** kubeconfig returns a kubeconfig that goes through the gate with `token`. */
  kubeconfig(token: string): Promise<string>;
  /**
   * closeAt calls `strike` instead of forwarding the first write that `matches`; that request gets no answer. Resolves
   * when it has come. Reads always pass.
   */
  closeAt(matches: (passage: Passage) => boolean, strike: () => Promise<void>): Promise<Passage>;
  /** holdAt keeps the first write that `matches` waiting until `meanwhile` is over. Resolves when it goes on. */
  holdAt(matches: (passage: Passage) => boolean, meanwhile: () => Promise<void>): Promise<Passage>;
  /**
   * cutAt resets the write that is `last`, and all that come after it, of those that `concerns` names: what is stored is
   * what a client leaves that dies there, while its other writes go on. After `Before` the write was not made, after
   * `After` it was, and the answer is lost.
   */
  cutAt(concerns: (passage: Passage) => boolean, cut?: CutPoint): Cut;
  stop(): Promise<void>;
}

/** startGate listens on a free loopback port. */
export async function startGate(cluster: Cluster): Promise<Gate> {
  const proxy = await startFaultProxy(cluster);
  const trap = (
    matches: (passage: Passage) => boolean,
    spring: (exchange: Exchange, passed: () => void) => Promise<void>,
  ): Promise<Passage> =>
    new Promise((resolve) => {
      proxy.inject(
        (request) => isWrite(request) && matches(passageOf(request)),
        (exchange) => spring(exchange, () => resolve(passageOf(exchange.request))),
      );
    });
  return {
    kubeconfig: async (token) => {
      const file = path.join(cluster.dataDir, `gate-${proxy.url.port}.kubeconfig`);
      await writeFile(file, gateKubeconfig(proxy.url.origin, token), { mode: 0o600 });
      return file;
    },
    closeAt: (matches, strike) =>
      trap(matches, async (exchange, passed) => {
        await strike();
        exchange.cut('Reset');
        passed();
      }),
    holdAt: (matches, meanwhile) =>
      trap(matches, async (exchange, passed) => {
        await meanwhile();
        passed();
        await exchange.forward();
      }),
    cutAt: (concerns, cut) => cutAt(proxy, concerns, cut),
    stop: () => proxy.stop(),
  };
}

function cutAt(proxy: FaultProxy, concerns: (passage: Passage) => boolean, point?: CutPoint): Cut {
  const made: Passage[] = [];
  let isReached = false;
  const pass = async (exchange: Exchange): Promise<void> => {
    const passage = passageOf(exchange.request);
    const note = (status: number): boolean => status < 300 && made.push(passage) > 0;
    if (!isReached && point?.last(passage) !== true) return exchange.forward({ onAnswer: note });
    // A write that the server refuses is none; the client tries again.
    isReached ||= point?.side === 'Before' || note(await exchange.ask());
    exchange.cut('Reset');
  };
  const injection = proxy.inject(
    (request) => isWrite(request) && concerns(passageOf(request)),
    pass,
    Number.POSITIVE_INFINITY,
  );
  return {
    made,
    get isReached() {
      return isReached;
    },
    lift: () => injection.remove(),
  };
}

function passageOf({ method, url, body }: ProxiedRequest): Passage {
  return { method, path: `${url.pathname}${url.search}`, body };
}

function gateKubeconfig(server: string, token: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'gate', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'sluice', user: { token } }],
    contexts: [{ name: 'gate', context: { cluster: 'gate', user: 'sluice' } }],
    'current-context': 'gate',
  });
}
