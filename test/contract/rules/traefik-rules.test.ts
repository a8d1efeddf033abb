import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseRule } from '../../../src/rule/parse.ts';
import type { RawRequest } from '../../support/raw-http.ts';
import type { RuleCase, Verdict } from './cases.ts';
import { differences, isKnown } from './differences.ts';
import { generateCases, generateRuleTexts, generateTargets } from './generators.ts';
import { handwritten } from './handwritten.ts';
import { decide } from './sluice.ts';
import { startTraefikOracle, type TraefikOracle, type TraefikVerdicts } from './traefik.ts';

// Other seeds find other cases: SLUICE_SEED=$RANDOM.
const seed = Number(process.env['SLUICE_SEED'] ?? 20_261_121);

let oracle: TraefikOracle;

beforeAll(async () => {
  oracle = await startTraefikOracle();
});

afterAll(async () => {
  await oracle.stop();
});

test.each(handwritten)('$name', async (ruleCase) => {
  const [answer] = await oracle.ask([ruleCase]);
  expect(disagreements(ruleCase, answer as TraefikVerdicts)).toEqual([]);
});

test.each(differences)('differs: $name', async ({ rules, request, traefik, sluice }) => {
  const ruleCase = { rules, requests: [request] };
  const [answer] = await oracle.ask([ruleCase]);
  expect(answer?.verdicts).toEqual([traefik]);
  expect(decide(ruleCase)).toEqual([sluice]);
});

test('generated rules and requests get the same status, rule and target', { timeout: 300_000 }, async () => {
  const cases = generateCases(1500, seed);
  const answers = await oracle.ask(cases);
  expect(cases.flatMap((ruleCase, index) => disagreements(ruleCase, answers[index] as TraefikVerdicts))).toEqual([]);
  // That they agree says something only if all kinds of answers are among them.
  const verdicts = answers.flatMap(({ verdicts }) => verdicts);
  expect(verdicts.filter(({ rule }) => rule !== undefined).length).toBeGreaterThan(4000);
  expect(verdicts.filter(({ rule = 0 }) => rule > 0).length).toBeGreaterThan(1000);
  expect(verdicts.filter(({ status }) => status === 404).length).toBeGreaterThan(2000);
});

test('odd request targets are refused, cleaned and sent on alike', { timeout: 300_000 }, async () => {
  const rules = [
    'Path(`/a`)',
    'PathPrefix(`/a/`)',
    'PathRegexp(`[^!-~]`)',
    'PathRegexp(`%`)',
    'QueryRegexp(`a`, `.`)',
    'PathPrefix(`/`)',
  ];
  const requests = generateTargets(4000, seed).map((target): RawRequest => ({
    method: 'GET',
    target,
    headers: ['Host', 'h.test'],
  }));
  const ruleCase: RuleCase = { rules: rules.map((text) => ({ text, syntax: 'v3' })), requests };
  const [answer] = await oracle.ask([ruleCase]);
  expect(disagreements(ruleCase, answer as TraefikVerdicts)).toEqual([]);
});

test('texts that are hardly rules are taken and refused alike', { timeout: 300_000 }, async () => {
  const rules = generateRuleTexts(3000, seed);
  const [answer] = await oracle.ask([{ rules, requests: [] }]);
  expect(disagreements({ rules, requests: [] }, answer as TraefikVerdicts)).toEqual([]);
  expect(answer?.refusals.filter((refusal) => refusal === undefined).length).toBeGreaterThan(250);
});

/** What differs, with all that is needed to try it again. */
function disagreements({ rules, requests }: RuleCase, { verdicts, refusals }: TraefikVerdicts): readonly string[] {
  const inValidity = rules.flatMap((rule, index) => {
    const parsed = parseRule(rule.text, rule.syntax);
    const refusal = refusals[index];
    return (parsed.kind === 'Invalid') === (refusal !== undefined) ? [] : [{ rule, parsed, traefik: refusal }];
  });
  const ours = decide({ rules, requests });
  const inVerdicts = requests.flatMap((request, index) => {
    const [sluice, traefik] = [ours[index] as Verdict, verdicts[index] as Verdict];
    if (isKnown(rules, request) || fc.stringify(sluice) === fc.stringify(traefik)) return [];
    return [{ request, sluice, traefik, rules }];
  });
  return [...inValidity, ...inVerdicts].map((disagreement) => JSON.stringify(disagreement));
}
