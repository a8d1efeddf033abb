/** Who wrote what in which order, from the API server's audit log: every replica has a credential of its own. */
import type { Lease } from '../../src/api/lease.ts';
import type { KubernetesObject } from '../../src/api/kubernetes.ts';
import type { Rollout } from '../../src/api/rollout.ts';
import type { IngressRoute } from '../../src/api/traefik.ts';
import { readSplit } from '../../src/traffic/split.ts';
import type { AuditEvent, Cluster } from './cluster.ts';

/** WriteKind is what was written; Other is the metadata of a Rollout. */
export type WriteKind = 'Lease' | 'Status' | 'Route' | 'Other';

/** Write is one successful write that has changed something. */
export interface Write {
  readonly kind: WriteKind;
  readonly name: string;
  /** version is its resourceVersion: all objects of one etcd share one sequence. */
  readonly version: number;
  readonly writer: string;
  readonly object: KubernetesObject;
  readonly atMs: number;
}

/** writesPolicy makes the API server record the answers to the writes of a ServiceAccount. */
export function writesPolicy(user: string): string {
  const resources = [
    { group: 'coordination.k8s.io', resources: ['leases'] },
    { group: 'sluice.dev', resources: ['rollouts', 'rollouts/status'] },
    { group: 'traefik.io', resources: ['ingressroutes'] },
  ];
  const verbs = ['create', 'update', 'patch'];
  return JSON.stringify({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: [{ level: 'RequestResponse', users: [user], verbs, resources, omitManagedFields: true }, { level: 'None' }],
  });
}

/** credentialOf returns how the audit log names a ServiceAccount's token. */
export function credentialOf(token: string): string {
  const [, payload = ''] = token.split('.');
  const { jti } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as { readonly jti: string };
  return `JTI=${jti}`;
}

interface RecordedEvent extends AuditEvent {
  readonly user: AuditEvent['user'] & { readonly extra?: Readonly<Record<string, readonly string[]>> };
  readonly responseObject?: KubernetesObject;
  readonly stageTimestamp: string;
}

/** readWrites returns all writes in the order in which etcd committed them; `writers` are names by credential. */
export async function readWrites(cluster: Cluster, writers: ReadonlyMap<string, string>): Promise<readonly Write[]> {
  const events = (await cluster.auditEvents()) as readonly RecordedEvent[];
  const byVersion = new Map<number, Write>();
  for (const event of events.toSorted((left, right) => timeOf(left) - timeOf(right))) {
    const write = toWrite(event, writers);
    // A patch that changes nothing is answered with the version of the last write, which may be another's.
    if (write !== undefined && !byVersion.has(write.version)) byVersion.set(write.version, write);
  }
  return [...byVersion.values()].toSorted((left, right) => left.version - right.version);
}

function timeOf({ stageTimestamp }: RecordedEvent): number {
  return Date.parse(`${stageTimestamp.slice(0, 19)}Z`) + Number(`0.${stageTimestamp.slice(20, -1)}`) * 1000;
}

function toWrite(event: RecordedEvent, writers: ReadonlyMap<string, string>): Write | undefined {
  const { stage, responseStatus, responseObject: object, user, objectRef } = event;
  const code = responseStatus?.code ?? 0;
  if (stage !== 'ResponseComplete' || code < 200 || code >= 300 || object === undefined) return undefined;
  const credential = user.extra?.['authentication.kubernetes.io/credential-id']?.[0] ?? '';
  const writer = writers.get(credential);
  if (writer === undefined) return undefined;
  const { name, resourceVersion } = object.metadata;
  return { kind: kindOf(objectRef), name, version: Number(resourceVersion), writer, object, atMs: timeOf(event) };
}

function kindOf(ref: AuditEvent['objectRef']): WriteKind {
  if (ref?.resource === 'leases') return 'Lease';
  if (ref?.resource === 'ingressroutes') return 'Route';
  return ref?.subresource === 'status' ? 'Status' : 'Other';
}

/** Findings are what the order of the writes shows. */
export interface Findings {
  /** raises are raising writes after another replica had written the same object, without the Lease having been taken back. */
  readonly raises: readonly string[];
  /** foreignRaises are raising writes while the Lease was another's, who had not written the object yet. */
  readonly foreignRaises: readonly string[];
  /** lateLowerings are lowering writes while the Lease was another's. */
  readonly lateLowerings: readonly string[];
  readonly counts: { readonly raises: number; readonly lowerings: number; readonly leaders: number };
}

interface Judging {
  leader: Leader;
  /** ended is when each replica ceased to be the leader, which it learns later. */
  readonly ended: Map<string, number>;
  readonly objects: Map<string, Written>;
  readonly raises: string[];
  readonly foreignRaises: string[];
  readonly lateLowerings: string[];
  readonly counts: { raises: number; lowerings: number; leaders: number };
}

/** judgeWrites goes through the writes of replicas that share one Lease. */
export function judgeWrites(writes: readonly Write[], namespace: string): Findings {
  const judging: Judging = {
    leader: { writer: '', sinceVersion: 0 },
    ended: new Map(),
    objects: new Map(),
    raises: [],
    foreignRaises: [],
    lateLowerings: [],
    counts: { raises: 0, lowerings: 0, leaders: 0 },
  };
  for (const write of writes) {
    if (write.kind === 'Lease') takeLease(judging, write);
    else takeWrite(judging, write, namespace);
  }
  return judging;
}

function takeLease(judging: Judging, write: Write): void {
  const { leader, ended, counts } = judging;
  const next = leaderAfter(write, leader);
  judging.leader = next;
  if (next.writer === leader.writer) return;
  ended.set(leader.writer, write.version);
  if (next.writer !== '') counts.leaders += 1;
}

function takeWrite(judging: Judging, write: Write, namespace: string): void {
  const { leader, ended, objects, counts } = judging;
  const key = `${write.kind} ${write.name}`;
  const object = objects.get(key) ?? { weight: 0, last: new Map<string, number>() };
  objects.set(key, object);
  const before = object.weight;
  object.weight = weightOf(write, namespace) ?? before;
  const isForeign = leader.writer !== write.writer;
  const text = `${write.writer}: ${key} from ${before} to ${object.weight} % at ${write.version}, ${leader.writer} leads since ${leader.sinceVersion}`;
  if (object.weight > before) {
    counts.raises += 1;
    if (isForeign && isOvertaken(object, write, ended.get(write.writer) ?? 0)) judging.raises.push(text);
    else if (isForeign) judging.foreignRaises.push(text);
  }
  if (object.weight < before) {
    counts.lowerings += 1;
    if (isForeign) judging.lateLowerings.push(text);
  }
  object.last.set(write.writer, write.version);
}

/** Written is an object as the last write left it, with the version of the last write of each replica. */
interface Written {
  weight: number;
  readonly last: Map<string, number>;
}

/** isOvertaken tells whether another replica has written the object since the writer ceased to be the leader. */
function isOvertaken({ last }: Written, { writer }: Write, sinceVersion: number): boolean {
  return [...last].some(([other, version]) => other !== writer && version > sinceVersion);
}

interface Leader {
  readonly writer: string;
  readonly sinceVersion: number;
}

function leaderAfter({ object, writer, version }: Write, leader: Leader): Leader {
  const holder = (object as Lease).spec?.holderIdentity ?? '';
  if (holder === '') return { writer: '', sinceVersion: version };
  return leader.writer === writer ? leader : { writer, sinceVersion: version };
}

function weightOf({ kind, name, object }: Write, namespace: string): number | undefined {
  if (kind === 'Status') return (object as Rollout).status?.weight ?? 0;
  if (kind !== 'Route') return undefined;
  const pair = {
    namespace,
    stable: { service: `${name}-stable`, ports: [] },
    canary: { service: `${name}-canary`, ports: [] },
  };
  return readSplit((object as IngressRoute).spec.routes ?? [], pair).canaryPercent;
}
