import type { ObjectKey } from '../../api/kubernetes.ts';
import { parseTraefikDuration } from '../../api/traefik-duration.ts';
import type { RouteService } from '../../api/traefik.ts';
import type { LoadBalancer, PassiveHealth } from '../configuration.ts';
import type { Fault, Problem, Reader } from './compiler.ts';

/** OptionsUse is an entry of `services`; `at` is its field, with its object, for messages. */
export interface OptionsUse {
  readonly entry: RouteService;
  readonly at: string;
  readonly reader: Reader;
}

/** ServerOptions is how the servers of an entry are used, with what is not done as it says. */
export interface ServerOptions {
  readonly kind: 'Options';
  readonly strategy: LoadBalancer['strategy'];
  readonly passiveHealth: PassiveHealth | undefined;
  readonly transport: string | undefined;
  readonly notes: readonly Problem[];
}

/** readServerOptions reads how the servers of the Kubernetes Service `key` are to be used. */
export function readServerOptions(use: OptionsUse, key: ObjectKey): ServerOptions | Fault {
  const strategy = strategyOf(use);
  if ('kind' in strategy) return strategy;
  const passiveHealth = passiveHealthOf(use);
  if (passiveHealth !== undefined && 'kind' in passiveHealth) return passiveHealth;
  const transport = transportOf(use, key);
  if (typeof transport === 'object') return transport;
  // Only checked: the proxy sends on what it gets without waiting.
  const flushInterval = use.entry.responseForwarding?.flushInterval ?? '';
  if (flushInterval !== '' && parseTraefikDuration(flushInterval) === undefined) {
    return broken(
      `${use.at}.responseForwarding.flushInterval: found ${flushInterval}; write a duration such as 100ms.`,
    );
  }
  const notes = [...strategy.notes, ...nodePortNotes(use)];
  return { kind: 'Options', strategy: strategy.strategy, passiveHealth, transport, notes };
}

interface Strategy {
  readonly strategy: LoadBalancer['strategy'];
  readonly notes: readonly Problem[];
}

function strategyOf({ entry: { strategy = '' }, at }: OptionsUse): Strategy | Fault {
  if (strategy === '' || strategy === 'wrr' || strategy === 'RoundRobin') return { strategy: 'RoundRobin', notes: [] };
  if (strategy === 'p2c') return { strategy: 'PowerOfTwo', notes: [] };
  if (strategy === 'hrw' || strategy === 'leasttime') {
    const message = `${at}.strategy: ${strategy} is not supported; pods are asked in turn (wrr). Write wrr or p2c.`;
    return { strategy: 'RoundRobin', notes: [{ reason: 'NotSupported', message }] };
  }
  return broken(`${at}.strategy: found ${strategy}; write wrr or p2c.`);
}

function passiveHealthOf({ entry, at }: OptionsUse): PassiveHealth | Fault | undefined {
  const check = entry.passiveHealthCheck;
  if (check === undefined) return undefined;
  const failureWindowMs = parseTraefikDuration(check.failureWindow ?? '10s');
  if (failureWindowMs === undefined) {
    return broken(
      `${at}.passiveHealthCheck.failureWindow: found ${check.failureWindow}; write a duration such as 10s.`,
    );
  }
  return { failureWindowMs, maxFailedAttempts: check.maxFailedAttempts ?? 1 };
}

/** A ServersTransport is looked for where the Service is, as Traefik does. */
function transportOf({ entry, at, reader }: OptionsUse, key: ObjectKey): string | undefined | Fault {
  const name = entry.serversTransport ?? '';
  if (name === '' || name === 'default@internal') return undefined;
  const field = `${at}.serversTransport`;
  if (name.includes('@')) return unsupported(`${field}: ${name} is of another provider; name one of the namespace.`);
  const transport: ObjectKey = `${key.slice(0, key.indexOf('/'))}/${name}`;
  const draft = reader.draft('ServersTransport', transport);
  if (draft === undefined)
    return broken(`${field}: ServersTransport ${transport} does not exist; create it or correct the name.`);
  const { fault } = draft;
  if (fault !== undefined)
    return { ...fault, message: `${field}: ServersTransport ${transport} cannot be used. ${fault.message}` };
  return draft.transports[0]?.name;
}

function nodePortNotes({ entry, at }: OptionsUse): readonly Problem[] {
  if (entry.nodePortLB !== true) return [];
  const message = `${at}.nodePortLB: ports of nodes are not supported; requests go to the pods. Remove it.`;
  return [{ reason: 'NotSupported', message }];
}

function broken(message: string): Fault {
  return { kind: 'Broken', reason: 'BrokenReference', message };
}

function unsupported(message: string): Fault {
  return { kind: 'Unsupported', reason: 'NotSupported', message };
}
