/** Cases that are run on every data plane. */
import type { KubernetesObject } from '../../../src/api/kubernetes.ts';
import type { DifferenceName } from './differences.ts';
import type { Plane } from './planes.ts';
import type { Ports, Script, Upstream } from './upstream.ts';

/** At is where a case runs. */
export interface At {
  readonly plane: Plane;
  /** traefik is the Traefik among the data planes. */
  readonly traefik: Plane;
  readonly upstream: Upstream;
  /** scripted makes an upstream serve requests with the header lines that it returns by `serve`. */
  readonly scripted: (serve: Script) => string;
}

/** Case is one behaviour; what `run` returns must be the same on all data planes, and plain data. */
export interface Case {
  readonly name: string;
  readonly run: (at: At) => Promise<unknown>;
  /** traefik is what Traefik's result contains. */
  readonly traefik: unknown;
  /** differs names the entry of the table that says why the proxy's result is not Traefik's, but contains `sluice`. */
  readonly differs?: DifferenceName;
  readonly sluice?: unknown;
}

/** CaseGroup is a set of cases with the objects that they need; `caCert` is the PEM of who signed the servers' certificate. */
export interface CaseGroup {
  readonly name: string;
  readonly objects: (ports: Ports, caCert: string) => readonly KubernetesObject[];
  readonly cases: readonly Case[];
}
