/** Where Sluice's proxy differs from Traefik 3.6.12 on purpose. The contract suite shows each; docs/proxy.md prints them. */

/** Difference: all texts are sentences of a row of the table. */
export interface Difference {
  readonly traefik: string;
  readonly sluice: string;
  readonly why: string;
  /** strict is whom the proxy follows with --strict-traefik. */
  readonly strict: 'Traefik' | 'Sluice';
  /** shownBy is the test that shows it, where that is not the contract suite of the proxy. */
  readonly shownBy?: string;
}

const table = {
  'A broken service': {
    traefik: 'Drops the whole route (404) when one of its services, even of weight 0, is missing or has no endpoints.',
    sluice: 'Serves with the other services; 503 when none is left. The route says what is wrong.',
    why: 'A canary that is not there must not take stable down.',
    strict: 'Traefik',
  },
  'A service without servers': {
    traefik: 'Answers its share with 503 when its pods terminate, or all its weights are 0.',
    sluice: 'Gives its share to the others.',
    why: 'Nobody is served by it.',
    strict: 'Traefik',
  },
  'Endpoints without `serving`': {
    traefik: 'Takes an endpoint that says nothing about `serving` for ready, even where `ready` is false.',
    sluice: 'Then `ready` counts.',
    why: 'The Kubernetes API says that `serving` defaults to `ready`.',
    strict: 'Traefik',
  },
  'Names of headers': {
    traefik: 'Writes names of headers in its own way: `x-foo` becomes `X-Foo`.',
    sluice: 'Passes names on as they were written.',
    why: 'Names mean the same in any case, and rewriting costs time.',
    strict: 'Sluice',
  },
  'Several Cookie headers': {
    traefik: 'Passes them on as several.',
    sluice: 'Joins them into one.',
    why: 'RFC 6265, 5.4: a client sends one; HTTP/2 may split it up, and many a server reads only the first.',
    strict: 'Sluice',
  },
  'Twins of managed headers': {
    traefik: 'Passes `X_Real_Ip` and the like on.',
    sluice: 'Drops them, whoever sends them.',
    why: 'CGI and WSGI read both names as one.',
    strict: 'Sluice',
  },
  'Upgrade: h2c': {
    traefik: 'Passes the request to upgrade on (up to 3.7.12).',
    sluice: 'Does not pass it on.',
    why: 'Who switches to HTTP/2 behind the proxy asks past its routes. Traefik does as Sluice from 3.7.13 on.',
    strict: 'Sluice',
  },
  'Accept-Encoding': {
    traefik: 'Asks servers for gzip where the client did not ask for anything, and unpacks what comes.',
    sluice: 'Passes on what the client says, and what the server answers.',
    why: 'A proxy that packs and unpacks changes lengths and ETags, and costs time on both sides.',
    strict: 'Sluice',
  },
  'Answers to HTTP/1.0': {
    traefik: 'Answers with HTTP/1.0.',
    sluice:
      'Answers with HTTP/1.1, such that a client of HTTP/1.0 understands it, and says when it closes the connection.',
    why: 'RFC 9110, 2.5: a server says which version it speaks.',
    strict: 'Sluice',
  },
  'OPTIONS *': {
    traefik: 'Answers by itself, with nothing.',
    sluice: 'Takes it to the server of the route, as every other request.',
    why: 'What a server can do, the server says.',
    strict: 'Sluice',
  },
  'Unknown reasons': {
    traefik: 'Writes `status code 299` as the reason of a status that it does not know.',
    sluice: 'Writes `unknown`.',
    why: 'Nobody reads it.',
    strict: 'Sluice',
  },
  'Content-Type after early hints': {
    traefik: 'Adds `Content-Type: text/plain` to an answer without one, where a 103 came before it.',
    sluice: 'Adds none, as neither does otherwise.',
    why: 'The proxy does not know what a body is.',
    strict: 'Sluice',
  },
  'Content-Length of 304': {
    traefik: 'Leaves it out.',
    sluice: 'Passes it on.',
    why: 'It says how long the body of a 200 would be (RFC 9110, 15.4.5).',
    strict: 'Sluice',
  },
  'Trailers of requests': {
    traefik: 'Loses them.',
    sluice: 'Passes them on; to servers of HTTP/2 only those that are announced.',
    why: 'They are part of the message.',
    strict: 'Sluice',
  },
  'Both directions at once': {
    traefik: 'Over HTTP/1.1, waits for the end of the request before it passes the answer on.',
    sluice: 'Passes on each piece of either as it comes.',
    why: 'A server that answers while it reads is not held up.',
    strict: 'Sluice',
  },
  'A refused upgrade': {
    traefik: 'Keeps the connection of the client.',
    sluice: 'Closes it after the answer, and says so.',
    why: 'What a client sends after a request to upgrade may already be of the other protocol.',
    strict: 'Sluice',
  },
  'Answers that cannot be read': {
    traefik: '500: neither a refused connection nor a time-out.',
    sluice: '502.',
    why: 'RFC 9110, 15.6.3: the answer of the server is invalid; the proxy is not at fault.',
    strict: 'Sluice',
  },
  'Answers that can be read in two ways': {
    traefik: 'Takes an answer with a length and `chunked`, and drops the length.',
    sluice: '502, and the connection is closed.',
    why: 'RFC 9112, 6.3: it may be an attempt to split answers.',
    strict: 'Sluice',
  },
  'Servers that are not trusted': {
    traefik: '500.',
    sluice: '502.',
    why: 'The server is at fault, or what the route says about it.',
    strict: 'Sluice',
  },
  'Heads above 64 KiB': {
    traefik: 'Takes heads of requests up to 1 MiB, and of answers up to 10 MiB.',
    sluice: 'Answers 431 to such requests (`max-header-bytes` changes that), and 502 for such answers.',
    why: 'Heads are held in memory, for each connection.',
    strict: 'Sluice',
  },
  'Slow requests': {
    traefik: 'Closes the connection without a word when a head does not come in time, and answers 499 for a body.',
    sluice: 'Answers 408 to both.',
    why: 'The client learns what happened.',
    strict: 'Sluice',
  },
  'Bodies that cannot be read': {
    traefik: 'Answers 501 to a coding that it does not know, and 500 to a chunk that is none.',
    sluice: 'Answers 400.',
    why: 'The client is at fault.',
    strict: 'Sluice',
  },
  'Requests that can be read in two ways': {
    traefik: 'Takes a length beside `chunked`, and drops the length.',
    sluice: 'Answers 400.',
    why: 'RFC 9112, 6.1: two servers that read it differently can be played off against each other.',
    strict: 'Sluice',
  },
  CONNECT: {
    traefik: 'Passes it on (up to 3.6.23).',
    sluice: 'Answers 501.',
    why: 'A reverse proxy opens no tunnels. Traefik does as Sluice from 3.6.24 on.',
    strict: 'Sluice',
  },
  'Unknown methods': {
    traefik: 'Passes any method on.',
    sluice: 'Answers 400 to a method that no registry has.',
    why: 'The parser of Node.js does not take them.',
    strict: 'Sluice',
  },
  'Counts of upgrades': {
    traefik: 'Counts a WebSocket with the code 0 and no bytes, and the 21 bytes of the 499 that nobody got.',
    sluice: 'Counts it with 101 and the bytes that it carried, and none that nobody got.',
    why: 'That is what happened.',
    strict: 'Sluice',
  },
  'Counts of requests without a server': {
    traefik: 'Counts them for the router only: a service that answers with nothing but 503 looks idle.',
    sluice: 'Counts the 503 for the service too.',
    why: 'Who judges a canary by its counters has to see them.',
    strict: 'Sluice',
  },
  'The first requests of a canary': {
    traefik:
      'Begins the cycle of weights anew with each change of any route: a canary of 1% waits for its 100th request each time.',
    sluice: 'Begins at a random place, and goes on where it was after a change.',
    why: 'A canary has to get its share also where something changes every second.',
    strict: 'Traefik',
    shownBy: 'test/e2e/proxy.test.ts',
  },
  'Idle connections of a ServersTransport': {
    traefik: 'Keeps 2 for each server where `maxIdleConnsPerHost` is not set.',
    sluice: 'Keeps 200, as without a ServersTransport.',
    why: 'Two are slow, and nobody meant them.',
    strict: 'Traefik',
    shownBy: 'test/unit/proxy/catalog/services.test.ts',
  },
  'Equal priorities': {
    traefik: 'Lets chance decide, anew with each change.',
    sluice: 'The older object wins, then the first name.',
    why: 'Two replicas have to agree.',
    strict: 'Sluice',
    shownBy: 'test/property/route-table.test.ts',
  },
  'Services of kinds that are not served': {
    traefik:
      'Serves mirroring, highestRandomWeight, active health checks, middlewares, the dashboard, and routes within routes.',
    sluice: 'Disables the router, and says why on the object and in `/api/http/routers`.',
    why: 'They are not built. What is left out silently may have been there to keep somebody out.',
    strict: 'Sluice',
    shownBy: 'test/contract/catalog.test.ts',
  },
  'What is served with a warning': {
    traefik: 'Honours `strategy` other than round robin, `certResolver` and `observability.metrics: false`.',
    sluice: 'Asks pods in turn, presents the certificate of a Secret for the name, and counts all the same.',
    why: 'The route works without them; the judge needs the counters.',
    strict: 'Sluice',
    shownBy: 'test/contract/catalog.test.ts',
  },
  'Which Ingress wins': {
    traefik:
      'The longest rule: a wildcard over the exact host that it covers, `Prefix` over `Exact`; `/foo` takes `/foobar`, without `strictPrefixMatching`.',
    sluice: 'The exact host, then the longest path, then `Exact`; paths are compared element by element.',
    why: 'The Kubernetes API says so.',
    strict: 'Sluice',
    shownBy: 'test/unit/proxy/catalog/ingress.test.ts',
  },
  'The default backend of an Ingress with rules': {
    traefik: 'Is left out.',
    sluice: 'Takes what no path of its hosts does.',
    why: 'The Kubernetes API has it.',
    strict: 'Sluice',
    shownBy: 'test/contract/ingress.test.ts',
  },
  'Annotations of ingress-nginx': {
    traefik: 'Are not looked at.',
    sluice: 'Canaries are served; what may keep somebody out, and is not known, disables the Ingress.',
    why: 'An Ingress that is moved from there must not be open to everybody.',
    strict: 'Sluice',
    shownBy: 'test/contract/ingress.test.ts',
  },
  'A Secret that cannot be read any more': {
    traefik: 'Presents the default certificate.',
    sluice: 'Presents the certificate that the Secret had before, and says so.',
    why: 'A slip of the hand must not take a host down.',
    strict: 'Sluice',
    shownBy: 'test/unit/proxy/catalog/certificates.test.ts',
  },
  'TLS without a certificate': {
    traefik: 'Presents one that it has signed itself.',
    sluice: 'Refuses the handshake where no certificate is for the name and there is no default one.',
    why: 'No client trusts the other one.',
    strict: 'Sluice',
    shownBy: 'test/unit/proxy/server/sni.test.ts',
  },
} as const satisfies Readonly<Record<string, Difference>>;

/** DifferenceName is a key of the table. */
export type DifferenceName = keyof typeof table;

/** differences is the table, by name. */
export const differences: Readonly<Record<DifferenceName, Difference>> = table;
