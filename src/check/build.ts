/** What this build would install: its CRD, its rights and its admission policies, from the manifests beside the program. */
import { readFile } from 'node:fs/promises';
import { parse, parseAllDocuments } from 'yaml';
import type { KubernetesObject } from '../api/kubernetes.ts';

const root = new URL('../../', import.meta.url);

/** Rule is a rule of a Role. */
export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** Role is a Role or, without a namespace, a ClusterRole. */
export interface Role extends KubernetesObject {
  readonly rules: readonly Rule[];
}

/** Policy is a ValidatingAdmissionPolicy. */
export interface Policy extends KubernetesObject {
  readonly spec: { readonly validations?: readonly { readonly expression: string }[] };
}

/** Crd is a CustomResourceDefinition as far as it is compared. */
export interface Crd extends KubernetesObject {
  readonly spec: {
    readonly versions: readonly {
      readonly name: string;
      readonly served?: boolean;
      readonly schema?: { readonly openAPIV3Schema?: object };
    }[];
  };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** readCrd returns the CRD of Rollouts of this build. */
export async function readCrd(): Promise<Crd> {
  return parse(await readFile(new URL('crds/rollouts.yaml', root), 'utf8')) as Crd;
}

/** readRoles returns the roles of the controller; undefined where the manifests do not lie beside the program. */
export async function readRoles(): Promise<readonly Role[] | undefined> {
  const objects = await readBase('controller-rbac.yaml');
  return objects?.filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role') as readonly Role[] | undefined;
}

/** readPolicies returns the admission policies; undefined as above. */
export async function readPolicies(): Promise<readonly Policy[] | undefined> {
  const files = await Promise.all(['admission.yaml', 'match-admission.yaml'].map(readBase));
  const objects = files.every((file) => file !== undefined) ? files.flat() : undefined;
  return objects?.filter(({ kind }) => kind === 'ValidatingAdmissionPolicy') as readonly Policy[] | undefined;
}

async function readBase(file: string): Promise<readonly KubernetesObject[] | undefined> {
  const text = await readFile(new URL(`manifests/base/${file}`, root), 'utf8').catch((): undefined => undefined);
  return text === undefined
    ? undefined
    : parseAllDocuments(text).map((document) => document.toJS() as KubernetesObject);
}
