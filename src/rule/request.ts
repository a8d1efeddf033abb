/** RuleRequest is what a rule sees of a request. All strings are byte strings (bytes.ts), as node reads heads and targets. */
export interface RuleRequest {
  /** host is lower-cased, without port and without a trailing dot; empty when there is none. */
  readonly host: string;
  /** path is percent-decoded but for reserved characters, as Traefik routes by it (`parseTarget`). */
  readonly path: string;
  readonly method: string;
  /** clientIp is the address of the peer, never what X-Forwarded-For says. */
  readonly clientIp: string;
  /** headerValues returns every value of a header; `name` is lower-cased; empty when it is not there. */
  headerValues(name: string): readonly string[];
  /** queryValues returns every decoded value of a parameter; empty when it is not there. */
  queryValues(name: string): readonly string[];
}
