/** `sluice get`: a table of Rollouts as `kubectl get slr` prints it, or the objects themselves. */
import type { Rollout } from '../api/rollout.ts';
import { parseTime } from '../clock.ts';
import { printAge } from './age.ts';
import { listOf, printData, withoutManagers } from './output.ts';
import { printRolloutName } from './rollout-name.ts';
import { printTable } from './table.ts';

/** getFormats are what -o takes; without it there is a table. */
export const getFormats = ['wide', 'name', 'json', 'yaml'] as const;

/** RolloutsPrint is how they are printed. */
export interface RolloutsPrint {
  readonly format: (typeof getFormats)[number] | undefined;
  /** hasNamespaces adds the column NAMESPACE. */
  readonly hasNamespaces: boolean;
  readonly hasHeaders: boolean;
  /** isSingle: one was asked for by name, which JSON and YAML print without a List around it. */
  readonly isSingle: boolean;
  readonly nowMs: number;
}

/** printRollouts returns the text without a line end. */
export function printRollouts(rollouts: readonly Rollout[], how: RolloutsPrint): string {
  const { format, isSingle } = how;
  if (format === 'name') return rollouts.map(({ metadata }) => printRolloutName(metadata.name)).join('\n');
  if (format === 'json' || format === 'yaml') {
    const items = rollouts.map(withoutManagers);
    const [first] = items;
    return printData(isSingle && items.length === 1 ? first : listOf(items), format);
  }
  const columns = columnsOf(how);
  const header = how.hasHeaders ? [columns.map(([title]) => title)] : [];
  return printTable([...header, ...rollouts.map((rollout) => columns.map(([, cell]) => cell(rollout)))]);
}

type Column = readonly [title: string, cell: (rollout: Rollout) => string];

/** The titles are those of additionalPrinterColumns in the CRD, so that both commands say the same. */
function columnsOf({ format, hasNamespaces, nowMs }: RolloutsPrint): readonly Column[] {
  const wide: readonly Column[] = [
    ['LIVE', ({ status }) => status?.liveService ?? ''],
    ['ROUTE', ({ spec }) => `${spec.route.kind}/${spec.route.name}`],
    ['REASON', ({ status }) => status?.reason ?? ''],
  ];
  return [
    ...(hasNamespaces ? [['NAMESPACE', ({ metadata }: Rollout) => metadata.namespace ?? ''] as const] : []),
    ['NAME', ({ metadata }) => metadata.name],
    ['PHASE', ({ status }) => status?.phase ?? ''],
    ['STEP', ({ status }) => status?.step ?? ''],
    ['WEIGHT', ({ status }) => String(status?.weight ?? '')],
    ['OBSERVED', ({ status }) => status?.observed ?? ''],
    ['VERDICT', ({ status }) => status?.verdict ?? ''],
    ['REVISION', ({ status }) => status?.revision ?? ''],
    ...(format === 'wide' ? wide : []),
    ['AGE', ({ metadata }) => ageOf(metadata.creationTimestamp, nowMs)],
  ];
}

function ageOf(createdAt: string | undefined, nowMs: number): string {
  const ms = parseTime(createdAt);
  return ms === undefined ? '' : printAge(nowMs - ms);
}
