/**
 * The lock of a state directory: a socket in it that listens as long as its process lives, so that kill -9 releases it.
 * Unlike a pid in a file it is right between containers that share the directory, and nobody else can have the number.
 */
import { lstat, realpath, stat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { platform } from 'node:os';
import path from 'node:path';
import { pid } from 'node:process';
import type { Clock } from '../clock.ts';
import { SluiceError } from '../errors.ts';

/** StateLock is held until it is released, or the process ends. */
export interface StateLock {
  /** isHeld tells whether it still is ours: somebody may have removed the directory, or its socket. */
  isHeld(): Promise<boolean>;
  release(): Promise<void>;
}

/** The file name of the socket. */
const socketName = 'lock';

/** An owner that is stopped or busy accepts connections, but does not answer. */
const answerMs = 500;

/** sun_path of macOS; Linux has 4 more. */
const maxSocketPath = 103;

/** lockState takes the lock, or throws ConfigInvalid with a sentence that says who has it. */
export async function lockState(directory: string, clock: Clock): Promise<StateLock> {
  const address = await addressOf(directory);
  for (let tries = 0; tries < 10; tries += 1) {
    const listening = await listen(directory, address);
    if (listening !== undefined) return held(listening);
    const owner = await askOwner(address, clock);
    if (owner !== 'Gone') throw inUse(directory, owner);
    await removeStale(address);
  }
  throw inUse(directory, undefined);
}

interface Address {
  /** file is where the socket is seen; undefined where the system removes its name with the process. */
  readonly file: string | undefined;
  readonly socket: string;
}

interface Listening extends Address {
  readonly server: Server;
}

async function addressOf(directory: string): Promise<Address> {
  const file = path.join(await realpath(directory), socketName);
  if (platform() === 'win32') return { file: undefined, socket: `\\\\.\\pipe\\${await nameOf(directory)}` };
  if (Buffer.byteLength(file) <= maxSocketPath) return { file, socket: file };
  if (platform() === 'linux') return abstractAddress(directory);
  throw new SluiceError(
    'ConfigInvalid',
    `The path of the state directory ${directory} is too long for its lock (${Buffer.byteLength(file)} bytes, at most ${maxSocketPath}); choose a shorter one.`,
  );
}

/** The name of a socket of Linux that is in no folder: seen by the processes of one network namespace only. */
async function abstractAddress(directory: string): Promise<Address> {
  return { file: undefined, socket: `\0${await nameOf(directory)}` };
}

async function nameOf(directory: string): Promise<string> {
  const { dev, ino } = await stat(directory, { bigint: true });
  return `sluice-state-${dev}-${ino}`;
}

/** listen returns undefined where there is a socket already. */
async function listen(directory: string, address: Address): Promise<Listening | undefined> {
  try {
    return { ...address, server: await bind(address.socket) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') return undefined;
    // File systems that are shared with a virtual machine often have no sockets.
    if (address.file !== undefined && platform() === 'linux' && code !== 'EACCES' && code !== 'EROFS') {
      return listen(directory, await abstractAddress(directory));
    }
    throw new SluiceError('ConfigInvalid', `The state directory ${directory} cannot be locked: ${message}.`);
  }
}

function bind(socket: string): Promise<Server> {
  const server = createServer((client) => {
    client.on('error', () => {});
    client.end(String(pid));
  });
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, () => resolve(server));
  });
}

async function held({ server, file }: Listening): Promise<StateLock> {
  const own = file === undefined ? undefined : await inode(file);
  return {
    isHeld: async () => file === undefined || (own !== undefined && (await inode(file)) === own),
    // Closing removes the socket too.
    release: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** askOwner returns what is known of the process that listens; `Gone` where none does. */
function askOwner({ socket }: Address, clock: Clock): Promise<string | undefined> {
  return new Promise((resolve) => {
    const client = connect(socket);
    const giveUp = clock.schedule(answerMs, () => finish(undefined));
    let text = '';
    const finish = (found: string | undefined): void => {
      giveUp();
      client.destroy();
      resolve(found);
    };
    client.setEncoding('utf8');
    client.on('data', (chunk: string) => (text += chunk));
    client.on('end', () => finish(/^[0-9]+$/.test(text) ? text : undefined));
    client.on('error', ({ code }: NodeJS.ErrnoException) =>
      finish(code === 'ECONNREFUSED' || code === 'ENOENT' ? 'Gone' : undefined),
    );
  });
}

/**
 * Between the answer and this somebody else may have taken the lock. That his socket is removed then is seen by him
 * before his next write (isHeld), so that two never write.
 */
async function removeStale({ file }: Address): Promise<void> {
  if (file !== undefined) await unlink(file).catch(() => {});
}

async function inode(file: string): Promise<bigint | undefined> {
  const found = await lstat(file, { bigint: true }).catch(() => undefined);
  return found?.ino;
}

function inUse(directory: string, owner: string | undefined): SluiceError {
  const who = owner === undefined ? 'another process' : `process ${owner}`;
  return new SluiceError(
    'ConfigInvalid',
    `The state directory ${directory} is in use by ${who}; stop that one, or choose another state directory with --state.`,
  );
}
