/** Asks the API of one Traefik, or of Sluice's proxy, about routers and services. What can go wrong is a value. */
import type { Dispatcher } from 'undici';
import type { Clock } from '../clock.ts';
import { withoutProvider, type ShownService } from '../traffic/effect.ts';
import type { Access, AccessSource } from './access-files.ts';
import { createPools } from './pools.ts';

/** ReplicaEndpoint is where one replica of the data plane shows its API; `name` is what people call it, such as `host:port`. */
export interface ReplicaEndpoint {
  readonly name: string;
  /** url is the base URL, to which `/api` is added. */
  readonly url: string;
}

/** NamedService is a service, and whose it is. */
export interface NamedService extends ShownService {
  /** usedBy are the names of the routers that send to it. */
  readonly usedBy: readonly string[];
  /** problem is Traefik's text where it has switched the service off. */
  readonly problem: string | undefined;
}

/** NamedRouter is a router. */
export interface NamedRouter {
  /** problem is Traefik's text where it has switched the router off. */
  readonly problem: string | undefined;
}

/** ApiReply is what a replica answers: what was asked for, that there is none, or why it cannot be asked. */
export type ApiReply<T> =
  | { readonly kind: 'Found'; readonly value: T }
  | { readonly kind: 'Missing' }
  | { readonly kind: 'Unreachable'; readonly message: string };

/** TraefikApi asks one replica; it never throws. Names are with the provider. */
export interface TraefikApi {
  readonly service: (name: string) => Promise<ApiReply<NamedService>>;
  readonly router: (name: string) => Promise<ApiReply<NamedRouter>>;
  /** close ends what is under way, and all connections. */
  readonly close: () => Promise<void>;
}

/** A replica that takes longer is one that cannot be asked: it has nothing to compute. */
const timeoutMs = 2_000;
const idleMs = 60_000;

/** A service with some thousand servers. */
const maxBodyBytes = 1024 * 1024;
const maxTextChars = 200;

/** createTraefikApi does no I/O before the first question. Redirects are not followed: credentials go to the configured host only. */
export function createTraefikApi(
  { url: given }: ReplicaEndpoint,
  { clock, access }: { readonly clock: Clock; readonly access?: AccessSource | undefined },
): TraefikApi {
  const url = new URL(given);
  const base = url.pathname.replace(/(?:\/api)?\/*$/, '');
  const pools = createPools(url.origin, idleMs);

  async function get(what: string, name: string): Promise<ApiReply<Fields>> {
    const signal = clock.timeout(timeoutMs);
    try {
      const { headers, ca } = (await access?.current()) ?? noAccess;
      const path = `${base}/api/http/${what}/${encodeURIComponent(name)}`;
      const request = { path, method: 'GET', signal, headersTimeout: 0, bodyTimeout: 0 } as const;
      const response = await pools.of(ca).request({ ...request, headers: { ...headers, 'user-agent': 'sluice' } });
      if (response.statusCode === 401) access?.onRefused();
      return readReply(response.statusCode, await readBody(response.body));
    } catch (error) {
      const why = signal.aborted ? `within ${timeoutMs} ms` : `(${codeOf(error)})`;
      return unreachable(`did not answer ${why}`);
    }
  }

  return {
    service: async (name) => mapReply(await get('services', name), toService),
    router: async (name) => mapReply(await get('routers', name), toRouter),
    close: () => pools.close(),
  };
}

type Fields = Readonly<Record<string, unknown>>;

const noAccess: Access = { headers: {} };

/** readBody returns undefined where there is more than anybody needs; what is left of it ends with the connection. */
async function readBody(body: Dispatcher.ResponseData['body']): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function readReply(status: number, text: string | undefined): ApiReply<Fields> {
  if (text === undefined) return unreachable(`answered more than ${maxBodyBytes} bytes`);
  const fields = parseFields(text);
  // Where the API is switched off every path is 404, too, but in plain text.
  if (status === 404 && / not found: /.test(textOf(fields?.['message']))) return { kind: 'Missing' };
  if (status === 404) return unreachable('answered 404: has it an API there?');
  if (status !== 200) return unreachable(`answered ${status}`);
  if (fields === undefined || typeof fields['status'] !== 'string')
    return unreachable("answered something other than Traefik's API does");
  return { kind: 'Found', value: fields };
}

function parseFields(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function mapReply<T, U>(reply: ApiReply<T>, map: (value: T) => U): ApiReply<U> {
  return reply.kind === 'Found' ? { kind: 'Found', value: map(reply.value) } : reply;
}

function toRouter(fields: Fields): NamedRouter {
  return { problem: problemOf(fields) };
}

function toService(fields: Fields): NamedService {
  const [weighted, loadBalancer] = [fields['weighted'], fields['loadBalancer']];
  const children = isFields(weighted) ? listOf(weighted['services']).filter(isFields) : undefined;
  const servers = isFields(loadBalancer) ? listOf(loadBalancer['servers']).filter(isFields) : [];
  return {
    weights: children?.map(({ name, weight }) => ({
      name: withoutProvider(textOf(name)),
      weight: typeof weight === 'number' ? weight : 1,
    })),
    servers: servers.map(({ url }) => textOf(url)),
    usedBy: listOf(fields['usedBy']).map(textOf),
    problem: problemOf(fields),
  };
}

/** Traefik has three states: enabled, warning (it serves, without an entry point that does not exist, e.g.) and disabled. */
function problemOf({ status, error }: Fields): string | undefined {
  if (status !== 'disabled') return undefined;
  const text = listOf(error).map(textOf).join('; ');
  return text.replace(/[\s\p{Cc}]+/gu, ' ').slice(0, maxTextChars) || 'without a reason';
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no reason given';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

function unreachable(message: string): { readonly kind: 'Unreachable'; readonly message: string } {
  return { kind: 'Unreachable', message };
}
