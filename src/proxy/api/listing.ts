/** ApiAnswer is an answer in JSON. */
export interface ApiAnswer {
  readonly status: 200 | 400 | 404;
  readonly body: unknown;
  /** nextPage goes into the header X-Next-Page of a list; 1 after the last page. */
  readonly nextPage?: number;
}

/** Listed is what every item of a list has. */
export interface Listed {
  readonly name: string;
  readonly status: string;
  readonly service?: string;
  readonly rule?: string;
  readonly middlewares?: readonly string[];
  readonly entryPoints?: readonly string[];
  readonly [field: string]: unknown;
}

/** list returns a page of the items that a query asks for, as Traefik does (pkg/api: criterion.go, sort.go). */
export function list(items: readonly Listed[], query: URLSearchParams): ApiAnswer {
  const kept = items.filter((item) => isAskedFor(item, query)).sort(orderOf(query));
  return page(kept, query);
}

/** page returns a part of a list; `per_page` is 100 without saying. */
export function page(items: readonly unknown[], query: URLSearchParams): ApiAnswer {
  const perPage = readCount(query, 'per_page', 100);
  const number = readCount(query, 'page', 1);
  if (perPage === undefined) return refuse(400, `invalid request: per_page: ${query.get('per_page') ?? ''}`);
  if (number === undefined) return refuse(400, `invalid request: page: ${query.get('page') ?? ''}`);
  const start = (number - 1) * perPage;
  if (start > 0 && start >= items.length) return refuse(400, `invalid request: page: ${number}, per_page: ${perPage}`);
  const end = start + perPage;
  return { status: 200, body: items.slice(start, end), nextPage: end < items.length ? number + 1 : 1 };
}

/** refuse is an answer without what was asked for. */
export function refuse(status: 400 | 404, message: string): ApiAnswer {
  return { status, body: { message } };
}

function readCount(query: URLSearchParams, key: string, otherwise: number): number | undefined {
  const text = query.get(key) ?? '';
  if (text === '') return otherwise;
  const value = Number(text);
  return Number.isInteger(value) && value > 0 ? value : undefined;
}

function isAskedFor(item: Listed, query: URLSearchParams): boolean {
  const search = (query.get('search') ?? '').toLowerCase();
  const status = (query.get('status') ?? '').toLowerCase();
  const middleware = query.get('middlewareName') ?? '';
  return (
    (status === '' || item.status.toLowerCase() === status) &&
    [item.rule ?? '', item.name].some((text) => text.toLowerCase().includes(search)) &&
    isOfService(item.service, query.get('serviceName') ?? '') &&
    (middleware === '' || (item.middlewares ?? []).includes(middleware))
  );
}

/** Routers name their service without the provider; who asks may add it. */
function isOfService(service: string | undefined, asked: string): boolean {
  if (asked === '' || service === undefined) return true;
  return service.includes('@') ? service === asked : service === asked.replace(/@.*$/, '');
}

function orderOf(query: URLSearchParams): (one: Listed, other: Listed) => number {
  const by = query.get('sortBy') ?? 'name';
  const sign = query.get('direction') === 'desc' ? -1 : 1;
  return (one, other) => sign * (compare(sortValue(one, by), sortValue(other, by)) || compare(one.name, other.name));
}

function sortValue(item: Listed, by: string): string | number {
  const value = item[by];
  if (Array.isArray(value)) return value.length;
  return typeof value === 'string' || typeof value === 'number' ? value : '';
}

function compare(one: string | number, other: string | number): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
