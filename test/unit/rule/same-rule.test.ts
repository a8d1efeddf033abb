import { describe, expect, it } from 'vitest';
import { isSameRule } from '../../../src/rule/same-rule.ts';

describe('two rules are the same', () => {
  it.each([
    ['Host(`shop.example`)', 'Host("shop.example")'],
    ['Host(`shop.example`)&&PathPrefix(`/api`)', ' ( Host("shop.example") ) && (PathPrefix(`/api`)) '],
    ['HOST(`shop.example`)', 'Host(`shop.example`)'],
    ['!(Host(`a.example`) || Host(`b.example`))', '!Host(`a.example`) && !Host(`b.example`)'],
    ['no rule at all', 'no rule at all'],
  ])('however they are written: %s and %s', (one, other) => {
    expect(isSameRule(one, other)).toBe(true);
  });

  it.each([
    ['Host(`shop.example`)', 'Host(`shop2.example`)'],
    ['Host(`a`) && Path(`/b`)', 'Host(`a`) || Path(`/b`)'],
    ['Host(`a`) && Path(`/b`)', 'Path(`/b`) && Host(`a`)'],
    ['Host(`a`)', 'no rule at all'],
    ['no rule', 'no  rule'],
  ])('not where they say something else, or in another order: %s and %s', (one, other) => {
    expect(isSameRule(one, other)).toBe(false);
  });

  it('is asked in the language of the route', () => {
    const [one, other] = ['Host(`a.example`,`b.example`)', 'Host("a.example", "b.example")'];
    expect(isSameRule(one, other, 'v2')).toBe(true);
    expect(isSameRule(one, other, 'v3')).toBe(false);
    expect(isSameRule(one, other)).toBe(true);
  });
});
