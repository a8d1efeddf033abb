import type { KubernetesObject } from '../api/kubernetes.ts';
import { SluiceError } from '../errors.ts';
import type { ReflectorOptions } from './reflector-options.ts';
import type { Change } from './store.ts';

/** Delivery hands changes to a handler, in order and one by one, until `signal` aborts; it never throws. */
export type Delivery<T> = (changes: readonly Change<T>[], signal: AbortSignal) => void;

/** createDelivery returns the Delivery to `options.onChange`; `onFailure` is told what that throws or rejects with. */
export function createDelivery<T extends KubernetesObject>(
  { kind, onChange }: Pick<ReflectorOptions<T>, 'kind' | 'onChange'>,
  onFailure: (error: SluiceError) => void,
): Delivery<T> {
  const hand = ({ key, before, after }: Change<T>): void => {
    const fail = (error: unknown): void => {
      const found = error instanceof Error ? error.message : String(error);
      const message = `The handler of changes to ${kind.plural} failed for ${key}: ${found}`;
      onFailure(new SluiceError('Internal', message, { cause: error }));
    };
    try {
      // An async function may be given where nothing is to be returned; its rejection would end the process.
      const returned: unknown = onChange?.(key, before, after);
      if (returned instanceof Promise) returned.catch(fail);
    } catch (error) {
      fail(error);
    }
  };
  return (changes, signal) => {
    for (const change of changes) {
      if (signal.aborted) return;
      hand(change);
    }
  };
}
