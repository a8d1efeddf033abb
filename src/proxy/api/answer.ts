import { list, page, refuse, type ApiAnswer } from './listing.ts';
import { entryPointJson, overviewJson, versionJson } from './overview.ts';
import { namedRouterJson, routerJson } from './router-json.ts';
import { aroundOf, namedServiceJson, serviceJson } from './service-json.ts';
import type { ApiView } from './view.ts';

/**
 * answerApi answers a GET below `/api` as Traefik 3.6 does; undefined: there is no such path. Nothing in the answers is
 * secret: certificates, keys and what Secrets hold are not in them.
 */
export function answerApi(path: string, query: URLSearchParams, view: ApiView): ApiAnswer | undefined {
  const [, root, ...rest] = path.split('/');
  if (root !== 'api') return undefined;
  const [first = '', second = '', ...tail] = rest;
  if (first === 'http') return answerHttp(second, { encoded: nameOf(tail), query, view });
  if (first === 'entrypoints') return answerEntryPoints(nameOf(rest.slice(1)), query, view);
  if (rest.length !== 1) return undefined;
  if (first === 'overview') return { status: 200, body: overviewJson(view) };
  if (first === 'version') return { status: 200, body: versionJson(view) };
  if (first === 'rawdata') return { status: 200, body: rawDataJson(view) };
  return undefined;
}

interface HttpAsk {
  /** encoded is the name as it stands in the path; undefined: the list is meant. */
  readonly encoded: string | undefined;
  readonly query: URLSearchParams;
  readonly view: ApiView;
}

function nameOf(parts: readonly string[]): string | undefined {
  return parts.length === 0 ? undefined : parts.join('/');
}

function answerHttp(what: string, { encoded, query, view }: HttpAsk): ApiAnswer | undefined {
  const { routers, services } = view.configuration;
  if (what === 'middlewares' && encoded === undefined) return list([], query);
  if (what !== 'routers' && what !== 'services') return undefined;
  if (encoded === undefined) {
    if (what === 'routers')
      return list(
        [...routers.values()].map((router) => ({ ...namedRouterJson(router) })),
        query,
      );
    const around = aroundOf(view.configuration);
    return list(
      [...services.values()].map((service) => ({ ...namedServiceJson(service, around) })),
      query,
    );
  }
  const name = decode(encoded);
  if (name === undefined) return refuse(400, `unable to decode ${encoded}`);
  if (what === 'routers') {
    const router = routers.get(name);
    return router === undefined
      ? refuse(404, `router not found: ${name}`)
      : { status: 200, body: namedRouterJson(router) };
  }
  const service = services.get(name);
  if (service === undefined) return refuse(404, `service not found: ${name}`);
  return { status: 200, body: namedServiceJson(service, aroundOf(view.configuration)) };
}

function answerEntryPoints(encoded: string | undefined, query: URLSearchParams, view: ApiView): ApiAnswer {
  const points = view.entryPoints.map((point) => entryPointJson(point, view));
  if (encoded === undefined)
    return page(
      points.sort((one, other) => (one.name < other.name ? -1 : 1)),
      query,
    );
  const name = decode(encoded);
  const point = points.find((known) => known.name === name);
  return point === undefined ? refuse(404, `entry point not found: ${encoded}`) : { status: 200, body: point };
}

function rawDataJson({ configuration }: ApiView): object {
  const { routers, services } = configuration;
  const around = aroundOf(configuration);
  return {
    ...(routers.size > 0 && {
      routers: Object.fromEntries([...routers].map(([name, router]) => [name, routerJson(router)])),
    }),
    ...(services.size > 0 && {
      services: Object.fromEntries([...services].map(([name, service]) => [name, serviceJson(service, around)])),
    }),
  };
}

function decode(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}
