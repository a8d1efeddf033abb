/**
 * Without a kubelet nobody says which endpoint is ready: the endpoints of a folder are probed, and their host names
 * resolved, and the EndpointSlices are presented with what was found.
 */
import { keyOf, type EndpointSlice, type ObjectKey } from '../api/kubernetes.ts';
import type { Clock } from '../clock.ts';
import { createHostNames, type HostNames, type Resolve } from './host-names.ts';
import { createProbeLanes, startProbe, type Probe, type ProbeLanes } from './probe.ts';
import type { ProbeTarget } from './probe-attempt.ts';
import { planSlice, presentSlice, targetsOf, type PresentedEndpoints, type SlicePlan } from './slice-plan.ts';

/** ProbedStore is what the probes need of a FolderStore. */
export interface ProbedStore {
  /** onSlices hands over the EndpointSlices as the files have them, now and after each change, until the result is called. */
  onSlices(listener: (slices: readonly EndpointSlice[]) => void): () => void;
  presentEndpoints(key: ObjectKey, presented: PresentedEndpoints): void;
}

/** EndpointChange is told when an endpoint becomes ready or ceases to be, and after its first probe. */
export interface EndpointChange {
  /** slices are those that have the endpoint. */
  readonly slices: readonly ObjectKey[];
  /** endpoint is `address:port`, or a host name that has no address. */
  readonly endpoint: string;
  readonly isReady: boolean;
  /** reason says why it is not ready. */
  readonly reason: string | undefined;
}

/** ProbesOptions: `resolve` is the resolver of the system if left out. */
export interface ProbesOptions {
  readonly store: ProbedStore;
  readonly clock: Clock;
  readonly random?: () => number;
  readonly resolve?: Resolve;
  readonly onChange?: (change: EndpointChange) => void;
  /** onProblems gets all sentences about slices that cannot be probed as they are, when they are others than before. */
  readonly onProblems?: (problems: readonly string[]) => void;
}

/** RunningProbes go on until the signal. */
export interface RunningProbes {
  /** first resolves when each endpoint of the first slices was probed once, or the signal has aborted. */
  readonly first: Promise<void>;
}

/** maxProbes are under way at once. */
const maxProbes = 64;
/** gatherMs: results that come together are presented together; a thousand endpoints would make a thousand events. */
const gatherMs = 10;

/** startProbes probes until `signal` aborts, which closes all sockets. Before its first result an endpoint is not ready. */
export function startProbes(options: ProbesOptions, signal: AbortSignal): RunningProbes {
  const first = Promise.withResolvers<void>();
  const probes = new Probes(options, first.resolve);
  const stop = (): void => {
    probes.stop();
    first.resolve();
  };
  if (signal.aborted) stop();
  else {
    signal.addEventListener('abort', stop, { once: true });
    probes.start();
  }
  return { first: first.promise };
}

interface ProbedSlice {
  readonly plan: SlicePlan;
  /** targets are the keys of what is probed for it. */
  targets: ReadonlySet<string>;
  /** presented is what the store was given last, as JSON. */
  presented: string;
}

interface SharedProbe {
  readonly probe: Probe;
  /** users are the slices that need it; the last one that leaves stops it. */
  readonly users: Set<ObjectKey>;
}

class Probes {
  readonly #options: ProbesOptions;
  readonly #random: () => number;
  readonly #onFirst: () => void;
  readonly #lanes: ProbeLanes = createProbeLanes(maxProbes);
  readonly #names: HostNames;
  readonly #slices = new Map<ObjectKey, ProbedSlice>();
  readonly #probes = new Map<string, SharedProbe>();
  readonly #changed = new Set<ObjectKey>();
  #problems = '[]';
  #isGathering = false;
  #isStopped = false;
  #cancelGathering = (): void => undefined;
  #unsubscribe = (): void => undefined;

  constructor(options: ProbesOptions, onFirst: () => void) {
    this.#options = options;
    this.#onFirst = onFirst;
    this.#random = options.random ?? Math.random;
    this.#names = createHostNames({
      clock: options.clock,
      random: this.#random,
      resolve: options.resolve,
      onChange: (name) => this.#onName(name),
    });
  }

  start(): void {
    this.#unsubscribe = this.#options.store.onSlices((slices) => this.#follow(slices));
  }

  stop(): void {
    this.#isStopped = true;
    this.#unsubscribe();
    this.#cancelGathering();
    this.#names.stop();
    for (const { probe } of this.#probes.values()) probe.stop();
    this.#probes.clear();
    this.#slices.clear();
  }

  /** At once, so that nobody sees the endpoints of a new file as ready. */
  #follow(slices: readonly EndpointSlice[]): void {
    if (this.#isStopped) return;
    const plans = slices.map((slice) => planSlice(slice, this.#slices.get(keyOf(slice))?.plan.spec));
    const keys = new Set(plans.map(({ key }) => key));
    for (const [key, slice] of this.#slices) {
      if (keys.has(key)) continue;
      this.#leave(key, slice.targets);
      this.#slices.delete(key);
    }
    for (const plan of plans) {
      const before = this.#slices.get(plan.key);
      const presented = before?.plan.slice === plan.slice ? before.presented : '';
      this.#slices.set(plan.key, { plan, targets: before?.targets ?? new Set(), presented });
    }
    this.#names.follow(new Set(plans.flatMap(({ names }) => names)));
    for (const plan of plans) this.#refresh(plan.key);
    this.#reportProblems(plans);
    this.#gather();
  }

  #reportProblems(plans: readonly SlicePlan[]): void {
    const problems = plans.flatMap((plan) => plan.problems);
    const text = JSON.stringify(problems);
    if (text === this.#problems) return;
    this.#problems = text;
    this.#options.onProblems?.(problems);
  }

  /** refresh brings the probes of a slice, and what is presented of it, to what is known. */
  #refresh(key: ObjectKey): void {
    const slice = this.#slices.get(key);
    if (slice === undefined) return;
    const addressesOf = (name: string): readonly string[] => this.#names.get(name).addresses;
    const targets = new Map(targetsOf(slice.plan, { addressesOf }).map((target) => [idOf(target), target]));
    for (const [id, target] of targets) this.#join(key, id, target);
    this.#leave(key, new Set([...slice.targets].filter((id) => !targets.has(id))));
    slice.targets = new Set(targets.keys());
    const isReady = (target: ProbeTarget): boolean => this.#probes.get(idOf(target))?.probe.isReady() === true;
    const presented = presentSlice(slice.plan, { addressesOf, isReady });
    const text = JSON.stringify(presented);
    if (text === slice.presented) return;
    slice.presented = text;
    this.#options.store.presentEndpoints(key, presented);
  }

  #join(key: ObjectKey, id: string, target: ProbeTarget): void {
    const shared = this.#probes.get(id) ?? { probe: this.#probe(id, target), users: new Set<ObjectKey>() };
    shared.users.add(key);
    this.#probes.set(id, shared);
  }

  #leave(key: ObjectKey, ids: Iterable<string>): void {
    for (const id of ids) {
      const shared = this.#probes.get(id);
      shared?.users.delete(key);
      if (shared?.users.size !== 0) continue;
      shared.probe.stop();
      this.#probes.delete(id);
    }
  }

  #probe(id: string, target: ProbeTarget): Probe {
    return startProbe(target, {
      clock: this.#options.clock,
      random: this.#random,
      lanes: this.#lanes,
      onResult: ({ failure, isChange }) => {
        const slices = [...(this.#probes.get(id)?.users ?? [])];
        // What does not answer may have moved: a container that is made anew has another address.
        if (failure !== undefined) this.#names.doubt(target.address);
        if (!isChange) return;
        for (const key of slices) this.#changed.add(key);
        this.#gather();
        this.#options.onChange?.({
          slices,
          endpoint: endpointText(target),
          isReady: failure === undefined,
          reason: failure,
        });
      },
    });
  }

  #onName(name: string): void {
    const { addresses, problem } = this.#names.get(name);
    const slices = [...this.#slices.values()].filter(({ plan }) => plan.names.includes(name));
    for (const { plan } of slices) this.#changed.add(plan.key);
    this.#gather();
    if (problem === undefined || addresses.length > 0) return;
    const keys = slices.map(({ plan }) => plan.key);
    this.#options.onChange?.({ slices: keys, endpoint: name, isReady: false, reason: problem });
  }

  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#cancelGathering = this.#options.clock.schedule(gatherMs, () => {
      this.#isGathering = false;
      const changed = [...this.#changed];
      this.#changed.clear();
      for (const key of changed) this.#refresh(key);
      if (this.#isComplete()) this.#onFirst();
    });
  }

  #isComplete(): boolean {
    const names = new Set([...this.#slices.values()].flatMap(({ plan }) => plan.names));
    const areNamesAsked = [...names].every((name) => this.#names.get(name).isAsked);
    return areNamesAsked && [...this.#probes.values()].every(({ probe }) => probe.isReady() !== undefined);
  }
}

function idOf(target: ProbeTarget): string {
  return JSON.stringify(target);
}

function endpointText({ address, port }: ProbeTarget): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}
