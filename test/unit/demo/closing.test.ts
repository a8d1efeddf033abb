import { expect, test } from 'vitest';
import { nextLines, playLines } from '../../../src/demo/closing.ts';
import { rolloutManifest, routeManifest } from '../../../src/demo/stories.ts';

test('what to type next is what works here', () => {
  expect(nextLines({ demo: 'npm run demo --', program: 'npm start --' })).toEqual([
    'Next:',
    '  npm run demo -- --keep        leaves it running, to release something yourself',
    '  npm start -- standalone DIR   your services, no cluster: docs/standalone.md',
    '  README.md                     how it goes on a cluster, behind Traefik',
  ]);
});

test('the edits that are proposed can be made in the files that are named', () => {
  const ports = { good: { stable: 4001, canary: 4002 }, bad: { stable: 4003, canary: 4004 } };
  const text = playLines({ manifests: '/tmp/x/manifests', ports, port: 8000, adminPort: 8080 }).join('\n');
  expect(text).toContain('in bad.yaml change port 4004 to 4002');
  expect(text).toContain('in bad-rollout.yaml change revision: v2 to v3');
  expect(text).toContain("curl -i -H 'Host: bad.localhost' http://127.0.0.1:8000/");
  expect(routeManifest('bad', ports.bad)).toContain('port: 4004}');
  expect(rolloutManifest('bad')).toContain('revision: v2\n');
});
