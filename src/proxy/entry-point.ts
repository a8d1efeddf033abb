/** EntryPoint is a port that clients connect to, with what holds for all its requests. */
export interface EntryPoint {
  readonly name: string;
  /** host is empty for every address. */
  readonly host: string;
  readonly port: number;
  /** tls: connections begin with a TLS handshake. */
  readonly tls: EntryPointTls | undefined;
  /** trustedIps are CIDRs of peers whose X-Forwarded-* headers are kept. */
  readonly trustedIps: readonly string[];
  /** isInsecure keeps those headers from everybody. */
  readonly isInsecure: boolean;
  /** readTimeoutMs is how long a whole request may take to arrive, its body included (Traefik's readTimeout, 60 s). */
  readonly readTimeoutMs: number;
  /** idleTimeoutMs is how long a connection may be kept without a request (180 s). */
  readonly idleTimeoutMs: number;
  readonly maxHeaderBytes: number;
}

/** EntryPointTls is the default certificate of an entry point, as PEM texts; both are empty where there is none. */
export interface EntryPointTls {
  readonly certificate: string;
  readonly key: string;
}
