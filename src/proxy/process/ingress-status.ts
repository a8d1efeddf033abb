import { isIP } from 'node:net';
import type { Ingress, IngressAddress, IngressClass } from '../../api/ingress.ts';
import { keyOf, type ObjectKey, type Service } from '../../api/kubernetes.ts';
import type { ObjectStore } from '../../api/object-store.ts';
import type { Clock } from '../../clock.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { isOurIngress } from '../catalog/ingress-class.ts';
import type { ObjectChange } from '../catalog/object-kind.ts';
import type { PublishSettings } from '../settings.ts';
import { ingressKind, type ProxyObjects } from './objects.ts';

/** StatusPublisherOptions are the collaborators of the publisher. */
export interface StatusPublisherOptions {
  readonly publish: PublishSettings;
  readonly ingressClass: string;
  readonly store: Pick<ObjectStore, 'patchStatus'>;
  readonly objects: Pick<ProxyObjects, 'all' | 'get'>;
  readonly clock: Pick<Clock, 'schedule'>;
  readonly logger: Logger;
}

/** StatusPublisher writes into the status of our Ingresses where they are served. */
export interface StatusPublisher {
  /** changed looks whether any of these changes makes a status wrong. */
  changed(changes: readonly ObjectChange[]): void;
  stop(): void;
}

/** After an error of the API server. */
const retryMs = 30_000;

/** So many writes are under way at a time: thousands of Ingresses may be new. */
const atOnce = 4;

/**
 * createStatusPublisher writes only what differs, with the resourceVersion that it has read. All replicas may do it: they write
 * the same, and who comes second has a conflict, and then nothing to do.
 */
export function createStatusPublisher(options: StatusPublisherOptions): StatusPublisher {
  const { publish, objects, clock, logger } = options;
  const tried = new Map<ObjectKey, string>();
  const queue: ObjectKey[] = [];
  let running = 0;
  const stopped = new AbortController();
  let cancel: (() => void) | undefined;
  const again = (): void => {
    cancel ??= clock.schedule(retryMs, () => {
      cancel = undefined;
      look();
    });
  };
  const write = async (key: ObjectKey): Promise<void> => {
    const wanted = addressesOf(publish, objects);
    const ingress = objects.get('Ingress', key);
    if (ingress === undefined || !isWrong(ingress, wanted)) return;
    const { resourceVersion = '' } = ingress.metadata;
    if (tried.get(key) === resourceVersion) return;
    tried.set(key, resourceVersion);
    try {
      const status = { loadBalancer: { ingress: wanted } };
      await options.store.patchStatus(ingressKind, key, { resourceVersion, status });
    } catch (error) {
      tried.delete(key);
      logger.warn('the status of an Ingress could not be written', { ingress: key, error: String(error) });
      again();
    }
  };
  const run = async (): Promise<void> => {
    running += 1;
    for (let key = queue.shift(); key !== undefined && !stopped.signal.aborted; key = queue.shift()) await write(key);
    running -= 1;
  };
  const look = (): void => {
    const wanted = addressesOf(publish, objects);
    if (wanted.length === 0) return;
    for (const ingress of oursOf(options)) {
      const key = keyOf(ingress);
      if (isWrong(ingress, wanted) && !queue.includes(key)) queue.push(key);
    }
    while (running < Math.min(atOnce, queue.length)) void run();
  };
  return {
    changed: (changes) => {
      if (changes.some((change) => isOfInterest(change, publish))) look();
    },
    stop: () => {
      stopped.abort();
      cancel?.();
    },
  };
}

function isOfInterest({ kind, key }: ObjectChange, publish: PublishSettings): boolean {
  if (kind === 'Service') return publish.kind === 'Service' && publish.service === key;
  return kind === 'Ingress' || kind === 'IngressClass';
}

function oursOf({ objects, ingressClass }: StatusPublisherOptions): readonly Ingress[] {
  const reader = {
    ingressClasses: () => objects.all('IngressClass') as readonly IngressClass[],
    ingressClass: (key: ObjectKey) => objects.get('IngressClass', key),
  };
  const ingresses = objects.all('Ingress') as readonly Ingress[];
  return ingresses.filter((ingress) => isOurIngress(ingress, reader, ingressClass));
}

/** Where the load balancer of the Service is; nothing is written as long as it has no address. */
function addressesOf(publish: PublishSettings, objects: Pick<ProxyObjects, 'get'>): readonly IngressAddress[] {
  if (publish.kind === 'Addresses') {
    return publish.addresses.map((text) => (isIP(text) === 0 ? { hostname: text } : { ip: text }));
  }
  const service: Service | undefined = objects.get('Service', publish.service);
  const external = (service?.spec?.externalIPs ?? []).map((ip): IngressAddress => ({ ip }));
  const balanced = (service?.status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }): IngressAddress =>
    ip === undefined ? { hostname: hostname ?? '' } : { ip },
  );
  return [...balanced, ...external].sort((one, other) => (textOf(one) < textOf(other) ? -1 : 1));
}

function isWrong({ status }: Ingress, wanted: readonly IngressAddress[]): boolean {
  const present = (status?.loadBalancer?.ingress ?? []).map(textOf);
  return present.length !== wanted.length || wanted.some((address) => !present.includes(textOf(address)));
}

function textOf({ ip, hostname }: IngressAddress): string {
  return ip ?? hostname ?? '';
}
