/** `sluice get`: reads a Rollout from the API server and prints what is asked of it. */
import { resources, type ObjectKey } from './api/kubernetes.ts';
import type { Rollout } from './api/rollout.ts';
import { noteOn, printIdle, readIdle, type IdleFormat } from './cli/get-idle.ts';
import { systemClock } from './clock.ts';
import { SluiceError } from './errors.ts';
import { loadKubeConfig } from './kube/config.ts';
import { createKubeObjectStore } from './kube/kube-object-store.ts';
import { version } from './version.ts';

/** GetCall is the command line. */
export interface GetCall {
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly output?: string | undefined;
}

/** GetResult is what to print; `note` is for people only. Failed says what was found and what to do. */
export type GetResult =
  | { readonly kind: 'Done'; readonly text: string; readonly note: string | undefined }
  | { readonly kind: 'Failed'; readonly message: string };

const formats: Readonly<Record<string, IdleFormat>> = { name: 'Name', json: 'Json', yaml: 'Yaml' };

/** runGet rejects with ConfigInvalid for a call that cannot be meant, and with whatever the API server answers. */
export async function runGet(
  call: GetCall,
  { env, signal }: { readonly env: Readonly<Record<string, string | undefined>>; readonly signal: AbortSignal },
): Promise<GetResult> {
  const format = call.output === undefined ? 'Table' : formats[call.output];
  if (format === undefined)
    throw new SluiceError(
      'ConfigInvalid',
      `-o is "${call.output}"; it must be one of ${Object.keys(formats).join(', ')}.`,
    );
  const { kubeconfig, context } = call;
  const connection = await loadKubeConfig({ kubeconfig, context, env });
  const key: ObjectKey = `${call.namespace ?? connection.namespace ?? 'default'}/${call.name}`;
  const options = { clock: systemClock, random: Math.random, version, fieldManager: 'sluice' } as const;
  const store = createKubeObjectStore(connection, options);
  try {
    const rollout = await store.get<Rollout>(resources.rollouts, key, { signal });
    if (rollout === undefined)
      return { kind: 'Failed', message: `Rollout ${key} does not exist; see kubectl get slr.` };
    const report = readIdle(rollout);
    if (typeof report === 'string') return { kind: 'Failed', message: report };
    return { kind: 'Done', text: printIdle(report, format), note: noteOn(report) };
  } finally {
    await store.close();
  }
}
