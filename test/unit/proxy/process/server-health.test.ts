import { expect, test } from 'vitest';
import type { LoadBalancer } from '../../../../src/proxy/configuration.ts';
import { createServerHealth, type Served } from '../../../../src/proxy/process/server-health.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { leaf, serverSetsOf } from '../services/service-builders.ts';

function configured(...services: readonly LoadBalancer[]): Served {
  return {
    services: new Map(services.map((service) => [service.name, service])),
    serverSets: new Map(serverSetsOf(services).map((set) => [set.name, set])),
  };
}

test('a server that failed too often is down for as long as it is left alone, and up again from then on', async () => {
  const clock = new ManualClock();
  const health = createServerHealth(clock);
  const services = configured(leaf('a', ['a1', 'a2']), leaf('b', ['a1']));
  expect(health.states(services)).toEqual([]);
  health.down({ leaf: 'a', url: 'http://a1:80', forMs: 1000 });
  const [down, up] = [false, true].map((isUp) => ({ service: 'a', url: 'http://a1:80', isUp }));
  expect(health.states(services)).toEqual([down]);
  await clock.advance(999);
  expect(health.states(services)).toEqual([down]);
  await clock.advance(1);
  expect(health.states(services)).toEqual([up]);
  health.down({ leaf: 'a', url: 'http://a1:80', forMs: 1000 });
  expect(health.states(services)).toEqual([down]);
});

test('what is not configured any more is forgotten', () => {
  const health = createServerHealth(new ManualClock());
  health.down({ leaf: 'a', url: 'http://a1:80', forMs: 1000 });
  expect(health.states(configured(leaf('a', ['a2'])))).toEqual([]);
  expect(health.states(configured(leaf('a', ['a1'])))).toEqual([]);
  health.down({ leaf: 'a', url: 'http://a1:80', forMs: 1000 });
  expect(health.states(configured())).toEqual([]);
});
