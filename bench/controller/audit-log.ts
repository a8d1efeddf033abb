/** What the API server recorded of the controller's requests, read while it grows. */
import { open, stat, type FileHandle } from 'node:fs/promises';

/** ApiRequest is one request of the controller; a watch is one, however long it lasts. */
export interface ApiRequest {
  readonly verb: string;
  /** resource is the plural, with the subresource where there is one: `rollouts/status`. */
  readonly resource: string;
  readonly name: string;
  readonly code: number;
  /** receivedMs is when the API server got it, with fractions: milliseconds since the epoch. */
  readonly receivedMs: number;
  /** doneMs is when it was answered; of a watch when the answer began. */
  readonly doneMs: number;
}

/** auditPolicyFor records the metadata of one user's requests and nothing else, so that the log costs little. */
export function auditPolicyFor(user: string): string {
  return JSON.stringify({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: [{ level: 'Metadata', users: [user], omitManagedFields: true }, { level: 'None' }],
  });
}

interface AuditLine {
  readonly verb: string;
  readonly stage: string;
  readonly objectRef?: { readonly resource?: string; readonly name?: string; readonly subresource?: string };
  readonly responseStatus?: { readonly code?: number };
  readonly requestReceivedTimestamp: string;
  readonly stageTimestamp: string;
}

/** AuditLog keeps all requests that it has read; `read` has to be called at least once a minute, because the API server rotates the file. */
export class AuditLog {
  readonly #file: string;
  readonly #requests: ApiRequest[] = [];
  #handle: FileHandle | undefined;
  #rest = '';

  constructor(file: string) {
    this.#file = file;
  }

  /** requests are those that were read so far, in the order of the log. */
  get requests(): readonly ApiRequest[] {
    return this.#requests;
  }

  /** read takes in what was written since. */
  async read(): Promise<void> {
    this.#handle ??= await open(this.#file).catch(() => undefined);
    if (this.#handle === undefined) return;
    // Asked before reading to the end: what is written into a rotated file is complete.
    const isRotated = await this.#isRotated(this.#handle);
    await this.#readToEnd(this.#handle);
    if (!isRotated) return;
    await this.#handle.close();
    this.#handle = await open(this.#file);
    await this.#readToEnd(this.#handle);
  }

  /** close ends the reading. */
  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async #isRotated(handle: FileHandle): Promise<boolean> {
    const [held, named] = await Promise.all([handle.stat(), stat(this.#file).catch(() => undefined)]);
    return named !== undefined && named.ino !== held.ino;
  }

  async #readToEnd(handle: FileHandle): Promise<void> {
    const buffer = Buffer.alloc(1 << 20);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return;
      // Names and numbers only: a character is one byte.
      const lines = (this.#rest + buffer.toString('latin1', 0, bytesRead)).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.#take(line);
    }
  }

  #take(line: string): void {
    const event = JSON.parse(line) as AuditLine;
    // The end of a watch is not another request.
    if (event.verb === 'watch' && event.stage !== 'ResponseStarted') return;
    const { resource = '', name = '', subresource } = event.objectRef ?? {};
    this.#requests.push({
      verb: event.verb,
      resource: subresource === undefined ? resource : `${resource}/${subresource}`,
      name,
      code: event.responseStatus?.code ?? 0,
      receivedMs: parseMicroTime(event.requestReceivedTimestamp),
      doneMs: parseMicroTime(event.stageTimestamp),
    });
  }
}

/** parseMicroTime reads metav1.MicroTime, e.g. `2026-11-21T09:50:38.123456Z`, to milliseconds with fractions. */
function parseMicroTime(text: string): number {
  return Date.parse(`${text.slice(0, 19)}Z`) + Number(`0.${text.slice(20, -1)}`) * 1000;
}
