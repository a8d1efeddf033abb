import { canonicalHost } from './host.ts';
import { queryValues } from './query.ts';
import type { RuleRequest } from './request.ts';

/** RequestLine is a request as received, but for the target, which is parsed. All strings are byte strings. */
export interface RequestLine {
  readonly authority: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly clientIp: string;
  /** headers is a flat list of names and values, as rules shall see them. */
  readonly headers: readonly string[];
}

/** createRuleRequest returns a request for rules. Headers and the query are read only when a rule asks. */
export function createRuleRequest(line: RequestLine): RuleRequest {
  return new LazyRequest(line);
}

// A class, because closures for the two questions would be made for every request, and hardly any rule asks them.
class LazyRequest implements RuleRequest {
  readonly host: string;
  readonly path: string;
  readonly method: string;
  readonly clientIp: string;
  readonly #line: RequestLine;

  constructor(line: RequestLine) {
    this.host = canonicalHost(line.authority);
    this.path = line.path;
    this.method = line.method;
    this.clientIp = line.clientIp;
    this.#line = line;
  }

  headerValues(name: string): readonly string[] {
    const { headers } = this.#line;
    const values: string[] = [];
    for (let index = 0; index + 1 < headers.length; index += 2) {
      const header = headers[index] as string;
      if (header.length === name.length && header.toLowerCase() === name) values.push(headers[index + 1] as string);
    }
    return values;
  }

  queryValues(name: string): readonly string[] {
    return queryValues(this.#line.query, name);
  }
}
