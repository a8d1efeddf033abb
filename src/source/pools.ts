import { Pool } from 'undici';

/** Pools hold the connections to one server, in a small pool for the authority that its certificate is checked against. */
export interface Pools {
  /** of returns the pool for one request; another `ca` (PEM) than before opens a new one, and the old one ends its requests. */
  readonly of: (ca: string | undefined) => Pool;
  /** close destroys all connections. */
  readonly close: () => Promise<void>;
}

/** createPools returns pools that keep a connection for `idleMs` without a request, unless the server says less. */
export function createPools(origin: string, idleMs: number): Pools {
  const retired = new Set<Pool>();
  let present: { readonly ca: string | undefined; readonly pool: Pool } | undefined;
  const retire = (pool: Pool): void => {
    const forget = (): unknown => retired.delete(pool);
    retired.add(pool);
    void pool.close().then(forget, forget);
  };
  return {
    of: (ca) => {
      if (present === undefined || present.ca !== ca) {
        if (present !== undefined) retire(present.pool);
        const options = { allowH2: false, connections: 8, keepAliveTimeout: idleMs, keepAliveMaxTimeout: idleMs };
        present = { ca, pool: new Pool(origin, ca === undefined ? options : { ...options, connect: { ca } }) };
      }
      return present.pool;
    },
    close: async () => {
      await Promise.all([...retired, ...(present === undefined ? [] : [present.pool])].map((pool) => pool.destroy()));
    },
  };
}
