import { expect, test } from 'vitest';
import { parseTraefikDuration } from '../../../src/api/traefik-duration.ts';
import { cookieNameOf, traefikObjectName, traefikRouterName } from '../../../src/api/traefik-names.ts';

test.each([
  [5, 5000],
  ['5', 5000],
  ['-1', -1000],
  ['100ms', 100],
  ['1m30s', 90_000],
  ['1.5h', 5_400_000],
  ['250us', 0.25],
  ['-2s', -2000],
  ['', undefined],
  ['1x', undefined],
  ['1m30', undefined],
  ['s', undefined],
  ['.s', undefined],
])('the duration %j is %j milliseconds', (value, expected) => {
  expect(parseTraefikDuration(value)).toBe(expected);
});

test('names are those of Traefik', () => {
  expect(traefikRouterName('default', 'app', 'Host(`app.test`)')).toBe(
    'default-app-1a8fea506310d80b6f91@kubernetescrd',
  );
  expect(traefikObjectName('a.b', '-x--y.')).toBe('a-b-x-y@kubernetescrd');
});

// The second is Traefik's own example (pkg/server/cookie).
test.each([
  ['/my/BACKEND-v1.0~rc1', 'any', '_my_BACKEND-v1.0~rc1'],
  ['', '/my/BACKEND-v1.0~rc1', '_5f7bc'],
  [undefined, '/my/BACKEND-v1.0~rc1', '_5f7bc'],
  ['a😀b', 'any', 'a_b'],
])('the cookie called %j of the service %s is %s', (given, service, expected) => {
  expect(cookieNameOf(given, service)).toBe(expected);
});
