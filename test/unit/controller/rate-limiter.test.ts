import { describe, expect, it } from 'vitest';
import { createRateLimiter } from '../../../src/controller/rate-limiter.ts';

describe('createRateLimiter', () => {
  it('doubles from 5 ms with each failure of a key and stops at 1000 s', () => {
    const limiter = createRateLimiter<string>();
    const delays = Array.from({ length: 20 }, () => limiter.when('a'));
    expect(delays.slice(0, 5)).toEqual([5, 10, 20, 40, 80]);
    expect(delays[17]).toBe(655_360);
    expect(delays.slice(18)).toEqual([1_000_000, 1_000_000]);
  });

  it('stays at the cap after a thousand failures', () => {
    const limiter = createRateLimiter<string>();
    for (let i = 0; i < 2000; i += 1) limiter.when('a');
    expect(limiter.when('a')).toBe(1_000_000);
  });

  it('counts each key on its own and starts again after forget', () => {
    const limiter = createRateLimiter<string>();
    limiter.when('a');
    limiter.when('a');
    expect(limiter.when('b')).toBe(5);
    expect(limiter.failures('a')).toBe(2);
    limiter.forget('a');
    expect(limiter.failures('a')).toBe(0);
    expect(limiter.when('a')).toBe(5);
  });
});
