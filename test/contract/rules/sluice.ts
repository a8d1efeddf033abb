/** The answer of our own rules and route table, in process. */
import { createRouteTable } from '../../../src/proxy/routing/route-table.ts';
import { createRuleRequest } from '../../../src/rule/rule-request.ts';
import { parseTarget } from '../../../src/rule/target.ts';
import type { RawRequest } from '../../support/raw-http.ts';
import type { RuleCase, Verdict } from './cases.ts';

/** decide answers each request of a case. */
export function decide({ rules, requests }: RuleCase): readonly Verdict[] {
  const table = createRouteTable((router) => Number(router.name));
  for (const [index, { text, syntax }] of rules.entries()) {
    table.set({
      name: String(index),
      entryPoints: ['web'],
      rule: text,
      syntax,
      priority: rules.length - index,
      createdAt: '',
      isTls: false,
      service: '',
      middlewares: [],
      status: 'enabled',
      errors: [],
    });
  }
  return requests.map((request) => {
    const target = parseTarget(request.target);
    if (target === 'Bad') return { status: 400 };
    const { method } = request;
    // As parsers do (RFC 9110, 5.5).
    const headers = request.headers.map((text) => text.trim());
    const authority = target.authority ?? hostOf(request);
    const { path, query } = target;
    const line = { authority, method, path, query, clientIp: '127.0.0.1', headers };
    const found = table.find('web', false, createRuleRequest(line));
    return found === undefined ? { status: 404 } : { status: 200, rule: found.handle, target: target.upstream };
  });
}

function hostOf({ headers }: RawRequest): string {
  return headers[headers.findIndex((name, index) => index % 2 === 0 && name === 'Host') + 1] ?? '';
}
