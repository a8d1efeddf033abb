/** Reads and writes the workloads of a Copy: only while one is due, and never from caches, so that nothing of a pod template is kept. */
import { resources, type ManagedFieldsEntry, type ObjectKey, type ResourceKind } from '../api/kubernetes.ts';
import type { CallOptions, JsonPatchOperation, ObjectStore } from '../api/object-store.ts';
import type { Rollout, WorkloadRef } from '../api/rollout.ts';
import type { RolloutStatus } from '../api/rollout-status.ts';
import { parseTime } from '../clock.ts';
import { isSluiceError, type ErrorCode, type SluiceError } from '../errors.ts';
import { fieldManager } from '../rollout/applied.ts';
import { isCopyDue, refusedCopy, withTemplate } from '../rollout/copy.ts';
import type { Decision } from '../rollout/decision.ts';
import type { CopyObservation, CopyRead, Observation, PodTemplate } from '../rollout/observation.ts';
import type { Caches } from './caches.ts';
import { settled } from './fenced-write.ts';
import { findTemplate, templateOf, type RawWorkload } from './judged-template.ts';
import { revisionOf, type Workload, type WorkloadKind } from './workloads.ts';

/** CopyReader is where the workloads are read; of the caches only the newest revision of a DaemonSet is taken. */
export interface CopyReader {
  readonly store: Pick<ObjectStore, 'get' | 'list'>;
  readonly caches: Pick<Caches, 'workload'>;
}

const workloadResources: Readonly<Record<WorkloadKind, ResourceKind>> = {
  Deployment: resources.deployments,
  StatefulSet: resources.statefulSets,
  DaemonSet: resources.daemonSets,
};

/** Every decision about a rollout that is copied waits for these reads, also one that takes traffic back: none may take long. */
const readMs = 2_000;

/** After any other answer the next one may be right: a promote must not send traffic to what nobody has seen. */
const refusedReads: readonly ErrorCode[] = ['ApiForbidden', 'ApiUnauthorized', 'ApiInvalid', 'ApiNotFound'];

/** readCopy reads what a Copy needs, or says why it cannot; undefined where none is due. What fails here holds up no rollback. */
export async function readCopy(
  reader: CopyReader,
  rollout: Rollout,
  options: CallOptions,
): Promise<CopyObservation | undefined> {
  const { stable, canary } = rollout.spec;
  if (!isCopyDue(rollout) || stable.workload === undefined || canary.workload === undefined) return undefined;
  const pair = { stable: stable.workload, canary: canary.workload };
  try {
    return await read(reader, { rollout, ...pair }, { signal: options.signal, deadlineMs: readMs });
  } catch (error) {
    if (!isSluiceError(error) || isSluiceError(error, 'Aborted')) throw error;
    return unreadable(error);
  }
}

function unreadable(error: SluiceError): CopyObservation {
  return refusedReads.includes(error.code)
    ? { kind: 'Refused', message: `the workloads cannot be read. ${explain(error)}` }
    : { kind: 'Unread', message: `the workloads cannot be read for now. ${error.message}` };
}

async function read(
  { store, caches }: CopyReader,
  {
    rollout,
    stable,
    canary,
  }: { readonly rollout: Rollout; readonly stable: WorkloadRef; readonly canary: WorkloadRef },
  options: CallOptions,
): Promise<CopyObservation> {
  const get = (ref: WorkloadRef): Promise<RawWorkload | undefined> =>
    store.get<RawWorkload>(workloadResources[ref.kind], keyOfRef(rollout, ref), options);
  const name = `${stable.kind} ${stable.name}`;
  const found = await get(stable);
  if (found === undefined) return { kind: 'Refused', message: `${name} does not exist any more; create it again.` };
  const owners = ownersOf(found);
  const { status = {} } = rollout;
  const source = status.copy?.template === undefined && owners.applier === undefined ? await get(canary) : undefined;
  const wanted = source && { kind: canary.kind, workload: source, revision: judgedRevision(status) };
  return {
    kind: 'Read',
    workload: name,
    resourceVersion: found.metadata.resourceVersion ?? '',
    template: templateOf(found.spec?.template),
    ...owners,
    revision: revisionOf(asWorkload(stable.kind, found, caches.workload(stable.kind, keyOfRef(rollout, stable)))),
    trouble: stable.kind === 'Deployment' ? troubleOf(found) : undefined,
    judged: wanted && (await findTemplate(store, wanted, options)),
  };
}

function judgedRevision({ workloadRevision, promotedRevision = '' }: RolloutStatus): string {
  return workloadRevision ?? promotedRevision;
}

function keyOfRef({ metadata }: Rollout, { name }: WorkloadRef): ObjectKey {
  return `${metadata.namespace ?? ''}/${name}`;
}

function asWorkload(kind: WorkloadKind, object: RawWorkload, cached: Workload | undefined): Workload {
  return { ...(cached?.kind === 'DaemonSet' ? { newest: cached.newest } : {}), kind, object } as Workload;
}

/** Both apply without asking what is there. Argo CD's client-side apply is recorded as an Update, so that its name has to tell. */
const gitOpsManagers: readonly string[] = [
  'argocd-controller',
  'argocd-application-controller',
  'kustomize-controller',
  'helm-controller',
];

function ownersOf({ metadata }: RawWorkload): Pick<CopyRead, 'applier' | 'writer'> {
  const owners = (metadata.managedFields ?? []).filter(ownsTemplate);
  const applier = owners.find(
    ({ manager = '', operation }) =>
      gitOpsManagers.includes(manager) || (operation === 'Apply' && manager !== fieldManager),
  );
  const [last] = owners.toSorted((a, b) => (parseTime(b.time) ?? 0) - (parseTime(a.time) ?? 0));
  return { applier: applier?.manager, writer: last?.manager };
}

function ownsTemplate({ fieldsV1 }: ManagedFieldsEntry): boolean {
  return ['f:spec', 'f:template', 'f:spec'].reduce<unknown>(inner, fieldsV1) !== undefined;
}

function inner(fields: unknown, name: string): unknown {
  return typeof fields === 'object' && fields !== null
    ? (fields as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** troubleOf is what a Deployment says of the present template; what it says of the one before does not count. */
function troubleOf({ metadata, spec, status }: RawWorkload): string | undefined {
  const name = `Deployment ${metadata.name}`;
  if (spec?.paused === true) return `${name} is paused (spec.paused) and rolls nothing out; resume it.`;
  if ((status?.observedGeneration ?? 0) < (metadata.generation ?? 0)) return undefined;
  const bad = (status?.conditions ?? []).find(
    ({ type, status: is, reason }) =>
      (type === 'Progressing' && is === 'False' && reason === 'ProgressDeadlineExceeded') ||
      (type === 'ReplicaFailure' && is === 'True'),
  );
  return bad && `${name} says ${bad.reason}: ${bad.message}`;
}

/** TemplateWritten is what became of the write, and the status that is true by it. */
export type TemplateWritten =
  | { readonly kind: 'Written' | 'Refused'; readonly status: RolloutStatus }
  | { readonly kind: 'Conflict' | 'Missing' | 'Unknown' };

/** Others than these are no answer to what was asked, and the loop tries again. */
const refusals = ['ApiForbidden', 'ApiInvalid'] as const;

/** writeTemplate replaces the pod template of the stable workload, if that is still as it was read. */
export async function writeTemplate(
  store: Pick<ObjectStore, 'patch'>,
  { observation, options }: { readonly observation: Observation; readonly options: CallOptions },
  decision: Decision & { readonly kind: 'Copy' },
): Promise<TemplateWritten> {
  const { copy, rollout } = observation;
  const { workload } = rollout.spec.stable;
  if (copy?.kind !== 'Read' || workload === undefined) return { kind: 'Missing' };
  const operations = templatePatch(copy, decision.template);
  const [kind, key] = [workloadResources[workload.kind], keyOfRef(rollout, workload)];
  try {
    const outcome = await settled(store.patch<RawWorkload>(kind, key, operations, options));
    if (outcome.kind !== 'Written') return { kind: outcome.kind };
    return { kind: 'Written', status: withTemplate(decision.status, templateOf(outcome.object.spec?.template)) };
  } catch (error) {
    if (!isSluiceError(error, ...refusals)) throw error;
    return { kind: 'Refused', status: refusedCopy(observation, `${copy.workload} was not changed. ${explain(error)}`) };
  }
}

/** templatePatch replaces both parts whole: a merge would leave env and sidecars behind that the judged pods have not. */
function templatePatch({ resourceVersion, template }: CopyRead, to: PodTemplate): readonly JsonPatchOperation[] {
  const path = '/spec/template/metadata/annotations';
  const isBare = Object.keys(to.annotations).length === 0;
  const removal = isBare && Object.keys(template.annotations).length > 0 ? [{ op: 'remove', path } as const] : [];
  return [
    { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion },
    { op: 'replace', path: '/spec/template/spec', value: to.spec },
    ...(isBare ? removal : [{ op: 'add', path, value: to.annotations } as const]),
  ];
}

function explain({ message }: SluiceError): string {
  // The authorizer's own words (apiserver, endpoints/handlers/responsewriters/errors.go); admission is worded by others.
  const isRight = / cannot (get|list|patch) resource /.test(message);
  return isRight ? `Apply manifests/overlays/copy, which gives the controller the right: ${message}` : message;
}
