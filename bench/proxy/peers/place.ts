import type { Cluster } from '../../../test/support/cluster.ts';

/** Place is what a proxy needs to start. */
export interface Place {
  readonly directory: string;
  readonly cluster: Cluster;
  readonly certFile: string;
  readonly keyFile: string;
  /** program is the main file of Sluice, compiled as in the image. */
  readonly program: string;
}
