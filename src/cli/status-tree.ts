/** `sluice status`: a Rollout and what it refers to, as a tree. */
import type { Condition, RolloutStatus } from '../api/rollout-status.ts';
import { evidenceNodes } from './status-evidence.ts';
import { nextText, stepText } from './status-next.ts';
import { isUnseen, type ArmView, type RouteView, type StatusView, type Unseen } from './status-view.ts';
import { paint, wrap, type Style } from './text.ts';
import { drawTree, type Node, type TreeScreen } from './tree.ts';

/** Older ones are in `sluice history`. */
const shownTransitions = 5;

/** printStatus returns the lines of the tree. */
export function printStatus(view: StatusView, screen: TreeScreen): readonly string[] {
  const { rollout, nowMs } = view;
  const { metadata, status = {} } = rollout;
  const heading = wrap(`${metadata.namespace ?? ''}/${metadata.name}: ${summaryOf(status)}`, screen.width, 2);
  const step = stepText(rollout, nowMs);
  const evidence = evidenceNodes(rollout);
  const nodes: readonly Node[] = [
    ...(status.message === undefined ? [] : [{ label: 'message', text: status.message }]),
    ...(step === undefined ? [] : [{ label: 'step', text: step }]),
    { label: 'next', text: nextText(rollout, nowMs) },
    routeNode(view.route),
    { label: 'stable', text: armText(view.stable) },
    { label: 'canary', text: armText(view.canary) },
    ...(evidence.length === 0 ? [] : [{ label: 'evidence', text: verdictText(status), children: evidence }]),
    ...conditionsNode(status),
    ...historyNode(status),
  ];
  return [...heading.map((line) => paint(screen, styleOf(status), line)), ...drawTree(nodes, screen)];
}

const styles: Readonly<Record<string, Style>> = {
  Succeeded: 'green',
  Failed: 'red',
  RollingBack: 'red',
  Degraded: 'red',
  Paused: 'yellow',
};

function styleOf({ phase = 'Pending' }: RolloutStatus): Style {
  return styles[phase] ?? 'cyan';
}

function summaryOf({ phase, reason, step, weight, revision }: RolloutStatus): string {
  if (phase === undefined) return 'no status yet';
  const parts = [
    `${phase} (${reason ?? ''})`,
    ...(step === undefined ? [] : [`step ${step}`]),
    `canary ${weight ?? 0}%`,
    ...(revision === undefined ? [] : [`revision ${revision}`]),
  ];
  return parts.join(', ');
}

function routeNode({ name, rules }: RouteView): Node {
  if (isUnseen(rules)) return { label: 'route', text: `${name} (${rules.why})` };
  if (rules.length === 0) return { label: 'route', text: `${name}, which lists neither service`, style: 'red' };
  const children = rules.map(({ match, canaryPercent }) => {
    const share = `stable ${shareText(100 - canaryPercent)}, canary ${shareText(canaryPercent)}`;
    return { label: share, text: match };
  });
  return { label: 'route', text: name, children };
}

function shareText(percent: number): string {
  return `${Number(percent.toFixed(1))}%`;
}

function armText({ service, port, endpoints, workload, revision }: ArmView): string {
  const parts = [
    port === undefined ? service : `${service}:${port}`,
    endpointsText(endpoints),
    ...(workload === undefined ? [] : [`${workload.kind} ${workload.name}`]),
    ...(revision === undefined ? [] : [`at ${revision}`]),
  ];
  return parts.join(', ');
}

function endpointsText(endpoints: Unseen | { readonly ready: number; readonly all: number }): string {
  if (isUnseen(endpoints)) return endpoints.why;
  const { ready, all } = endpoints;
  return ready === all ? `${ready} ready` : `${ready} of ${all} ready`;
}

function verdictText({ verdict, observed }: RolloutStatus): string {
  return [verdict ?? 'no verdict', ...(observed === undefined ? [] : [`canary answered ${observed}`])].join(', ');
}

/** What is well is not worth a line. */
const troubles: readonly (readonly [type: string, status: Condition['status']])[] = [
  ['Ready', 'False'],
  ['Stalled', 'True'],
  ['Contested', 'True'],
  ['TrafficVerified', 'False'],
  ['AnalysisPassing', 'False'],
];

function conditionsNode({ conditions = [], message = '' }: RolloutStatus): readonly Node[] {
  const children = troubles.flatMap(([type, status]) => {
    const found = conditions.find((condition) => condition.type === type && condition.status === status);
    if (found === undefined) return [];
    // The message of the status is shown already.
    const said = message.includes(found.message) ? '' : `: ${found.message}`;
    return [{ label: type, text: `${status}, ${found.reason}${said}`, style: 'red' as const }];
  });
  return children.length === 0 ? [] : [{ label: 'conditions', children }];
}

function historyNode({ history = [] }: RolloutStatus): readonly Node[] {
  const children = history.slice(-shownTransitions).map(({ time, to, weight, reason, who }) => ({
    label: `${time.slice(0, 19)}Z`,
    text: `${to} ${weight}% ${reason}${who === undefined ? '' : ` by ${who}`}`,
  }));
  return children.length === 0 ? [] : [{ label: 'history', children }];
}
