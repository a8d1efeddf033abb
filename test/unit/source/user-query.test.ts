import { describe, expect, test } from 'vitest';
import { scopeUserQuery } from '../../../src/source/user-query.ts';

const scoped: Record<string, [string, string]> = {
  'a bare metric gets the matcher': ['up', 'up{namespace="web"}'],
  'empty braces get the matcher': ['up{ }', 'up{namespace="web" }'],
  'other matchers are kept': ['up{job="a",}', 'up{namespace="web",job="a",}'],
  'a namespace matcher of the user is kept in addition': [
    'up{namespace="other"}',
    'up{namespace="web",namespace="other"}',
  ],
  'a selector without a name gets the matcher': ['{__name__=~".+"}', '{namespace="web",__name__=~".+"}'],
  'a quoted metric name is kept': ['{"my.metric"}', '{namespace="web","my.metric"}'],
  'braces in strings are no selectors': ['up{a="}{"} > 1', 'up{namespace="web",a="}{"} > 1'],
  'every selector of an expression gets it': [
    'sum by (x) (rate(a{b="c"}[5m])) / on (x) group_left max_over_time(sum(d)[10m:1m] offset 5m)',
    'sum by (x) (rate(a{namespace="web",b="c"}[5m])) / on (x) group_left max_over_time(sum(d{namespace="web"})[10m:1m] offset 5m)',
  ],
  'absent() is scoped too': ['absent(a)', 'absent(a{namespace="web"})'],
  'a query without selectors stays': ['vector(1) + time()', 'vector(1) + time()'],
  'a comment before the matchers stays': ['up # {\n{ # }\n a="b"}', 'up # {\n{namespace="web", # }\n a="b"}'],
};

const refused: Record<string, string> = {
  'a syntax error': 'sum(up',
  'an unclosed string': 'up > "x',
  'an unclosed matcher': 'up{a="b}',
  'a carriage return, at which Prometheus ends a comment': 'up # \r + secret',
  'info(), which reads series no selector names': 'info(up)',
  "another database's syntax": 'up{a="b" or c="d"}',
  'an empty query': '',
};

describe('scopeUserQuery', () => {
  test.each(Object.entries(scoped))('%s', (_name, [promql, expected]) => {
    expect(scopeUserQuery('Namespaced', 'web', promql)).toEqual({ kind: 'Query', promql: expected });
  });

  test.each(Object.entries(refused))('%s is refused', (_name, promql) => {
    expect(scopeUserQuery('Namespaced', 'web', promql)).toMatchObject({ kind: 'Problem' });
  });

  test('a syntax error says where it is', () => {
    expect(scopeUserQuery('Namespaced', 'web', 'up{a=}')).toEqual({
      kind: 'Problem',
      message: expect.stringMatching(/^The query is not valid PromQL at character 6/),
    });
  });

  test('Off refuses and On leaves the query alone', () => {
    expect(scopeUserQuery('Off', 'web', 'up')).toMatchObject({ kind: 'Problem' });
    expect(scopeUserQuery('On', 'web', 'up{')).toEqual({ kind: 'Query', promql: 'up{' });
  });
});
