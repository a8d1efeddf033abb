/** Something that passes while it is open and waits while it is closed, such as bytes in a half-open connection. */

/** Tap is open at first. */
export interface Tap {
  readonly close: () => void;
  /** open lets everything that waits go on. */
  readonly open: () => void;
  /** passed resolves as soon as the tap is open. */
  readonly passed: () => Promise<void>;
}

/** createTap returns a Tap of its own; with `behind`, what passes has to pass that one too. */
export function createTap(behind?: Pick<Tap, 'passed'>): Tap {
  let waiting: PromiseWithResolvers<void> | undefined;
  const passed = async (): Promise<void> => {
    if (waiting === undefined) return behind?.passed();
    await waiting.promise;
    // It may have been closed again since.
    return passed();
  };
  return {
    close: () => {
      waiting ??= Promise.withResolvers<void>();
    },
    open: () => {
      waiting?.resolve();
      waiting = undefined;
    },
    passed,
  };
}
