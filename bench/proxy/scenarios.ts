/** What is asked of the proxies. Each scenario names who takes part and what the load is. */
import type { PeerName } from './peers/peer.ts';

/** ScenarioName is a key of the JSON that the bench prints. */
export type ScenarioName = 'small' | 'large' | 'tls' | 'h2' | 'routes5000' | 'reload' | 'idle10000';

/** Scenario is one kind of load. */
export interface Scenario {
  readonly peers: readonly PeerName[];
  /** routes is how many hosts there are besides the one that most requests go to. */
  readonly routes: number;
  readonly path: '/small' | '/large';
  readonly client: 'wrk' | 'h2load' | 'idle';
  readonly isTls: boolean;
  /** hasAllHosts draws the host of each request from all routes. */
  readonly hasAllHosts: boolean;
  /** isEdited: an unrelated route changes every second. */
  readonly isEdited: boolean;
}

const plain = { routes: 0, path: '/small', client: 'wrk', isTls: false, hasAllHosts: false, isEdited: false } as const;
const both = ['sluice', 'traefik'] as const;
const all = ['sluice', 'traefik', 'nginx', 'haproxy', 'go', 'http-proxy-3', 'fast-proxy'] as const;

/** scenarios by name. */
export const scenarios: Readonly<Record<ScenarioName, Scenario>> = {
  small: { ...plain, peers: all },
  large: { ...plain, peers: all, path: '/large' },
  tls: { ...plain, peers: both, isTls: true },
  h2: { ...plain, peers: both, isTls: true, client: 'h2load' },
  reload: { ...plain, peers: both, isEdited: true },
  idle10000: { ...plain, peers: both, client: 'idle' },
  // Last, because the routes stay.
  routes5000: { ...plain, peers: both, routes: 5000, hasAllHosts: true },
};

export const scenarioNames = Object.keys(scenarios) as readonly ScenarioName[];

/** applyName is that of what is no load: changes of the configuration, of Sluice alone. */
export const applyName = 'apply';
