import { expect, test } from 'vitest';
import { compileRule } from '../../../src/rule/compile.ts';
import { narrow } from '../../../src/rule/narrow.ts';
import { parseRule } from '../../../src/rule/parse.ts';
import type { Rule, RuleSyntax } from '../../../src/rule/rule.ts';
import { createRuleRequest } from '../../../src/rule/rule-request.ts';

// What no Traefik of today's tools can say: wildcards are of 3.7, and the real one is asked over loopback only. All else
// is compared with it in test/contract/rules.

function read(text: string, syntax: RuleSyntax = 'v3'): Rule {
  const rule = parseRule(text, syntax);
  if (rule.kind === 'Invalid') throw new Error(rule.message);
  return rule;
}

function matchesHost(rule: string, authority: string): boolean {
  return compileRule(read(rule))(
    createRuleRequest({ authority, method: 'GET', path: '/', query: '', clientIp: '10.0.0.1', headers: [] }),
  );
}

test.each([
  ['*.a.test', 'x.a.test', true],
  ['*.A.test', 'X.a.TEST:80', true],
  ['*.a.test', 'x.a.test.', true],
  ['*.a.test.', 'x.a.test', true],
  ['*.a.test', 'a.test', false],
  ['*.a.test', 'x.y.a.test', false],
  ['*.a.test', 'xa.test', false],
  ['*.a.test', '', false],
  ['*a.test', 'xa.test', false],
  ['x.*.test', 'x.a.test', false],
  ['*', 'x.a.test', true],
  ['*', '', true],
])('Host(`%s`) for %j: %s', (host, authority, isMatch) => {
  expect(matchesHost(`Host(\`${host}\`)`, authority)).toBe(isMatch);
});

test.each([
  ['10.0.0.1', '10.0.0.1', true],
  ['10.0.0.1', '10.0.0.2', false],
  ['10.0.0.0/9', '10.127.255.255', true],
  ['10.0.0.0/9', '10.128.0.0', false],
  ['10.0.0.0/31', '10.0.0.2', false],
  ['10.0.0.1', '::ffff:10.0.0.1', true],
  ['::ffff:10.0.0.0/104', '10.9.9.9', true],
  ['::/0', '10.0.0.1', false],
  ['0.0.0.0/0', '::1', false],
  ['2001:db8::/32', '2001:db8:ffff::1', true],
  ['2001:db8::/33', '2001:db8:8000::1', false],
  ['fe80::/10', 'fe80::1%eth0', true],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0', true],
  ['::1', 'no address', false],
  ['::1', '', false],
])('ClientIP(`%s`) for %s: %s', (range, clientIp, isMatch) => {
  const request = createRuleRequest({ authority: 'a', method: 'GET', path: '/', query: '', clientIp, headers: [] });
  expect(compileRule(read(`ClientIP(\`${range}\`)`))(request)).toBe(isMatch);
});

test.each([
  ['Host(`A.test.`)', ['a.test'], undefined],
  ['Host(`*.a.test`) && PathPrefix(`/x`)', ['*.a.test'], ['/x']],
  ['Host(`*`)', undefined, undefined],
  ['HostRegexp(`^[a-zA-Z0-9-]+\\.a\\.test$`)', ['*.a.test'], undefined],
  ['HostRegexp(`^[a-z]+\\.a\\.test$`)', undefined, undefined],
  ['Host(`a`) || Host(`b`) && Path(`/x`)', ['a', 'b'], undefined],
  ['(Host(`a`) || Host(`b`)) && (Host(`b`) || Host(`c`))', ['b'], undefined],
  ['Host(`a`) && Host(`b`)', [], undefined],
  ['Host(`*.a.test`) && Host(`x.a.test`)', ['x.a.test'], undefined],
  ['Host(`x.a.test`) && Host(`*.a.test`)', ['x.a.test'], undefined],
  ['PathPrefix(`/a`) && (Path(`/ab`) || Path(`/b`) || PathPrefix(`/`))', undefined, ['/ab', '/a']],
  ['!Host(`a`) && Path(`/x`)', undefined, ['/x']],
  ['Host(`a`) && Method(`GET`)', ['a'], undefined],
] as const)('%s needs hosts %j and prefixes %j', (text, hosts, prefixes) => {
  expect(narrow(read(text))).toEqual({ hosts, prefixes });
});

test('a rule of version 2 needs the text before the first variable', () => {
  expect(narrow(read('Host(`a`, `B`) && PathPrefix(`/x/{id}`, `/y`)', 'v2'))).toEqual({
    hosts: ['a', 'b'],
    prefixes: ['/x/', '/y'],
  });
});

test('a rule of many hosts and paths is indexed by host only', () => {
  const hosts = Array.from({ length: 20 }, (_, index) => `Host(\`h${index}\`)`).join(' || ');
  const paths = Array.from({ length: 20 }, (_, index) => `Path(\`/${index}\`)`).join(' || ');
  const narrowing = narrow(read(`(${hosts}) && (${paths})`));
  expect(narrowing.hosts?.length).toBe(20);
  expect(narrowing.prefixes).toBeUndefined();
});
