/** What `sluice check` prints: a line for each thing that was tried. */

/** Tried is one thing: Right, Wrong, or Unsure where it could not be told or may be meant so. */
export interface Tried {
  readonly state: 'Right' | 'Wrong' | 'Unsure';
  /** what is the thing, message what was found. */
  readonly what: string;
  readonly message: string;
  /** advice is what to do; docs the page and heading that say more. */
  readonly advice?: string;
  readonly docs?: string;
}

const signs: Readonly<Record<Tried['state'], string>> = { Right: '✓', Wrong: '✗', Unsure: '!' };

/** checkText has a line for each, and below what is wrong what to do. */
export function checkText(all: readonly Tried[]): string {
  return all.flatMap(lines).join('\n');
}

function lines({ state, what, message, advice, docs }: Tried): readonly string[] {
  const first = `${signs[state]} ${what}: ${message}`;
  if (state === 'Right') return [first];
  return [
    first,
    ...(advice === undefined ? [] : [`    ${advice}`]),
    ...(docs === undefined ? [] : [`    see docs/${docs}`]),
  ];
}

/** checkJson is the same for programs. */
export function checkJson(all: readonly Tried[]): string {
  return JSON.stringify({ isRight: isRight(all), tried: all }, null, 2);
}

/** isRight: nothing is wrong. */
export function isRight(all: readonly Tried[]): boolean {
  return all.every(({ state }) => state !== 'Wrong');
}
