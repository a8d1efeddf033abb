/** Cases for the comparison with Traefik: some rules that compete, and requests to them. */
import type { RuleSyntax } from '../../../src/rule/rule.ts';
import type { RawRequest } from '../../support/raw-http.ts';

/** RuleCase is a set of rules that compete for requests; the first has the highest priority. */
export interface RuleCase {
  readonly rules: readonly { readonly text: string; readonly syntax: RuleSyntax }[];
  readonly requests: readonly RawRequest[];
}

/** Verdict is what became of a request: the index of the rule that won, and the target that went upstream; 404 and 400 have neither. */
export interface Verdict {
  readonly status: number;
  readonly rule?: number;
  readonly target?: string;
}
