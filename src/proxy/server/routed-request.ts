import type { RequestLine } from '../../rule/rule-request.ts';
import type { RequestTarget } from '../../rule/target.ts';
import type { Downstream } from '../downstream.ts';
import type { OutgoingRequest } from './exchange.ts';
import { isHopByHop } from './forwarded-headers.ts';

/** RoutedRequest is a request as rules see it: what a client says of itself is replaced, hop-by-hop headers are still there. */
export class RoutedRequest implements RequestLine {
  readonly authority: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly clientIp: string;
  readonly #client: Downstream;
  readonly #request: OutgoingRequest;
  #headers: readonly string[] | undefined;

  constructor(
    { client, request }: { readonly client: Downstream; readonly request: OutgoingRequest },
    { path, query }: RequestTarget,
  ) {
    this.authority = client.authority;
    this.method = client.method;
    this.path = path;
    this.query = query;
    this.clientIp = client.peer.address;
    this.#client = client;
    this.#request = request;
  }

  /** headers is put together only when a rule asks, which hardly any does. */
  get headers(): readonly string[] {
    return (this.#headers ??= [...this.#request.headers, ...this.#hopByHop()]);
  }

  #hopByHop(): readonly string[] {
    const { headers, upgrade } = this.#client;
    const kept: string[] = [];
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index] ?? '';
      const lower = name.toLowerCase();
      // As in Go the Host is no header, and Connection is what this proxy makes of it.
      if (isHopByHop(lower) && !ownedByProxy.has(lower)) kept.push(name, headers[index + 1] ?? '');
    }
    return upgrade === undefined ? kept : [...kept, 'Connection', 'Upgrade', 'Upgrade', upgrade];
  }
}

const ownedByProxy: ReadonlySet<string> = new Set(['host', 'connection', 'upgrade', 'transfer-encoding', 'te']);
