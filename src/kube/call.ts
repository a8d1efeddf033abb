import type { Dispatcher } from 'undici';

/** RequestVerb is what the API server's metrics and RBAC call the request. */
export type RequestVerb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';

/** KubeCall is one request; `path` starts with /api or /apis, and `deadlineMs` bounds all its tries together. */
export interface KubeCall {
  readonly verb: RequestVerb;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>> | undefined;
  readonly body?: unknown;
  /** contentType is application/json where left out. */
  readonly contentType?: string | undefined;
  /** accept is application/json where left out. */
  readonly accept?: string | undefined;
  /** deadlineMs defaults by verb: get 15 s, list 60 s, writes 10 s, and for a watch 30 s until its headers. */
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** permit is asked in the step that hands the request to the socket, at each try; false: nothing is sent, NotLeading. */
  readonly permit?: (() => boolean) | undefined;
}

/** httpMethods are the HTTP methods of the verbs. */
export const httpMethods = {
  get: 'GET',
  list: 'GET',
  watch: 'GET',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
} as const satisfies Record<RequestVerb, Dispatcher.HttpMethod>;

/** describeCall names a call in messages, e.g. `GET /api/v1/pods`. */
export function describeCall(call: KubeCall): string {
  return `${httpMethods[call.verb]} ${call.path}`;
}

/** isWrite tells whether a call may change something. */
export function isWrite(call: KubeCall): boolean {
  return httpMethods[call.verb] !== 'GET';
}
