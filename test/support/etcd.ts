/** What tests do to a cluster's etcd behind the API server's back, through etcd's HTTP gateway. */
import { request } from 'undici';

/** EtcdEntry is one key with its value as text. */
export interface EtcdEntry {
  readonly key: string;
  readonly value: string;
}

/** EtcdChange is one committed write. */
export interface EtcdChange {
  readonly key: string;
  /** revision is the resourceVersion of what was written; all keys share one sequence. */
  readonly revision: number;
  /** value is undefined where the key was deleted. */
  readonly value: string | undefined;
}

/** Etcd is a running etcd. */
export interface Etcd {
  /** revision returns the revision of the last write, which is what a resourceVersion is. */
  revision(): Promise<number>;
  /** compact forgets everything older than now, or than `revision`. */
  compact(revision?: number): Promise<void>;
  /**
   * put writes entries, up to 100 of them as one revision. The API server reads objects as JSON too, and thousands that
   * it did not have to check are there in a second.
   */
  put(entries: readonly EtcdEntry[]): Promise<void>;
  /**
   * follow yields every write to a key from `from` (included) to `to` (excluded), in the order in which etcd committed
   * them, from `revision` on until `signal` aborts. It throws where etcd ends or has compacted that revision.
   */
  follow(
    range: { readonly from: string; readonly to: string; readonly revision: number },
    signal: AbortSignal,
  ): AsyncIterable<EtcdChange>;
}

/** More operations than this in one transaction are refused (etcd --max-txn-ops, 128). */
const maxOperations = 100;

/** connectEtcd returns the Etcd that serves clients at `url`. */
export function connectEtcd(url: string): Etcd {
  const call = async (path: string, body: object): Promise<unknown> => {
    const answer = await request(`${url}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`etcd answered /v3/${path} with ${answer.statusCode}: ${text}`);
    return JSON.parse(text);
  };
  const revision = async (): Promise<number> => {
    const status = (await call('maintenance/status', {})) as { readonly header: { readonly revision: string } };
    return Number(status.header.revision);
  };
  return {
    revision,
    compact: async (at) => {
      await call('kv/compaction', { revision: String(at ?? (await revision())), physical: true });
    },
    put: async (entries) => {
      for (let start = 0; start < entries.length; start += maxOperations) {
        const success = entries
          .slice(start, start + maxOperations)
          .map(({ key, value }) => ({ requestPut: { key: base64(key), value: base64(value) } }));
        await call('kv/txn', { success });
      }
    },
    follow: (range, signal) => follow(url, range, signal),
  };
}

/** WatchLine is one line of a watch; the gateway leaves out what has its default, such as the type PUT. */
interface WatchLine {
  readonly result?: {
    readonly canceled?: boolean;
    readonly events?: readonly {
      readonly type?: 'DELETE';
      readonly kv: { readonly key: string; readonly value?: string; readonly mod_revision: string };
    }[];
  };
}

async function* follow(
  url: string,
  { from, to, revision }: { readonly from: string; readonly to: string; readonly revision: number },
  signal: AbortSignal,
): AsyncIterable<EtcdChange> {
  const create = { key: base64(from), range_end: base64(to), start_revision: String(revision) };
  const body = JSON.stringify({ create_request: create });
  const answer = await request(`${url}/v3/watch`, { method: 'POST', body, signal, bodyTimeout: 0 });
  for await (const line of linesOf(answer.body)) {
    const { result } = JSON.parse(line) as WatchLine;
    if (result === undefined || result.canceled === true) throw new Error(`etcd ended the watch: ${line}`);
    for (const { type, kv } of result.events ?? []) {
      const value = type === 'DELETE' ? undefined : text(kv.value ?? '');
      yield { key: text(kv.key), revision: Number(kv.mod_revision), value };
    }
  }
  throw new Error('etcd closed the watch');
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

function text(base64Text: string): string {
  return Buffer.from(base64Text, 'base64').toString('utf8');
}

/** base64 is how the gateway wants bytes. */
function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
