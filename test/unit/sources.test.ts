import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resources, type EndpointSlice } from '../../src/api/kubernetes.ts';
import { systemClock } from '../../src/clock.ts';
import { parseSettings, type RawSettings } from '../../src/config.ts';
import type { Verifier } from '../../src/reconciler/verifier.ts';
import { createVerifier, readTraefikAccess } from '../../src/sources.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { effectQuestion } from '../../src/traffic/effect.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryDirectory } from '../support/processes.ts';
import { shopPair, shopRoutes } from '../support/rollout-builders.ts';
import { startTraefikStandIn, type TraefikStandIn } from './source/traefik-stand-in.ts';

const question = effectQuestion({ resource: resources.ingressRoutes, key: 'web/shop', routes: shopRoutes }, shopPair, {
  stable: [],
  canary: [],
});

describe('the verifier that the settings ask for', () => {
  let traefik: TraefikStandIn;
  let stop: AbortController;
  let slices: readonly EndpointSlice[];
  const metrics = createMetrics();

  beforeEach(async () => {
    traefik = await startTraefikStandIn();
    stop = new AbortController();
    slices = [];
  });
  afterEach(async () => {
    stop.abort();
    await traefik.close();
  });

  const create = async (raw: RawSettings): Promise<Verifier | undefined> => {
    const settings = parseSettings(raw);
    const parts = { clock: systemClock, nowMs: () => systemClock.nowMs(), onChange: () => undefined, metrics };
    const logger = createLogger({ level: 'silent' });
    const access = await readTraefikAccess(settings, systemClock);
    const caches = { endpointSlices: (key: string) => (key === 'edge/traefik' ? slices : []) };
    return createVerifier(settings, caches, { ...parts, access, logger, signal: stop.signal });
  };
  const kinds = (verifier: Verifier | undefined): readonly string[] =>
    (verifier?.findings('web/shop', question) ?? []).map(({ name, kind }) => `${name} ${kind}`);

  it('is none where no Traefik is named', async () => {
    expect(await create({})).toBeUndefined();
  });

  it('asks the ready endpoints of the Service, and neither those that stop nor those that have not begun', async () => {
    const port = new URL(traefik.endpoint.url).port;
    const endpoints = [
      { addresses: ['127.0.0.1'], conditions: { ready: true } },
      { addresses: ['127.0.0.2'], conditions: { ready: false } },
      { addresses: ['127.0.0.3'], conditions: { ready: true, terminating: true } },
    ];
    slices = [{ metadata: { name: 'traefik-1', namespace: 'edge' }, endpoints }];
    const verifier = await create({ traefikApiService: 'edge/traefik', traefikApiPort: port });
    traefik.weights = undefined;
    verifier?.follow('web/shop', question);
    await eventually(() => kinds(verifier).length > 0 && !kinds(verifier)[0]?.endsWith('Unasked'));
    expect(kinds(verifier)).toEqual([`127.0.0.1:${port} Missing`]);
    expect(await metrics.text()).toContain('sluice_traefik_api_asks_total{result="Missing"} 1');
  });

  it('sends the login of the file, and refuses a file that cannot be used by the name of its flag', async () => {
    const directory = await temporaryDirectory('access');
    const file = path.join(directory.path, 'login');
    await writeFile(file, 'ann:secret\n');
    const verifier = await create({ traefikApiUrls: traefik.endpoint.url, traefikApiBasicAuthFile: file });
    verifier?.follow('web/shop', question);
    await eventually(() => traefik.requests.length > 0);
    expect(traefik.headers.authorization).toBe(`Basic ${Buffer.from('ann:secret').toString('base64')}`);
    await writeFile(file, 'secret');
    const refused = create({ traefikApiUrls: traefik.endpoint.url, traefikApiBasicAuthFile: file });
    await expect(refused).rejects.toThrow('--traefik-api-basic-auth-file: the file must hold user:password.');
    await directory.remove();
  });
});
