/** What to type next: at the end of the demo, and while it is left running. */
import { rolloutFile, routeFile } from './folder.ts';
import { hostOf } from './stories.ts';
import type { Ports } from './world.ts';

/** Typed is what a person types, without arguments: `sluice demo` and `sluice`, or what npm needs in a clone. */
export interface Typed {
  readonly demo: string;
  readonly program: string;
}

/** nextLines say what there is beyond the demo. */
export function nextLines({ demo, program }: Typed): readonly string[] {
  const [keep, standalone] = [`${demo} --keep`, `${program} standalone DIR`];
  const width = Math.max(keep.length, standalone.length);
  return [
    'Next:',
    `  ${keep.padEnd(width)}   leaves it running, to release something yourself`,
    `  ${standalone.padEnd(width)}   your services, no cluster: docs/standalone.md`,
    `  ${'README.md'.padEnd(width)}   how it goes on a cluster, behind Traefik`,
  ];
}

/** Playground is what runs. */
export interface Playground {
  /** manifests is the folder that standalone reads. */
  readonly manifests: string;
  readonly ports: Ports;
  /** port is where the proxy listens, and adminPort where it shows its metrics. */
  readonly port: number;
  readonly adminPort: number;
}

/** playLines say how to go on while it runs. */
export function playLines({ manifests, ports, port, adminPort }: Playground): readonly string[] {
  const host = hostOf('bad');
  return [
    'Everything goes on running until Ctrl-C. In another terminal:',
    '',
    `  curl -i -H 'Host: ${host}' http://127.0.0.1:${port}/`,
    `  curl http://127.0.0.1:${adminPort}/metrics`,
    `  ls ${manifests}`,
    '',
    `Mend the bad release: in ${routeFile('bad')} change port ${ports.bad.canary} to ${ports.good.canary}, which is the good version.`,
    `Then release that: in ${rolloutFile('bad')} change revision: v2 to v3. What happens is told here.`,
  ];
}
