/** The data planes under comparison: a real Traefik, and Sluice's proxy in both of its manners, fed by one API server. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Certified } from '../certificates.ts';
import type { Cluster } from '../cluster.ts';
import { freePort } from '../processes.ts';
import { startSluiceProxy } from '../sluice-proxy.ts';
import { startTraefik, type Traefik } from '../traefik.ts';

/** PlaneName: `strict` is Sluice with --strict-traefik, `sluice` without. */
export type PlaneName = 'traefik' | 'strict' | 'sluice';

/** Plane is one of them. All ports are of 127.0.0.1. */
export interface Plane {
  readonly name: PlaneName;
  readonly ports: PlanePorts;
  readonly metricsUrl: string;
  stop(): Promise<void>;
}

/** PlanePorts are the entry points, by name. */
export interface PlanePorts {
  readonly web: number;
  /** websecure speaks TLS. */
  readonly websecure: number;
  /** trusting keeps the X-Forwarded-* headers of its peers. */
  readonly trusting: number;
  /** hasty waits for a request for `hastyMs` only. */
  readonly hasty: number;
}

/** hastyMs is the read timeout of the entry point `hasty`. */
export const hastyMs = 1000;

/** startPlanes starts all three at once; they serve when it returns. */
export async function startPlanes(cluster: Cluster, certified: Certified): Promise<readonly Plane[]> {
  const files = { cert: path.join(cluster.dataDir, 'planes.crt'), key: path.join(cluster.dataDir, 'planes.key') };
  await writeFile(files.cert, certified.cert);
  await writeFile(files.key, certified.key);
  return await Promise.all([
    startTraefikPlane(cluster),
    startSluicePlane({ cluster, name: 'strict', files }),
    startSluicePlane({ cluster, name: 'sluice', files }),
  ]);
}

async function choosePorts(): Promise<PlanePorts> {
  const [web, websecure, trusting, hasty] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  return { web, websecure, trusting, hasty };
}

async function startTraefikPlane(cluster: Cluster): Promise<Plane> {
  const ports = await choosePorts();
  const traefik = await startTraefik({
    cluster,
    webAddress: `127.0.0.1:${ports.web}`,
    flags: [
      `--entrypoints.websecure.address=127.0.0.1:${ports.websecure}`,
      `--entrypoints.trusting.address=127.0.0.1:${ports.trusting}`,
      '--entrypoints.trusting.forwardedheaders.trustedips=127.0.0.0/8',
      `--entrypoints.hasty.address=127.0.0.1:${ports.hasty}`,
      `--entrypoints.hasty.transport.respondingtimeouts.readtimeout=${hastyMs}ms`,
      '--providers.kubernetescrd.allowexternalnameservices=true',
    ],
  });
  return planeOf('traefik', ports, traefik);
}

async function startSluicePlane(options: {
  readonly cluster: Cluster;
  readonly name: 'strict' | 'sluice';
  readonly files: { readonly cert: string; readonly key: string };
}): Promise<Plane> {
  const { cluster, name, files } = options;
  const ports = await choosePorts();
  const entryPoints = [
    `web=127.0.0.1:${ports.web}`,
    `websecure=127.0.0.1:${ports.websecure},tls`,
    `trusting=127.0.0.1:${ports.trusting},trusted-ips=127.0.0.0/8`,
    `hasty=127.0.0.1:${ports.hasty},read-timeout=${hastyMs}ms`,
  ];
  const proxy = await startSluiceProxy({
    cluster,
    args: [
      `--entry-point=${entryPoints.join(' ')}`,
      `--tls-cert-file=${files.cert}`,
      `--tls-key-file=${files.key}`,
      '--allow-external-name-services=true',
      '--metrics-routers=true',
      `--strict-traefik=${name === 'strict'}`,
    ],
  });
  return planeOf(name, ports, proxy);
}

function planeOf(name: PlaneName, ports: PlanePorts, started: Traefik): Plane {
  return { name, ports, metricsUrl: started.metricsUrl, stop: () => started.stop() };
}
