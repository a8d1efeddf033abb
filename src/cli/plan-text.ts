/** The plan of a rollout for people. */
import type { JsonPatchOperation } from '../api/object-store.ts';
import type { PlanReport, PlanStep } from './plan-report.ts';

/** planText writes each step with what it waits for and what it writes, each operation of a patch on a line. */
export function planText(plan: PlanReport): string {
  const { rollout, route, stable, canary, reckonedWith, steps, matchRoute, end, onFailure, onDelete } = plan;
  const [namespace = ''] = rollout.split('/');
  const way =
    matchRoute === undefined
      ? []
      : ['', `With the first step: IngressRoute ${matchRoute.metadata.name}`, `  ${JSON.stringify(matchRoute.spec)}`];
  const last = steps.findLast(({ rollback }) => rollback.length > 0);
  return [
    `Plan of Rollout ${rollout}: ${route}, ${stable} to ${canary}. Nothing was written.`,
    `Reckoned with a canary that is proven safe as soon as it may be; ready endpoints: ${stable} ${reckonedWith.stable}, ${canary} ${reckonedWith.canary}.`,
    ...steps.flatMap((step) => stepLines(step, `${route} in ${namespace}`)),
    ...way,
    '',
    `End, at the earliest ${timeOf(end.earliest)}`,
    `  ${end.text}`,
    '',
    'Failure or abort',
    `  ${onFailure}`,
    ...(last === undefined ? [] : [`  At ${last.weight}% it writes`, ...operations(last.rollback)]),
    '',
    'Deletion',
    `  ${onDelete.text}`,
    ...operations(onDelete.patch),
  ].join('\n');
}

function stepLines(
  { step, weight, pause, earliest, after, gates, held, patch }: PlanStep,
  route: string,
): readonly string[] {
  const what = pause === undefined ? `${weight}%` : `pause at ${weight}% ${pause}`;
  const since = after.duration === '0s' ? '' : `, ${after.duration} after the ${after.since.toLowerCase()}`;
  return [
    '',
    `Step ${step}: ${what}, at the earliest ${timeOf(earliest)}${since}`,
    ...gates.map((gate) => `  needs  ${gate}`),
    ...held.map((message) => `  held   ${message}`),
    ...(patch.length === 0 ? [] : [`  writes ${route}`, ...operations(patch)]),
  ];
}

function operations(patch: readonly JsonPatchOperation[]): readonly string[] {
  return patch.map((operation) => `    ${JSON.stringify(operation)}`);
}

function timeOf(time: string): string {
  return time.replace(/\.\d+Z$/, 'Z');
}
