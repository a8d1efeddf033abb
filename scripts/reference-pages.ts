/** Which page of docs/reference a field of the spec stands on. */

/** Page is a page for fields that belong together. */
export interface Page {
  readonly file: string;
  readonly title: string;
  /** see is where the prose about it is, in Markdown. */
  readonly see?: string;
  /** fields are of spec, or of an object in it, e.g. `analysis.checks`. */
  readonly fields: readonly string[];
}

/** pages are in the order of a reader; a field that none names gets a page of its own. */
export const pages: readonly Page[] = [
  {
    file: 'route.md',
    title: 'Route',
    see: '[How a rollout moves](../concepts.md#the-pieces) has the whole picture.',
    fields: ['route'],
  },
  {
    file: 'stable-canary.md',
    title: 'Stable and canary',
    see: '[Starting](../concepts.md#starting) says when a rollout begins, [Hold](../concepts.md#hold) what `stable.workload` is for.',
    fields: ['stable', 'canary', 'revision'],
  },
  {
    file: 'steps.md',
    title: 'Steps and ramps',
    see: '[Steps](../concepts.md#steps) says when the next one follows.',
    fields: ['steps', 'ramp'],
  },
  {
    file: 'analysis.md',
    title: 'Analysis',
    see: '[How a canary is judged](../analysis.md) says what is compared and how much traffic a proof takes. [Checks](checks.md) are on a page of their own.',
    fields: ['analysis'],
  },
  {
    file: 'checks.md',
    title: 'Checks',
    see: '[How a canary is judged](../analysis.md#what-it-looks-at) says what stands beside them.',
    fields: ['analysis.checks'],
  },
  {
    file: 'readiness.md',
    title: 'Readiness and deadline',
    see: '[Size](../concepts.md#size) says how many pods a share of the traffic needs.',
    fields: ['readiness', 'progressDeadline'],
  },
  {
    file: 'schedule.md',
    title: 'Schedule and pause',
    see: '[Hours](../concepts.md#hours) says what waits for a window. A pause by [command](../concepts.md#commands) is another brake than `paused`.',
    fields: ['schedule', 'paused'],
  },
  {
    file: 'promotion.md',
    title: 'The end of a rollout',
    see: '[Hold](../concepts.md#hold), [Copy](../concepts.md#copy), [Swap](../concepts.md#swap), [Rollback](../concepts.md#rollback) and [Deletion](../concepts.md#deletion) tell the whole story.',
    fields: ['promotion', 'onFailure', 'onDelete'],
  },
];

/** pageOf returns the page of a section: that of the field nearest to it, so that a part of an object can have its own. */
export function pageOf(sectionPath: string): Page {
  const near = pages
    .flatMap((page) => page.fields.map((field) => ({ page, field })))
    .filter(
      ({ field }) =>
        sectionPath === field || sectionPath.startsWith(`${field}.`) || sectionPath.startsWith(`${field}[`),
    )
    .toSorted((one, other) => other.field.length - one.field.length);
  const [top = ''] = sectionPath.split(/[.[]/);
  const file = `${top.replaceAll(/[A-Z]/g, '-$&').toLowerCase()}.md`;
  return near[0]?.page ?? { file, title: top, fields: [top] };
}
