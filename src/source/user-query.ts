/** What a user's PromQL may read: `--user-queries`. */
import { parser } from '@prometheus-io/lezer-promql';
import { problem, quoted, type Problem, type QueryText } from '../analysis/promql.ts';

/** UserQueryMode is `--user-queries`: refuse them, keep them in their namespace, or send them as they are. */
export type UserQueryMode = 'Off' | 'Namespaced' | 'On';

/** Insertion is text to put into a query before the character at `at`. */
interface Insertion {
  readonly at: number;
  readonly text: string;
}

/**
 * scopeUserQuery returns the query as the mode allows it for a Rollout of `namespace`: Namespaced adds a namespace
 * matcher to every selector, beside those that are there, so the query can only read series of its own namespace.
 */
export function scopeUserQuery(mode: UserQueryMode, namespace: string, promql: string): QueryText | Problem {
  switch (mode) {
    case 'Off':
      return problem('User queries are switched off (--user-queries=Off); remove spec.analysis.checks.');
    case 'On':
      return { kind: 'Query', promql };
    case 'Namespaced':
      return addMatcher(promql, `namespace=${quoted(namespace)}`);
    default:
      return mode satisfies never;
  }
}

function addMatcher(promql: string, matcher: string): QueryText | Problem {
  // Prometheus ends a comment at a carriage return, this grammar does not: `up # \r or secret` would hide a selector.
  if (promql.includes('\r')) return problem('The query contains a carriage return; use line feeds only.');
  const insertions: Insertion[] = [];
  let found: Problem | undefined;
  parser.parse(promql).iterate({
    enter: ({ type, from, to, node }) => {
      if (type.isError) found ??= syntaxProblem(promql, from);
      // info() reads series that no selector of the query names.
      if (type.name === 'Info') found ??= problem('The function info() is not allowed with --user-queries=Namespaced.');
      if (type.name === 'StringLiteral' && !isClosed(promql.slice(from, to))) found ??= syntaxProblem(promql, from);
      if (type.name !== 'VectorSelector') return;
      const matchers = node.getChild('LabelMatchers');
      insertions.push(
        matchers === null
          ? { at: to, text: `{${matcher}}` }
          : {
              at: matchers.from + 1,
              text: isEmpty(promql.slice(matchers.from, matchers.to)) ? matcher : `${matcher},`,
            },
      );
    },
  });
  return found ?? { kind: 'Query', promql: insertAll(promql, insertions) };
}

/** Whether braces hold nothing but white space and comments. */
function isEmpty(matchers: string): boolean {
  return /^\{(?:\s|#[^\n]*\n)*\}$/.test(matchers);
}

/** The grammar accepts a string without its closing quote, Prometheus does not. */
function isClosed(literal: string): boolean {
  return literal.length >= 2 && literal.at(-1) === literal[0];
}

function insertAll(promql: string, insertions: readonly Insertion[]): string {
  return insertions
    .toSorted((left, right) => right.at - left.at)
    .reduce((text, { at, text: inserted }) => text.slice(0, at) + inserted + text.slice(at), promql);
}

function syntaxProblem(promql: string, at: number): Problem {
  const place = at >= promql.length ? 'at its end' : `at character ${at + 1} (${promql.slice(at, at + 20)})`;
  return problem(`The query is not valid PromQL ${place}.`);
}
