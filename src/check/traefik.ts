/** Tries Traefik: the flags of its workloads, as far as they are arguments, and its API where one is named. */
import type { KubernetesObject } from '../api/kubernetes.ts';
import type { Tried } from '../cli/check-report.ts';
import { ask, type Asker, type ObjectList } from './ask.ts';

interface Workload extends KubernetesObject {
  readonly spec?: {
    readonly template?: {
      readonly spec?: {
        readonly containers?: readonly { readonly image?: string; readonly args?: readonly string[] }[];
      };
    };
  };
}

/** tryTraefikFlags reads the arguments of Deployments and DaemonSets that run Traefik. */
export async function tryTraefikFlags(asker: Asker): Promise<readonly Tried[]> {
  const lists = await Promise.all(
    ['deployments', 'daemonsets'].map((plural) => ask<ObjectList<Workload>>(asker, `/apis/apps/v1/${plural}`)),
  );
  const workloads = lists.flatMap((list) => (list.kind === 'Found' ? list.value.items : []));
  const found = workloads.flatMap(({ metadata, spec }) =>
    (spec?.template?.spec?.containers ?? [])
      .filter(({ image = '' }) => /(^|\/)traefik([:@]|$)/.test(image))
      .map(({ args = [] }) => ({ name: `${metadata.namespace ?? ''}/${metadata.name}`, args })),
  );
  if (found.length > 0) return found.flatMap(({ name, args }) => flagsOf(name, readFlags(args)));
  return [
    {
      state: 'Unsure',
      what: 'Flags of Traefik',
      message: 'no Deployment and no DaemonSet of an image called traefik can be read here',
      advice: 'Traefik needs --metrics.prometheus=true, with addServicesLabels on, which is its default.',
      docs: 'operations.md#install',
    },
  ];
}

/** Traefik takes flags in any case, and a switch without a value for true (traefik/paerser). */
function readFlags(args: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    args
      .filter((arg) => arg.startsWith('--'))
      .map((arg) => {
        const [name = '', ...value] = arg.slice(2).split('=');
        return [name.toLowerCase(), value.length === 0 ? 'true' : value.join('=')];
      }),
  );
}

function flagsOf(name: string, flags: ReadonlyMap<string, string>): readonly Tried[] {
  const what = `Traefik ${name}`;
  return [metricsOf(what, flags), emptyServicesOf(what, flags)];
}

function metricsOf(what: string, flags: ReadonlyMap<string, string>): Tried {
  const docs = 'operations.md#install';
  const isOn = [...flags].some(([flag, value]) => /^metrics\.prometheus(\.|$)/.test(flag) && value !== 'false');
  if (!isOn) {
    const message = 'its metrics are off';
    return { state: 'Wrong', what, message, advice: 'Start it with --metrics.prometheus=true.', docs };
  }
  if (flags.get('metrics.prometheus.addserviceslabels') === 'false') {
    const message = 'its metrics have no services (addServicesLabels is false)';
    return { state: 'Wrong', what, message, advice: 'Leave --metrics.prometheus.addServicesLabels out.', docs };
  }
  return { state: 'Right', what, message: 'metrics of services are on' };
}

function emptyServicesOf(what: string, flags: ReadonlyMap<string, string>): Tried {
  if (flags.get('providers.kubernetescrd.allowemptyservices') === 'true')
    return { state: 'Right', what, message: 'services without endpoints do not take their route along' };
  return {
    state: 'Unsure',
    what,
    message:
      'a version that loses its last endpoint takes the whole route with it until Sluice has written (allowEmptyServices is false)',
    advice: 'Start it with --providers.kubernetescrd.allowEmptyServices=true, or set spec.canary.nativeLB.',
    docs: 'operations.md#empty-services',
  };
}
