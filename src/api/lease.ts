/** The Lease of coordination.k8s.io/v1 as raw JSON, and the port through which an election reads and writes Leases. */
import { formatTime } from '../clock.ts';
import type { KubernetesObject } from './kubernetes.ts';
import type { CallOptions, WriteOutcome } from './object-store.ts';

/** electionLabel is carried by every Lease of an election; its value is the election's name. */
export const electionLabel = 'sluice.dev/election';

/** LeaseSpec is the part of coordination.k8s.io/v1 LeaseSpec that an election uses; times are MicroTime strings. */
export interface LeaseSpec {
  /** holderIdentity is empty when the Lease was released. */
  readonly holderIdentity?: string | null;
  readonly leaseDurationSeconds?: number | null;
  readonly acquireTime?: string | null;
  readonly renewTime?: string | null;
  readonly leaseTransitions?: number | null;
}

/** Lease is coordination.k8s.io/v1 Lease; what Sluice does not know of it is kept when it is written. */
export interface Lease extends KubernetesObject {
  readonly spec?: LeaseSpec;
}

/** LeaseStore holds the Leases of one election, in one namespace. Unexpected answers throw a SluiceError. */
export interface LeaseStore {
  /** list returns all Leases that carry the label of the election, as of a moment after the call. */
  list(options: CallOptions): Promise<readonly Lease[]>;
  /** create stores a new Lease; a name that is taken is a Conflict. */
  create(lease: Lease, options: CallOptions): Promise<WriteOutcome<Lease>>;
  /** update replaces the Lease that still has the `uid` and `resourceVersion` of `lease`; anything else is Conflict or Missing. */
  update(lease: Lease, options: CallOptions): Promise<WriteOutcome<Lease>>;
  /** delete removes the Lease that still has the `uid` and `resourceVersion` of `lease`, and returns what it removed. */
  delete(lease: Lease, options: CallOptions): Promise<WriteOutcome<Lease>>;
}

/** formatMicroTime returns metav1.MicroTime, which has exactly six digits after the point: the API server answers 400 to three. */
export function formatMicroTime(ms: number): string {
  return formatTime(ms).replace('Z', '000Z');
}
