/** What the API server said about each row of the corpus, in a file, so that tests without a server can say the same. */
import { readFileSync, writeFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { Row } from './crd-corpus.ts';

const file = new URL('crd-verdicts.json', import.meta.url);

/** Verdicts maps the sentence of a row to the problems, each as `field: message`; none where it is accepted. */
export type Verdicts = Readonly<Record<string, readonly string[]>>;

/** readVerdicts returns what was recorded last. */
export function readVerdicts(): Verdicts {
  return JSON.parse(readFileSync(file, 'utf8')) as Verdicts;
}

/** recordVerdicts replaces what was recorded. */
export function recordVerdicts(verdicts: Verdicts): void {
  writeFileSync(file, `${JSON.stringify(verdicts, null, 2)}\n`);
}

/** rowObject is the Rollout of a row; kubectl's YAML takes `off` and `no` for false as YAML 1.1 does. */
export function rowObject({ yaml }: Row, name: string): object {
  const spec: unknown = parse(yaml, { version: '1.1' });
  return { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name, namespace: 'web' }, spec };
}

/** StatusAnswer is the part of metav1.Status that says what is wrong. */
export interface StatusAnswer {
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly field: string; readonly message: string }[] };
}

/**
 * readCauses returns the problems of a Status, without the name of the field in the message, without hints of no field,
 * and without CEL's words for a text that it could not read as a number.
 */
export function readCauses({ details }: StatusAnswer): readonly string[] {
  const causes = (details?.causes ?? []).filter(({ field }) => field !== '<nil>');
  return causes.map(({ field, message }) => {
    const plain = message.replace(`${field} in body `, '').replace(/"[a-z]+": .* evaluating rule: /, '');
    return `${field}: ${plain}`;
  });
}

/** readUnknownFields returns the problems of a strict decoding error. */
export function readUnknownFields({ message = '' }: StatusAnswer): readonly string[] {
  return [...message.matchAll(/unknown field "([^"]+)"/g)].map(([, field]) => `${field}: unknown field`);
}
