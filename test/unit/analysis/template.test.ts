import { describe, expect, test } from 'vitest';
import { renderQuery, type TemplateValues } from '../../../src/analysis/template.ts';

const values: TemplateValues = {
  rollout: 'shop',
  namespace: 'web',
  revision: '2026.11+3',
  'stable.service': 'shop-stable',
  'canary.service': 'shop-canary',
  'canary.port': 8080,
};

const rendered: Record<string, [string, string, TemplateValues?]> = {
  'values stand in strings of both quotes': [
    `max(depth{service="{{ canary.service }}",ns='{{namespace}}'})`,
    `max(depth{service="shop-canary",ns='web'})`,
  ],
  'a number stands outside strings': ['depth > {{ canary.port }}', 'depth > 8080'],
  'an identifier stands outside strings': ['depth_{{ rollout }}', 'depth_shop'],
  'a string is escaped by its double quotes': [
    'a{b="{{revision}}"}',
    String.raw`a{b="x\"} or a\\"}`,
    { revision: 'x"} or a\\' },
  ],
  'a string is escaped by its single quotes': [`a{b='{{revision}}'}`, String.raw`a{b='it\'s'}`, { revision: "it's" }],
  'a double quote needs no escape in single quotes': [`a{b='{{revision}}'}`, `a{b='x"y'}`, { revision: 'x"y' }],
  'a line feed is escaped': ['a{b="{{revision}}"}', String.raw`a{b="x\ny"}`, { revision: 'x\ny' }],
  'a value in backticks is left as it is': ['a{b=`{{revision}}`}', 'a{b=`x\\y`}', { revision: 'x\\y' }],
  'a value in a regular expression matches itself only': [
    'a{b=~"v{{revision}}-.*",c!~ `{{revision}}`}',
    String.raw`a{b=~"v2026\\.11\\+3-.*",c!~ ` + '`' + String.raw`2026\.11\+3` + '`}',
  ],
  'an escaped quote does not end a string': [String.raw`a{b="\"{{revision}}"}`, String.raw`a{b="\"2026.11+3"}`],
  'a quote in a comment opens no string': ['a # it"s\n > {{ canary.port }}', 'a # it"s\n > 8080'],
  'text without variables is left as it is': ['sum({a="}}"})', 'sum({a="}}"})'],
};

const refused: Record<string, [string, RegExp]> = {
  'an unknown variable is named with the allowed list': [
    'a{b="{{ canary.secret }}"}',
    /\{\{ canary\.secret \}\} is unknown; allowed are rollout, namespace, revision, stable\.service, stable\.port, canary\.service, canary\.port\.$/,
  ],
  'an inherited property is unknown': ['a{b="{{ constructor }}"}', /\{\{ constructor \}\} is unknown/],
  'an unclosed variable is named': ['a{b="{{ canary.service"}', /starts with \{\{ canary\.service"\} is not closed/],
  'a variable without a value is named': ['a{b="{{ stable.port }}"}', /\{\{ stable\.port \}\} has no value/],
  'a name with a dash cannot stand outside strings': ['{{ canary.service }}', /\{\{ canary\.service \}\} cannot stand/],
  'a quote in a comment opens no string in which a name could stand': [
    'a # it"s\n > {{ canary.service }}',
    /\{\{ canary\.service \}\} cannot stand/,
  ],
  'a revision with an operator cannot stand outside strings': ['a > {{ revision }}', /\{\{ revision \}\} cannot stand/],
};

describe('renderQuery', () => {
  test.each(Object.entries(rendered))('%s', (_name, [text, promql, special]) => {
    expect(renderQuery(text, special ?? values)).toEqual({ kind: 'Query', promql });
  });

  test.each(Object.entries(refused))('%s', (_name, [text, message]) => {
    expect(renderQuery(text, values)).toEqual({ kind: 'Problem', message: expect.stringMatching(message) });
  });

  test('a backtick cannot stand between backticks', () => {
    expect(renderQuery('a{b=`{{ revision }}`}', { revision: 'x`y' })).toMatchObject({ kind: 'Problem' });
  });
});
