/** An HTTP/1 client that writes any bytes and says exactly what came back. */
import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import tls from 'node:tls';

/** Fields are headers by lower-cased name, with all values of a name in their order. */
export type Fields = Readonly<Record<string, readonly string[]>>;

/** Answer is a response as read from the socket; texts are latin1. */
export interface Answer {
  readonly version: string;
  readonly status: number;
  readonly reason: string;
  /** fields have a `date` of `now`, where there is one. */
  readonly fields: Fields;
  /** names are the headers' names as written, in their order. */
  readonly names: readonly string[];
  readonly framing: 'None' | 'Length' | 'Chunked' | 'Close';
  readonly body: string;
  readonly trailers: Fields;
  /** isWhole: false where the connection ended before the answer did. */
  readonly isWhole: boolean;
  /** informational are the 1xx answers before it. */
  readonly informational: readonly { readonly status: number; readonly fields: Fields }[];
}

/** Http1Client is one connection. */
export interface Http1Client extends AsyncDisposable {
  readonly socket: Socket;
  write(text: string): void;
  /** line reads up to the next line feed, and returns it without the end of line; undefined at the end of the connection. */
  line(): Promise<string | undefined>;
  /** bytes returns what has come, at least one byte; undefined at the end of the connection. */
  bytes(): Promise<string | undefined>;
  /** head reads status line and headers, 1xx ones too. */
  head(): Promise<Head>;
  /** answer reads a whole answer to a request with this method. */
  answer(method?: string): Promise<Answer>;
  /** ended resolves when the other end has closed: in order, or by a reset. */
  ended(): Promise<'End' | 'Reset'>;
}

/** Head is an answer without its body. */
export type Head = Pick<Answer, 'version' | 'status' | 'reason' | 'fields' | 'names'>;

/** connectHttp1 connects to a port of this machine; with `isTls` it offers only http/1.1, and takes any certificate. */
export async function connectHttp1(port: number, { isTls = false } = {}): Promise<Http1Client> {
  const to = { port, host: '127.0.0.1' };
  const socket = isTls
    ? tls.connect({ ...to, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
    : net.connect(to);
  const client = new RawClient(socket);
  await once(socket, isTls ? 'secureConnect' : 'connect');
  return client;
}

/** ask sends text on a connection of its own and returns the answer. */
export async function ask(port: number, text: string, options: { readonly isTls?: boolean } = {}): Promise<Answer> {
  await using client = await connectHttp1(port, options);
  client.write(text);
  return await client.answer(text.split(' ', 1)[0]);
}

class RawClient implements Http1Client {
  readonly socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #end: 'End' | 'Reset' | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    const changed = (): void => this.#wake?.();
    socket.on('data', (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      changed();
    });
    const ended = (how: 'End' | 'Reset') => (): void => {
      this.#end ??= how;
      changed();
    };
    socket.on('end', ended('End')).on('error', ended('Reset')).on('close', ended('End'));
  }

  write(text: string): void {
    this.socket.write(text, 'latin1');
  }

  async line(): Promise<string | undefined> {
    let from = 0;
    for (;;) {
      const at = this.#received.indexOf('\n', from);
      if (at !== -1) return this.#take(at + 1).replace(/\r?\n$/, '');
      from = this.#received.length;
      if (!(await this.#more())) return undefined;
    }
  }

  async bytes(): Promise<string | undefined> {
    while (this.#received.length === 0) if (!(await this.#more())) return undefined;
    return this.#take(this.#received.length);
  }

  async head(): Promise<Head> {
    const first = await this.line();
    if (first === undefined) return { version: '', status: 0, reason: '', fields: {}, names: [] };
    const [, version = '', status = '', reason = ''] = /^HTTP\/(\S+) (\d{3}) ?(.*)$/.exec(first) ?? [];
    if (version === '') throw new Error(`That is no status line: ${JSON.stringify(first)}`);
    const { fields, names } = await this.#fields();
    return { version, status: Number(status), reason, fields, names };
  }

  async answer(method = 'GET'): Promise<Answer> {
    const informational: { status: number; fields: Fields }[] = [];
    let head = await this.head();
    while (head.status >= 100 && head.status < 200 && head.status !== 101) {
      informational.push({ status: head.status, fields: head.fields });
      head = await this.head();
    }
    return { ...head, informational, ...(await this.#body(method, head)) };
  }

  async ended(): Promise<'End' | 'Reset'> {
    while (this.#end === undefined) await this.#more();
    return this.#end;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.destroyed) return;
    this.socket.destroy();
    await once(this.socket, 'close');
  }

  async #body(
    method: string,
    { status, fields }: Head,
  ): Promise<Pick<Answer, 'framing' | 'body' | 'trailers' | 'isWhole'>> {
    const length = fields['content-length']?.[0];
    const isBodyless = method === 'HEAD' || status < 200 || status === 204 || status === 304 || status === 0;
    if (isBodyless) return { framing: 'None', body: '', trailers: {}, isWhole: status !== 0 };
    if (fields['transfer-encoding'] !== undefined) return { framing: 'Chunked', ...(await this.#chunked()) };
    if (length !== undefined) return { framing: 'Length', trailers: {}, ...(await this.#sized(Number(length))) };
    const body = await this.#toEnd();
    return { framing: 'Close', body, trailers: {}, isWhole: this.#end === 'End' };
  }

  async #sized(length: number): Promise<{ body: string; isWhole: boolean }> {
    while (this.#received.length < length) {
      if (!(await this.#more())) return { body: this.#take(this.#received.length), isWhole: false };
    }
    return { body: this.#take(length), isWhole: true };
  }

  async #toEnd(): Promise<string> {
    while (await this.#more());
    return this.#take(this.#received.length);
  }

  async #chunked(): Promise<{ body: string; trailers: Fields; isWhole: boolean }> {
    let body = '';
    for (;;) {
      const size = await this.line();
      if (size === undefined) return { body, trailers: {}, isWhole: false };
      const length = Number.parseInt(size, 16);
      if (length === 0) return { body, trailers: (await this.#fields()).fields, isWhole: true };
      const chunk = await this.#sized(length);
      body += chunk.body;
      if (!chunk.isWhole) return { body, trailers: {}, isWhole: false };
      await this.line();
    }
  }

  async #fields(): Promise<{ fields: Fields; names: readonly string[] }> {
    const list: string[] = [];
    for (;;) {
      const line = await this.line();
      if (line === undefined || line === '') break;
      const colon = line.indexOf(':');
      list.push(line.slice(0, colon), line.slice(colon + 1).trim());
    }
    return { fields: fieldsOf(list), names: list.filter((_, index) => index % 2 === 0) };
  }

  #take(length: number): string {
    const text = this.#received.toString('latin1', 0, length);
    this.#received = this.#received.subarray(length);
    return text;
  }

  /** False at the end of the connection. */
  async #more(): Promise<boolean> {
    if (this.#end !== undefined) return false;
    const before = this.#received;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
    return this.#received !== before || this.#end === undefined;
  }
}

/** fieldsOf makes Fields of a flat list of names and values. */
export function fieldsOf(list: readonly string[]): Fields {
  const fields = new Map<string, string[]>();
  for (let index = 0; index + 1 < list.length; index += 2) {
    const name = (list[index] ?? '').toLowerCase();
    const value = name === 'date' ? 'now' : (list[index + 1] ?? '');
    fields.set(name, [...(fields.get(name) ?? []), value]);
  }
  return Object.fromEntries([...fields].sort(([one], [other]) => (one < other ? -1 : 1)));
}
