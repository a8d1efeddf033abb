import { describe, expect, test } from 'vitest';
import { traefikRouterName, traefikServiceNames } from '../../../src/api/traefik-names.ts';

describe("Traefik's names", () => {
  test('a service has one name for each way its port is written', () => {
    expect(traefikServiceNames({ namespace: 'web', service: 'shop-canary', ports: [80, 'http', 80] })).toEqual([
      'web-shop-canary-80@kubernetescrd',
      'web-shop-canary-http@kubernetescrd',
    ]);
  });

  test('runs of anything but letters and digits become one dash, none at the ends', () => {
    expect(traefikServiceNames({ namespace: 'a--b', service: 'c.d', ports: ['e_f-'] })).toEqual([
      'a-b-c-d-e-f@kubernetescrd',
    ]);
  });

  test('a router carries the first twenty digits of the SHA-256 of its rule', () => {
    expect(traefikRouterName('default', 'app', 'Host(`app.test`)')).toBe(
      'default-app-1a8fea506310d80b6f91@kubernetescrd',
    );
    expect(traefikRouterName('default', 'my.app', 'Host(`app.test`)')).toBe(
      'default-my-app-1a8fea506310d80b6f91@kubernetescrd',
    );
  });
});
