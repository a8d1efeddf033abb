/** Whatever breaks when, no exchange stays open, and the next request is served. */
import * as fc from 'fast-check';
import http2 from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, startHttp2Server, startServer, startStage, until, type Running, type Stage } from './stage.ts';

let http1: Running;
let streams: Running;
let stage: Stage;
let grpcStage: Stage;

beforeAll(async () => {
  http1 = await startServer((request, response) => {
    const plan = new URL(request.url ?? '', 'http://x').searchParams;
    const [delayMs, bytes] = [Number(plan.get('delay')), Number(plan.get('bytes'))];
    request.on('error', () => undefined);
    if (plan.get('reads') === 'yes') request.resume();
    // An answer that stalls or breaks is not whole, not even an empty one.
    if (plan.get('known') === 'yes')
      response.setHeader('Content-Length', plan.get('end') === 'whole' ? bytes : bytes + 1);
    setTimeout(() => {
      if (plan.get('end') === 'refuse') {
        request.socket.resetAndDestroy();
        return;
      }
      response.write(Buffer.alloc(plan.get('end') === 'whole' ? bytes : Math.floor(bytes / 2)));
      if (plan.get('end') === 'break') setTimeout(() => request.socket.destroy(), delayMs);
      else if (plan.get('end') === 'whole') response.end();
    }, delayMs);
  });
  streams = await startHttp2Server((stream, raw) => {
    const plan = new URL(raw[raw.indexOf(':path') + 1] ?? '', 'http://x').searchParams;
    const [delayMs, bytes] = [Number(plan.get('delay')), Number(plan.get('bytes'))];
    if (plan.get('reads') === 'yes') stream.resume();
    setTimeout(() => {
      if (stream.destroyed) return;
      if (plan.get('end') === 'refuse') {
        stream.destroy(new Error('refused'));
        return;
      }
      stream.respond({ ':status': 200 }, { waitForTrailers: plan.get('known') === 'yes' });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.write(Buffer.alloc(bytes));
      if (plan.get('end') === 'break') setTimeout(() => stream.destroy(new Error('broken')), delayMs);
      else if (plan.get('end') === 'whole') stream.end();
    }, delayMs);
  });
  // Nobody reads from a client that a server holds back: that it has left is found out by the read time-out.
  const entryPoint = { readTimeoutMs: 500, idleTimeoutMs: 500 };
  stage = await startStage({ servers: [http1.port], entryPoint });
  grpcStage = await startStage({ servers: [streams.port], scheme: 'h2c', entryPoint });
});

afterAll(async () => {
  await Promise.all([stage.stop(), grpcStage.stop()]);
  await Promise.all([http1.close(), streams.close()]);
});

const plan = fc.record({
  end: fc.constantFrom('whole', 'break', 'stall', 'refuse'),
  reads: fc.constantFrom('yes', 'no'),
  known: fc.constantFrom('yes', 'no'),
  delay: fc.integer({ min: 0, max: 8 }),
  bytes: fc.constantFrom(0, 1, 5000, 300_000),
  /** leavesAfterMs: the client goes, by a reset or in order. */
  leavesAfterMs: fc.integer({ min: 0, max: 20 }),
  isReset: fc.boolean(),
  readsSlowly: fc.boolean(),
  bodyBytes: fc.constantFrom(0, 10, 200_000),
  sendsAll: fc.boolean(),
  isHttp2: fc.boolean(),
});
type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

const target = ({ end, reads, known, delay, bytes }: Plan): string =>
  `/?end=${end}&reads=${reads}&known=${known}&delay=${delay}&bytes=${bytes}`;

async function runHttp1(port: number, each: Plan): Promise<void> {
  const socket = await connect(port);
  if (each.readsSlowly) socket.pause();
  else socket.resume();
  const method = each.bodyBytes === 0 ? 'GET' : 'POST';
  const length = each.bodyBytes === 0 ? '' : `Content-Length: ${each.bodyBytes}\r\n`;
  socket.write(`${method} ${target(each)} HTTP/1.1\r\nHost: a.test\r\n${length}\r\n`);
  if (each.bodyBytes > 0) socket.write(Buffer.alloc(each.sendsAll ? each.bodyBytes : each.bodyBytes / 2));
  await sleep(each.leavesAfterMs);
  if (each.isReset) socket.resetAndDestroy();
  else socket.destroy();
}

async function runHttp2(session: http2.ClientHttp2Session, each: Plan): Promise<void> {
  const method = each.bodyBytes === 0 ? 'GET' : 'POST';
  const stream = session.request({ ':method': method, ':path': target(each) }, { endStream: each.bodyBytes === 0 });
  stream.on('error', () => undefined);
  if (!each.readsSlowly) stream.resume();
  if (each.bodyBytes > 0) stream.write(Buffer.alloc(each.bodyBytes));
  if (each.bodyBytes > 0 && each.sendsAll) stream.end();
  await sleep(each.leavesAfterMs);
  stream.close(each.isReset ? http2.constants.NGHTTP2_CANCEL : http2.constants.NGHTTP2_NO_ERROR);
}

test.each(['h1', 'h2c'] as const)(
  'no interleaving leaves an exchange open (servers of %s)',
  async (scheme) => {
    const tested = scheme === 'h1' ? stage : grpcStage;
    await fc.assert(
      fc.asyncProperty(fc.array(plan, { minLength: 1, maxLength: 12 }), async (plans) => {
        const session = http2.connect(`http://127.0.0.1:${tested.web}`);
        session.on('error', () => undefined);
        await Promise.all(plans.map((each) => (each.isHttp2 ? runHttp2(session, each) : runHttp1(tested.web, each))));
        session.destroy();
        await until(() => tested.openExchanges() === 0 && tested.openStreams() === 0, 3000);
        await until(() => tested.openConnections() === 0, 3000);
        const healthy = http2.connect(`http://127.0.0.1:${tested.web}`);
        const stream = healthy.request({ ':path': '/?end=whole&bytes=5' });
        let bytes = 0;
        stream.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
        });
        await until(() => bytes === 5, 3000);
        healthy.destroy();
        await until(() => tested.openConnections() === 0, 3000);
      }),
      { numRuns: 40 },
    );
    expect(tested.openExchanges()).toBe(0);
  },
  60_000,
);
