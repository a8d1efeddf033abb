/** The server's side of a WebSocket (RFC 6455), as far as a test needs it: it echoes, and does what some texts say. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/** WebSocketSession is a connection as the server sees it. */
export interface WebSocketSession {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** received are the frames of the client, e.g. `text hello`, `binary 1048576`, `close 1000 bye`. */
  readonly received: readonly string[];
}

const opcodes = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
type Opcode = keyof typeof opcodes;

/** The key that proves that a server has understood (RFC 6455, 1.3). */
const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/**
 * acceptWebSocket takes the first subprotocol that is offered, and echoes messages. The text `ping TEXT` makes it send a
 * Ping with TEXT, `close CODE REASON` makes it close.
 */
export function acceptWebSocket(request: IncomingMessage, socket: Duplex, head: Buffer): WebSocketSession {
  const key = createHash('sha1').update(`${request.headers['sec-websocket-key']}${guid}`).digest('base64');
  const [protocol] = (request.headers['sec-websocket-protocol'] ?? '').split(',');
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket'];
  if (protocol !== undefined && protocol !== '') lines.push(`Sec-WebSocket-Protocol: ${protocol.trim()}`);
  socket.on('error', () => undefined);
  socket.write(`${[...lines, `Sec-WebSocket-Accept: ${key}`].join('\r\n')}\r\n\r\n`);
  const received: string[] = [];
  const message: Buffer[] = [];
  let kind: Opcode = 'text';
  const onFrame = ({ opcode, isLast, payload }: Frame): void => {
    const name = (Object.keys(opcodes) as Opcode[]).find((each) => opcodes[each] === opcode);
    if (name !== undefined && name !== 'text' && name !== 'binary') {
      received.push(describe(name, payload));
      if (name === 'ping') socket.write(frameOf('pong', payload));
      if (name === 'close') socket.end(frameOf('close', payload));
      return;
    }
    // Opcode 0 goes on with the message before.
    kind = name ?? kind;
    message.push(payload);
    if (!isLast) return;
    const whole = Buffer.concat(message.splice(0));
    received.push(describe(kind, whole));
    socket.write(replyTo(kind, whole));
  };
  let pending = head;
  const onData = (chunk: Buffer): void => {
    pending = Buffer.concat([pending, chunk]);
    for (let frame = readFrame(pending); frame !== undefined; frame = readFrame(pending)) {
      pending = pending.subarray(frame.length);
      onFrame(frame);
    }
  };
  socket.on('data', onData);
  onData(Buffer.alloc(0));
  return { request, socket, received };
}

function describe(kind: Opcode, payload: Buffer): string {
  if (kind === 'close')
    return `close ${payload.length < 2 ? '' : payload.readUInt16BE()} ${payload.subarray(2).toString()}`;
  return `${kind} ${kind === 'binary' || payload.length > 100 ? payload.length : payload.toString()}`;
}

function replyTo(kind: Opcode, payload: Buffer): Buffer {
  const text = kind === 'text' && payload.length < 100 ? payload.toString() : '';
  const [command, first = '', ...rest] = text.split(' ');
  if (command === 'ping') return frameOf('ping', Buffer.from(first));
  if (command !== 'close') return frameOf(kind, payload);
  const code = Buffer.alloc(2);
  code.writeUInt16BE(Number(first));
  return frameOf('close', Buffer.concat([code, Buffer.from(rest.join(' '))]));
}

function frameOf(kind: Opcode, payload: Buffer): Buffer {
  const head = [0x80 | opcodes[kind]];
  if (payload.length < 126) head.push(payload.length);
  else if (payload.length < 0x1_0000) head.push(126, payload.length >> 8, payload.length & 255);
  else head.push(127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (payload.length >>> shift) & 255));
  return Buffer.concat([Buffer.from(head), payload]);
}

interface Frame {
  readonly opcode: number;
  readonly isLast: boolean;
  readonly payload: Buffer;
  /** length is that of the whole frame. */
  readonly length: number;
}

/** readFrame returns the first frame of a client, whose payload is masked; undefined: it is not all there. */
function readFrame(bytes: Buffer): Frame | undefined {
  const [first, second] = bytes;
  if (first === undefined || second === undefined) return undefined;
  const short = second & 127;
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  const at = 2 + lengthBytes;
  if (bytes.length < at + 4) return undefined;
  const size = lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < at + 4 + size) return undefined;
  const mask = bytes.subarray(at, at + 4);
  const payload = Buffer.from(bytes.subarray(at + 4, at + 4 + size));
  for (const [index, byte] of payload.entries()) payload[index] = byte ^ (mask[index % 4] ?? 0);
  return { opcode: first & 15, isLast: (first & 0x80) !== 0, payload, length: at + 4 + size };
}
