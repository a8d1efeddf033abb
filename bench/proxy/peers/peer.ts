/** PeerName is a proxy that is measured. */
export type PeerName = 'sluice' | 'traefik' | 'nginx' | 'haproxy' | 'go' | 'http-proxy-3' | 'fast-proxy';

export const peerNames: readonly PeerName[] = [
  'sluice',
  'traefik',
  'nginx',
  'haproxy',
  'go',
  'http-proxy-3',
  'fast-proxy',
];

/** Peer is a proxy that runs, on the first core only. */
export interface Peer {
  readonly name: PeerName;
  /** plainPort serves HTTP/1.1, tlsPort HTTP/1.1 and HTTP/2 over TLS where the proxy can. */
  readonly plainPort: number;
  readonly tlsPort: number | undefined;
  /** pids are the processes whose memory counts. */
  pids(): Promise<readonly number[]>;
  stop(): Promise<void>;
}

/** setPaused stops a proxy in the middle of whatever it does, so that it costs the others nothing, or lets it go on. */
export async function setPaused(peer: Peer, isPaused: boolean): Promise<void> {
  for (const pid of await peer.pids()) process.kill(pid, isPaused ? 'SIGSTOP' : 'SIGCONT');
}

/** proxyCore is where the proxies run; the upstreams, the load and the API server have the other one. */
export const proxyCore = ['taskset', '-c', '0'] as const;
export const otherCore = ['taskset', '-c', '1'] as const;
