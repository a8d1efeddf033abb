import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { createPools, type Pools } from '../../../src/source/pools.ts';
import { createAuthority } from '../../support/certificates.ts';

const [known, other] = [createAuthority('known'), createAuthority('other')];
const server = createServer({ ...known.issue('server'), keepAliveTimeout: 60_000 }, (_request, response) =>
  response.end('here'),
);
let handshakes = 0;
let pools: Pools;
server.on('secureConnection', () => (handshakes += 1));

beforeEach(async () => {
  handshakes = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  pools = createPools(`https://127.0.0.1:${(server.address() as AddressInfo).port}`, 1_500);
});
afterEach(async () => {
  await pools.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function ask(ca: string | undefined): Promise<string> {
  const { body } = await pools.of(ca).request({ path: '/', method: 'GET' });
  return body.text();
}

describe('pools', () => {
  test('keep a connection from one tick to the next', async () => {
    await ask(known.cert);
    await systemClock.sleep(300);
    await ask(known.cert);
    expect(handshakes).toBe(1);
    await systemClock.sleep(2_500);
    await ask(known.cert);
    expect(handshakes).toBe(2);
  });

  test('check the server against the authority of each request', async () => {
    await expect(ask(undefined)).rejects.toThrow();
    await expect(ask(other.cert)).rejects.toThrow();
    expect(await ask(`${other.cert}\n${known.cert}`)).toBe('here');
    expect(await ask(known.cert)).toBe('here');
  });
});
