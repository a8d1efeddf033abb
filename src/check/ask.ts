/** Single questions to the API server, where a refusal and an absence are answers. */
import type { KubernetesObject } from '../api/kubernetes.ts';
import type { Tried } from '../cli/check-report.ts';
import { isSluiceError } from '../errors.ts';
import type { KubeClient } from '../kube/request.ts';

/** Answer is what the API server has under a path, or why that is not known. */
export type Answer<T> =
  | { readonly kind: 'Found'; readonly value: T }
  | { readonly kind: 'Missing' }
  | { readonly kind: 'Forbidden'; readonly message: string };

/** Asker asks the API server. */
export interface Asker {
  readonly client: KubeClient;
  readonly signal: AbortSignal;
}

/** ask throws a SluiceError where there is no answer. */
export async function ask<T>({ client, signal }: Asker, path: string): Promise<Answer<T>> {
  return answered(client.request({ verb: 'get', path, signal }) as Promise<T>);
}

/** review creates a review, which stores nothing, and returns its status. */
export async function review<T>({ client, signal }: Asker, path: string, body: object): Promise<Answer<T>> {
  const sent = client.request({ verb: 'create', path, body, signal }) as Promise<{ readonly status: T }>;
  return answered(sent.then(({ status }) => status));
}

async function answered<T>(sent: Promise<T>): Promise<Answer<T>> {
  try {
    return { kind: 'Found', value: await sent };
  } catch (error) {
    if (isSluiceError(error, 'ApiNotFound')) return { kind: 'Missing' };
    if (isSluiceError(error, 'ApiForbidden')) return { kind: 'Forbidden', message: error.message };
    throw error;
  }
}

/** untold is what nobody may look at with these rights. */
export function untold(what: string, { message }: { readonly message: string }): Tried {
  return { state: 'Unsure', what, message: `not tried: ${message}`, advice: 'Try it with more rights.' };
}

/** ObjectList is a list as the API server writes it. */
export interface ObjectList<T extends KubernetesObject = KubernetesObject> {
  readonly items: readonly T[];
}
