/** Tries rights: those of the controller's ServiceAccount, and before an installation those of who installs. */
import type { Tried } from '../cli/check-report.ts';
import { ask, review, untold, type Asker } from './ask.ts';
import { readRoles, type Rule } from './build.ts';

/** Right is one right; `namespace` is empty for all namespaces. */
interface Right {
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
  readonly namespace: string;
}

const authorization = '/apis/authorization.k8s.io/v1';

/** tryController asks whether the ServiceAccount may do all that the manifests of this build give it. */
export async function tryController(
  asker: Asker,
  { account, namespace, watched }: { readonly account: string; readonly namespace: string; readonly watched: string },
): Promise<readonly Tried[]> {
  const what = `Rights of ServiceAccount ${namespace}/${account}`;
  const roles = await readRoles();
  if (roles === undefined) return [untold(what, { message: 'the manifests of this build are not here' })];
  const rights = roles.flatMap(({ metadata, rules }) =>
    rules.flatMap((rule) => rightsOf(rule, metadata.namespace === undefined ? watched : namespace)),
  );
  const user = `system:serviceaccount:${namespace}:${account}`;
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
  const denied: Right[] = [];
  for (const right of rights) {
    const body = { spec: { user, groups, resourceAttributes: attributesOf(right) } };
    const answer = await review<{ readonly allowed?: boolean }>(asker, `${authorization}/subjectaccessreviews`, body);
    if (answer.kind === 'Forbidden') return [untold(what, answer)];
    if (answer.kind === 'Missing' || answer.value.allowed !== true) denied.push(right);
  }
  if (denied.length === 0) return [{ state: 'Right', what, message: `all ${rights.length} of them` }];
  return [
    {
      state: 'Wrong',
      what,
      message: `it may not ${denied.map(rightText).join('; ')}`,
      advice: 'kubectl apply -f manifests/base/controller-rbac.yaml, or give the rights in the Roles of your own.',
      docs: 'operations.md#rights',
    },
  ];
}

function rightsOf({ apiGroups, resources, verbs }: Rule, namespace: string): readonly Right[] {
  return apiGroups.flatMap((group) =>
    resources.flatMap((resource) => verbs.map((verb) => ({ group, resource, verb, namespace }))),
  );
}

function attributesOf({ group, resource, verb, namespace }: Right): object {
  const [plural = '', subresource] = resource.split('/');
  const rest = { ...(namespace === '' ? {} : { namespace }), ...(subresource === undefined ? {} : { subresource }) };
  return { group, resource: plural, verb, ...rest };
}

function rightText({ group, resource, verb, namespace }: Right): string {
  const where = namespace === '' ? '' : ` in ${namespace}`;
  return `${verb} ${resource}${group === '' ? '' : `.${group}`}${where}`;
}

/** tryInstaller asks whether the caller may create what the base has. */
export async function tryInstaller(asker: Asker): Promise<readonly Tried[]> {
  const rights: readonly Right[] = [
    ['', 'namespaces'],
    ['', 'serviceaccounts'],
    ['', 'services'],
    ['apps', 'deployments'],
    ['rbac.authorization.k8s.io', 'clusterroles'],
    ['rbac.authorization.k8s.io', 'clusterrolebindings'],
    ['apiextensions.k8s.io', 'customresourcedefinitions'],
    ['admissionregistration.k8s.io', 'validatingadmissionpolicies'],
    ['admissionregistration.k8s.io', 'validatingadmissionpolicybindings'],
  ].map(([group = '', resource = '']) => ({ group, resource, verb: 'create', namespace: '' }));
  const answers = await Promise.all(
    rights.map((right) =>
      review<{ readonly allowed?: boolean }>(asker, `${authorization}/selfsubjectaccessreviews`, {
        spec: { resourceAttributes: attributesOf(right) },
      }),
    ),
  );
  const denied = rights.filter((_, index) => {
    const answer = answers[index];
    return answer?.kind !== 'Found' || answer.value.allowed !== true;
  });
  const what = 'Your rights to install';
  if (denied.length === 0) return [{ state: 'Right', what, message: 'all that manifests/base needs' }];
  const message = `you may not ${denied.map(rightText).join('; ')}`;
  return [
    { state: 'Wrong', what, message, advice: 'Install with an account that may.', docs: 'operations.md#install' },
  ];
}

interface Lease {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly renewTime?: string;
  };
}

/** readLeases returns the Leases of the namespace of the controller. */
export async function readLeases(asker: Asker, namespace: string) {
  return ask<{ readonly items: readonly Lease[] }>(
    asker,
    `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`,
  );
}
