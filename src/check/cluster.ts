/** Tries the API server: its version, its clock, the kinds of Sluice and of Traefik, the admission policies. */
import { isSame } from '../api/merge-patch.ts';
import { formatDuration } from '../api/duration.ts';
import type { Tried } from '../cli/check-report.ts';
import { ask, untold, type Asker } from './ask.ts';
import { readCrd, readPolicies, type Crd, type Policy } from './build.ts';

/** ValidatingAdmissionPolicies are in v1 since then. */
const oldestMinor = 30;
const maxOffsetMs = 5_000;

/** tryServer asks for the version; it throws where nobody answers. */
export async function tryServer(asker: Asker): Promise<readonly Tried[]> {
  const answer = await ask<{ readonly gitVersion: string; readonly minor: string }>(asker, '/version');
  const what = 'API server';
  if (answer.kind !== 'Found') return [untold(what, { message: 'it does not say its version' })];
  const { gitVersion, minor } = answer.value;
  const offsetMs = asker.client.serverOffsetMs();
  const isOld = Number.parseInt(minor, 10) < oldestMinor;
  const version: Tried = isOld
    ? {
        state: 'Wrong',
        what,
        message: `it is ${gitVersion}, and has no ValidatingAdmissionPolicy`,
        advice: `Upgrade it to 1.${oldestMinor}, or leave the policies out and give the right to update Rollouts to few people.`,
        docs: 'operations.md#rights-of-people',
      }
    : { state: 'Right', what, message: gitVersion };
  return [version, clockOf(offsetMs)];
}

function clockOf(offsetMs: number): Tried {
  const what = 'Clock of this machine';
  if (Math.abs(offsetMs) <= maxOffsetMs) return { state: 'Right', what, message: 'as the API server has it' };
  const side = offsetMs > 0 ? 'behind' : 'ahead of';
  return {
    state: 'Unsure',
    what,
    message: `${formatDuration(Math.abs(Math.round(offsetMs / 1_000) * 1_000))} ${side} that of the API server`,
    advice: 'Set it by NTP: windows and freezes are read by it in `sluice plan`. The controller measures its own.',
  };
}

/** crdPath is where the API server has the CRDs. */
export const crdPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

/** tryRolloutCrd compares the CRD with that of this build; before an installation it may be missing. */
export async function tryRolloutCrd(asker: Asker, isBefore: boolean): Promise<readonly Tried[]> {
  const what = 'CRD rollouts.sluice.dev';
  const docs = 'operations.md#install';
  const answer = await ask<Crd>(asker, `${crdPath}/rollouts.sluice.dev`);
  if (answer.kind === 'Forbidden') return [untold(what, answer)];
  if (answer.kind === 'Missing') {
    if (isBefore) return [{ state: 'Right', what, message: 'not there yet' }];
    return [{ state: 'Wrong', what, message: 'it is not installed', advice: 'kubectl apply -k manifests/base', docs }];
  }
  const { spec, status } = answer.value;
  const isEstablished = status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True');
  if (isEstablished !== true)
    return [
      {
        state: 'Wrong',
        what,
        message: 'the API server does not serve it',
        advice: 'See kubectl describe crd rollouts.sluice.dev.',
        docs,
      },
    ];
  if (await isOfBuild(spec)) return [{ state: 'Right', what, message: 'that of this build' }];
  return [
    {
      state: isBefore ? 'Unsure' : 'Wrong',
      what,
      message: 'its schema is not that of this build',
      advice: 'kubectl apply -f crds/rollouts.yaml of the version of the controller, before the controller.',
      docs,
    },
  ];
}

/** isOfBuild tells whether a CRD has the schema of this build, in each of its versions. */
export async function isOfBuild(spec: Crd['spec']): Promise<boolean> {
  const built = await readCrd();
  return built.spec.versions.every((version) => {
    const there = spec.versions.find(({ name }) => name === version.name);
    return (
      there?.schema?.openAPIV3Schema !== undefined &&
      isSame(there.schema.openAPIV3Schema, version.schema?.openAPIV3Schema ?? {})
    );
  });
}

/** tryTraefikKinds looks for the kinds of Traefik that Sluice reads. */
export async function tryTraefikKinds(asker: Asker): Promise<readonly Tried[]> {
  const what = 'Kinds of Traefik';
  const group = 'traefik.io/v1alpha1';
  const answer = await ask<{ readonly resources: readonly { readonly name: string }[] }>(asker, `/apis/${group}`);
  if (answer.kind === 'Forbidden') return [untold(what, answer)];
  const served = answer.kind === 'Found' ? answer.value.resources.map(({ name }) => name) : [];
  const missing = ['ingressroutes', 'traefikservices', 'middlewares'].filter((name) => !served.includes(name));
  if (missing.length === 0) return [{ state: 'Right', what, message: `${group} is served` }];
  return [
    {
      state: 'Wrong',
      what,
      message: `${group} has no ${missing.join(', ')}`,
      advice: "Apply Traefik's CRDs of version 3, or manifests/overlays/proxy where there is no Traefik.",
      docs: 'proxy.md',
    },
  ];
}

interface Binding {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly policyName: string; readonly validationActions?: readonly string[] };
}

const admission = '/apis/admissionregistration.k8s.io/v1';

/** tryPolicies: without them whoever may update a Rollout may give any command. */
export async function tryPolicies(asker: Asker): Promise<readonly Tried[]> {
  const policies = await readPolicies();
  const bindings = await ask<{ readonly items: readonly Binding[] }>(
    asker,
    `${admission}/validatingadmissionpolicybindings`,
  );
  if (policies === undefined || bindings.kind === 'Forbidden') {
    const message = bindings.kind === 'Forbidden' ? bindings.message : 'the manifests of this build are not here';
    return [untold('Admission policies', { message })];
  }
  const bound = bindings.kind === 'Found' ? bindings.value.items : [];
  return Promise.all(policies.map((policy) => tryPolicy(asker, policy, bound)));
}

async function tryPolicy(asker: Asker, policy: Policy, bindings: readonly Binding[]): Promise<Tried> {
  const { name } = policy.metadata;
  const what = `Admission policy ${name}`;
  const answer = await ask<Policy>(asker, `${admission}/validatingadmissionpolicies/${name}`);
  const wrong = (message: string): Tried => ({
    state: 'Wrong',
    what,
    message,
    advice: 'kubectl apply -k manifests/base; without it rights to Rollouts are rights to everything behind them.',
    docs: 'operations.md#rights-of-people',
  });
  if (answer.kind === 'Forbidden') return untold(what, answer);
  if (answer.kind === 'Missing') return wrong('it is not installed');
  const own = bindings.filter(({ spec }) => spec.policyName === name);
  if (!own.some(({ spec }) => spec.validationActions?.includes('Deny') === true))
    return wrong(own.length === 0 ? 'no binding puts it into effect' : 'its binding refuses nothing (no Deny)');
  const isSamePolicy = isSame(expressionsOf(answer.value), expressionsOf(policy));
  return isSamePolicy ? { state: 'Right', what, message: 'in effect' } : wrong('it is not that of this build');
}

function expressionsOf({ spec }: Policy): readonly string[] {
  return (spec.validations ?? []).map(({ expression }) => expression.trim());
}
