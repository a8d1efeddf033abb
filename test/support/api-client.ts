/** Raw requests to a test cluster's API server as its administrator, for what tests write and look at themselves. */
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'undici';

/** ApiMethod is an HTTP method of the Kubernetes API. */
export type ApiMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** ApiAnswer is the status and the body of an answer: parsed JSON, or the text if it is not JSON. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** ApiClient sends requests until it is closed. */
export interface ApiClient {
  /** send sends one request; a 4xx or 5xx answer is returned, not thrown. The content type is JSON unless given. */
  send(method: ApiMethod, apiPath: string, body?: object, contentType?: string): Promise<ApiAnswer>;
  close(): Promise<void>;
}

/** ApiServerAddress is what a client needs to reach an API server and to be let in. */
export interface ApiServerAddress {
  /** url has no trailing slash. */
  readonly url: string;
  readonly caFile: string;
  readonly adminToken: string;
}

/** openApiClient returns a client that trusts the certificates in `caFile`. */
export async function openApiClient({ url, caFile, adminToken }: ApiServerAddress): Promise<ApiClient> {
  const dispatcher = new Agent({ connect: { ca: await readFile(caFile, 'utf8') } });
  return {
    send: async (method, apiPath, body, contentType = 'application/json') => {
      const answer = await request(`${url}${apiPath}`, {
        dispatcher,
        method,
        headers: { authorization: `Bearer ${adminToken}`, 'content-type': contentType },
        body: body === undefined ? null : JSON.stringify(body),
      });
      return { status: answer.statusCode, body: parseBody(await answer.body.text()) };
    },
    close: () => dispatcher.destroy(),
  };
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
