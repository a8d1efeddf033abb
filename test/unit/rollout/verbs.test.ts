import { describe, expect, it } from 'vitest';
import { commandAnnotation, commandByAnnotation, readCommand } from '../../../src/rollout/verbs.ts';
import { rollout } from '../../support/rollout-builders.ts';

function read(text: string | undefined, handledCommand?: string) {
  const annotations = text === undefined ? {} : { [commandAnnotation]: text, [commandByAnnotation]: 'ann' };
  const { metadata } = rollout();
  const status = { revision: 'r2', ...(handledCommand === undefined ? {} : { handledCommand }) };
  return readCommand(rollout({}, { metadata: { ...metadata, annotations }, status }));
}

describe('readCommand', () => {
  it('finds none without the annotation', () => {
    expect(read(undefined)).toBeUndefined();
  });

  it.each(['promote', 'promote-full', 'abort', 'retry', 'pause', 'resume'])(
    'finds %s for this object and this revision to be new',
    (verb) => {
      expect(read(`${verb} n1 rollout-uid r2`)).toEqual({
        state: 'New',
        verb,
        nonce: 'n1',
        who: 'ann',
        problem: undefined,
      });
    },
  );

  it('knows by the nonce that a command was handled, whatever else has changed since', () => {
    expect(read('promote n1 rollout-uid r1', 'n1')?.state).toBe('Handled');
    expect(read('promote n2 rollout-uid r2', 'n1')?.state).toBe('New');
  });

  it.each([
    ['another object', 'abort n1 other-uid r2', 'uid other-uid, this one has rollout-uid'],
    ['another revision', 'abort n1 rollout-uid r1', 'revision r1, the present one is r2'],
    ['no revision', 'abort n1 rollout-uid', 'revision (none), the present one is r2'],
    [
      'an unknown verb',
      'explode n1 rollout-uid r2',
      '"explode" is not one of promote, promote-full, abort, retry, pause, resume',
    ],
    ['no nonce', 'abort', 'it has no nonce'],
    ['nothing at all', '', '"" is not one of'],
  ])('refuses a command for %s and says why', (_name, text, problem) => {
    expect(read(text)).toMatchObject({ state: 'Stale', problem: expect.stringContaining(problem) as string });
  });

  it.each(['abort', ''])('has a name to remember a refused command without a nonce by: "%s"', (text) => {
    const nonce = read(text)?.nonce ?? '';
    expect(nonce).not.toBe('');
    expect(read(text, nonce)?.state).toBe('Handled');
  });
});
