import tls from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../../src/clock.ts';
import { defaultCertificate, type Certificate } from '../../../../src/proxy/configuration.ts';
import { createCertificates } from '../../../../src/proxy/server/certificates.ts';
import { createListener, type Listener } from '../../../../src/proxy/server/listener.ts';
import { createAuthority } from '../../../support/certificates.ts';
import { certificate, key } from './stage.ts';

const authority = createAuthority('authority');

function issue(name: string, hosts: readonly string[], createdAt = '2026-01-01T00:00:00Z'): Certificate {
  const issued = authority.issue(name, hosts);
  return { name: `web/${name}`, certificate: issued.cert, key: issued.key, hosts, createdAt };
}

const exact = issue('exact', ['a.test']);
const wild = issue('wild', ['*.test']);
const other = issue('other', ['b.test']);
const standIn = { ...issue('standIn', []), name: defaultCertificate };

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

interface Served {
  readonly listener: Listener;
  readonly port: number;
  readonly certificates: ReturnType<typeof createCertificates>;
}

async function serve(
  options: { readonly isStrict?: boolean; readonly own?: boolean; readonly ticketKeys?: Buffer } = {},
): Promise<Served> {
  const certificates = createCertificates();
  const { isStrict = false, own = true, ticketKeys = Buffer.alloc(48, 7) } = options;
  const listener = createListener({
    entryPoint: {
      name: 'websecure',
      host: '127.0.0.1',
      port: 0,
      tls: own ? { certificate, key } : { certificate: '', key: '' },
      trustedIps: [],
      isInsecure: false,
      readTimeoutMs: 10_000,
      idleTimeoutMs: 10_000,
      maxHeaderBytes: 65_536,
    },
    clock: systemClock,
    onRequest: (downstream) => {
      downstream.head(204, [], 0);
      downstream.end([]);
    },
    tls: { certificates, isStrict, ticketKeys },
  });
  const { port } = await listener.listen();
  stops.push(() => listener.drain({ graceMs: 0 }));
  return { listener, port, certificates };
}

interface Connected {
  readonly socket: tls.TLSSocket;
  readonly subject: string;
}

function connect(port: number, options: tls.ConnectionOptions): Promise<Connected> {
  const { promise, resolve, reject } = Promise.withResolvers<Connected>();
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  stops.push(async () => socket.destroy());
  socket.on('error', reject);
  socket.on('close', () => reject(new Error('closed')));
  socket.once('secureConnect', () => {
    const subject = socket.getPeerX509Certificate()?.subject ?? '';
    // Whether a server of TLS 1.3 takes the client is known when it speaks.
    socket.once('data', () => resolve({ socket, subject }));
    socket.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  });
  return promise;
}

async function subjectFor(port: number, servername: string | undefined): Promise<string> {
  const asked = servername === undefined ? {} : { servername };
  return await connect(port, asked).then(
    ({ subject }) => subject.replace('CN=', ''),
    () => 'refused',
  );
}

describe('a client is presented', () => {
  test('the certificate of exactly its name, else of the wildcard, else that of the entry point', async () => {
    const { port, certificates } = await serve();
    certificates.apply({ set: [exact, wild], removed: [] });
    const names = ['a.test', 'A.TEST', 'x.test', 'x.y.test', 'other', undefined];
    const subjects = await Promise.all(names.map((name) => subjectFor(port, name)));
    expect(subjects).toEqual(['exact', 'exact', 'wild', 'localhost', 'localhost', 'localhost']);
  });

  test('of several for one name that of the oldest Secret', async () => {
    const { port, certificates } = await serve();
    certificates.apply({ set: [issue('young', ['a.test'], '2026-02-01T00:00:00Z'), exact], removed: [] });
    expect(await subjectFor(port, 'a.test')).toBe('exact');
    certificates.apply({ set: [], removed: [exact.name] });
    expect(await subjectFor(port, 'a.test')).toBe('young');
  });

  test('a new certificate at the next handshake, and open connections go on', async () => {
    const { port, certificates } = await serve();
    certificates.apply({ set: [exact], removed: [] });
    const { socket } = await connect(port, { servername: 'a.test' });
    certificates.apply({ set: [{ ...other, name: exact.name, hosts: ['a.test'] }], removed: [] });
    expect(await subjectFor(port, 'a.test')).toBe('other');
    const answered = new Promise((resolve) => void socket.once('data', resolve));
    socket.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    expect(String(await answered)).toMatch(/^HTTP\/1\.1 204/);
  });

  test('the default of a TLSStore where the entry point has no certificate; without either it is refused', async () => {
    const { port, certificates, listener } = await serve({ own: false });
    certificates.apply({ set: [exact], removed: [] });
    listener.refreshTls();
    expect([await subjectFor(port, 'other'), await subjectFor(port, undefined)]).toEqual(['refused', 'refused']);
    expect(await subjectFor(port, 'a.test')).toBe('exact');
    certificates.apply({ set: [standIn], removed: [] });
    listener.refreshTls();
    expect([await subjectFor(port, 'other'), await subjectFor(port, undefined)]).toEqual(['standIn', 'standIn']);
    certificates.apply({ set: [], removed: [defaultCertificate] });
    listener.refreshTls();
    expect(await subjectFor(port, 'other')).toBe('refused');
  });

  test('nothing where it asks for no name that a certificate is for, if that is strict', async () => {
    const { port, certificates } = await serve({ isStrict: true });
    certificates.apply({ set: [exact], removed: [] });
    expect(await Promise.all(['a.test', 'other', undefined].map((name) => subjectFor(port, name)))).toEqual([
      'exact',
      'refused',
      'refused',
    ]);
  });
});

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a session of %s', (version) => {
  const limits = { servername: 'a.test', minVersion: version, maxVersion: version };

  async function ticketOf({ port }: Served): Promise<Buffer> {
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...limits });
    stops.push(async () => socket.destroy());
    socket.on('session', resolve);
    socket.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    return await promise;
  }

  async function isResumed({ port }: Served, session: Buffer): Promise<boolean> {
    const { socket } = await connect(port, { ...limits, session });
    return socket.isSessionReused();
  }

  test('is resumed at another worker, and not with other keys', async () => {
    const [one, two] = [await serve(), await serve()];
    for (const { certificates } of [one, two]) certificates.apply({ set: [exact], removed: [] });
    const session = await ticketOf(one);
    expect(await isResumed(two, session)).toBe(true);
    two.listener.setTicketKeys(Buffer.alloc(48, 8));
    expect(await isResumed(two, session)).toBe(false);
  });

  test('is resumed after the default certificate changed', async () => {
    const served = await serve({ own: false });
    served.certificates.apply({ set: [exact, standIn], removed: [] });
    served.listener.refreshTls();
    const session = await ticketOf(served);
    served.certificates.apply({ set: [{ ...other, name: defaultCertificate }], removed: [] });
    served.listener.refreshTls();
    expect(await isResumed(served, session)).toBe(true);
  });
});
