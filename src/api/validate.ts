/**
 * The CEL rules of crds/rollouts.yaml for those who have no API server: pure, with the same messages at the same fields.
 * test/unit/api/validate.test.ts compares the two lists, and test/cluster/crd.test.ts what comes of them.
 */
import { isDeepStrictEqual } from 'node:util';
import { parseTime } from '../clock.ts';
import type { FieldPath, FieldProblem } from './field-path.ts';
import { matchRules } from './match-rules.ts';
import type {
  AnalysisSpec,
  CheckSpec,
  Freeze,
  Ramp,
  Rollout,
  RolloutSpec,
  RouteRef,
  Schedule,
  Step,
} from './rollout.ts';
import { matches, objectName, rule, type RolloutRule } from './rollout-rule.ts';

const portName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const number = /^-?[0-9]{1,15}(\.[0-9]{1,9})?$/;

function duration(field: string): RolloutRule {
  return matches(field, /^([0-9]{1,5}(h|m|s|ms)){1,4}$/, 'write a duration like 30s, 5m or 1h30m');
}

function percentage(field: string): RolloutRule {
  const pattern = /^(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,4})?)%$/;
  return matches(field, pattern, 'write a percentage from 0% to 100%, e.g. "5%" or "0.25%"');
}

function bound(field: string): RolloutRule {
  const message = 'write a decimal number, quoted if it has a point, e.g. 100 or "0.5"';
  return rule(field, message, (self: number | string) => typeof self === 'number' || number.test(self));
}

function memberRules(field: string): readonly RolloutRule[] {
  return [
    matches(
      `${field}.service`,
      /^[a-z]([-a-z0-9]*[a-z0-9])?$/,
      'write the name of a Service: lower-case letters, digits and -, beginning with a letter',
    ),
    rule(
      `${field}.port`,
      'write a port number from 1 to 65535, or the name of the port in the Service',
      (self: number | string) => (typeof self === 'number' ? self >= 1 && self <= 65_535 : portName.test(self)),
    ),
    matches(
      `${field}.workload.name`,
      objectName,
      'write the name of the workload: lower-case letters, digits, - and .',
    ),
  ];
}

const specRules: readonly RolloutRule[] = [
  rule(
    'spec',
    'stable.service and canary.service must differ',
    ({ stable, canary }: RolloutSpec) => stable.service !== canary.service,
  ),
  rule('spec', 'stable.workload and canary.workload must differ', ({ stable, canary }: RolloutSpec) => {
    if (stable.workload === undefined || canary.workload === undefined) return true;
    return stable.workload.kind !== canary.workload.kind || stable.workload.name !== canary.workload.name;
  }),
  rule(
    'spec',
    'set revision or canary.workload, so that a new release can be told from the last one',
    ({ revision, canary }: RolloutSpec) => revision !== undefined || canary.workload !== undefined,
  ),
  rule(
    'spec',
    'promotion.mode Swap needs stable.workload and canary.workload, because a release is a new revision of the one that is idle',
    ({ promotion, stable, canary }: RolloutSpec) =>
      promotion.mode !== 'Swap' || (stable.workload !== undefined && canary.workload !== undefined),
  ),
  rule(
    'spec',
    'set steps or ramp, not both',
    ({ steps, ramp }: RolloutSpec) => steps === undefined || ramp === undefined,
  ),
  rule(
    'spec',
    'promotion.mode Copy needs stable.workload and canary.workload, both of one kind',
    ({ promotion, stable, canary }: RolloutSpec) =>
      promotion.mode !== 'Copy' || (stable.workload !== undefined && stable.workload.kind === canary.workload?.kind),
  ),
  rule(
    'spec.route',
    'match names a rule of an IngressRoute; a TraefikService has none, leave match out',
    ({ match, kind }: RouteRef) => match === undefined || kind === 'IngressRoute',
  ),
  matches(
    'spec.route.name',
    objectName,
    'write the name of an IngressRoute or a TraefikService: lower-case letters, digits, - and .',
  ),
  ...memberRules('spec.stable'),
  ...memberRules('spec.canary'),
  ...matchRules,
  matches(
    'spec.revision',
    /^[A-Za-z0-9][A-Za-z0-9._+-]{0,62}$/,
    'use letters, digits, dot, _, + and -, beginning with a letter or digit, e.g. "2026.11.3"',
  ),
  rule('spec.schedule', 'name windows, freezes or both', ({ windows, freezes }: Schedule) => {
    return windows !== undefined || freezes !== undefined;
  }),
  matches(
    'spec.schedule.windows[].cron',
    /^[^ ]+( +[^ ]+){4}$/,
    'write minute, hour, day of month, month and day of week, like "0 9 * * 1-5"',
  ),
  duration('spec.schedule.windows[].duration'),
  matches('spec.schedule.windows[].timeZone', /^[A-Za-z0-9_+/-]+$/, 'write a time zone like Europe/Paris'),
  rule('spec.schedule.freezes[]', 'to must be later than from', ({ from, to }: Freeze) => {
    return (parseTime(from) ?? 0) < (parseTime(to) ?? 0);
  }),
  duration('spec.progressDeadline'),
];

const stepRules: readonly RolloutRule[] = [
  rule(
    'spec.steps',
    'the first step must set a weight',
    ([first]: readonly Step[]) => first === undefined || first.weight !== undefined,
  ),
  rule('spec.steps', 'weights must rise from step to step, to at most 100', (steps: readonly Step[]) => {
    const weights = steps.flatMap(({ weight }) => weight ?? []);
    return weights.every((weight, index) => index === 0 || weight > (weights[index - 1] ?? 0));
  }),
  rule(
    'spec.steps[]',
    'a step sets exactly one of weight and pause',
    ({ weight, pause }: Step) => (weight === undefined) !== (pause === undefined),
  ),
  rule(
    'spec.steps[]',
    'duration belongs to a weight; write pause: {duration: 1h} to wait',
    ({ weight, duration }: Step) => duration === undefined || weight !== undefined,
  ),
  duration('spec.steps[].duration'),
  duration('spec.steps[].pause.duration'),
  rule(
    'spec.ramp',
    'a ramp sets exactly one of add and multiply',
    ({ add, multiply }: Ramp) => (add === undefined) !== (multiply === undefined),
  ),
  rule('spec.ramp', 'from must not be greater than to', ({ from, to }: Ramp) => from <= to),
  duration('spec.ramp.every'),
];

const checkRules: readonly RolloutRule[] = [
  rule(
    'spec.analysis.checks[]',
    'a check needs min, max or both',
    ({ min, max }: CheckSpec) => min !== undefined || max !== undefined,
  ),
  rule('spec.analysis.checks[]', 'min must not be greater than max', ({ min, max }: CheckSpec) => {
    return min === undefined || max === undefined || readDouble(min) <= readDouble(max);
  }),
  matches('spec.analysis.checks[].name', portName, 'use lower-case letters, digits and -'),
  bound('spec.analysis.checks[].min'),
  bound('spec.analysis.checks[].max'),
  duration('spec.analysis.checks[].interval'),
];

const analysisRules: readonly RolloutRule[] = [
  rule(
    'spec.analysis',
    'without a margin no canary that is as good as stable is ever proven to be: set errorRatio.maxIncrease, e.g. "0.5pp", or errorRatio.maxIncreaseRelative',
    ({ errorRatio, mode, compare, onInconclusive }: AnalysisSpec) =>
      !/^[0.]+pp$/.test(errorRatio.maxIncrease) ||
      !/^[0.]+%$/.test(errorRatio.maxIncreaseRelative) ||
      mode !== 'Enforce' ||
      compare === 'None' ||
      onInconclusive === 'Promote',
  ),
  matches(
    'spec.analysis.errorRatio.maxIncrease',
    /^[0-9]{1,2}(\.[0-9]{1,4})?pp$/,
    'write percentage points from 0pp to 99pp, e.g. "0.5pp"',
  ),
  percentage('spec.analysis.errorRatio.maxIncreaseRelative'),
  percentage('spec.analysis.latency.maxIncrease'),
  matches(
    'spec.analysis.latency.quantile',
    /^(All|0\.[0-9]{1,4})$/,
    'write All, or a quantile between 0 and 1 like "0.99"',
  ),
  rule(
    'spec.analysis.latency.quantile',
    'a quantile must be greater than 0',
    (self: string) => !(readDouble(self) <= 0),
  ),
  percentage('spec.analysis.slo.errorRatio'),
  duration('spec.analysis.slo.latency.under'),
  percentage('spec.analysis.slo.latency.share'),
  rule(
    'spec.analysis.confidence',
    'write a percentage from 80% to 99.999%, e.g. "95%"',
    (self: string) => /^[0-9]{2}(\.[0-9]{1,3})?%$/.test(self) && Number(self.slice(0, -1)) >= 80,
  ),
  duration('spec.analysis.warmup'),
  duration('spec.analysis.minStep'),
  duration('spec.analysis.inconclusiveAfter'),
  duration('spec.analysis.noDataAfter'),
];

const runningPhases: readonly unknown[] = ['Progressing', 'Paused', 'Promoting', 'RollingBack', 'Degraded'];

const transitionRule: RolloutRule = {
  field: '',
  blames: ['spec'],
  message: 'spec.route, spec.stable, spec.canary and spec.promotion cannot change while a rollout runs; abort it first',
  holds: (self, old) => {
    if (old === undefined || !runningPhases.includes(old.status?.phase)) return true;
    const { spec } = self as Rollout;
    const parts = ['route', 'stable', 'canary', 'promotion'] as const;
    return parts.every((part) => isDeepStrictEqual(spec[part], old.spec[part]));
  },
};

/** rolloutRules has a counterpart for each `x-kubernetes-validations` of crds/rollouts.yaml. */
export const rolloutRules: readonly RolloutRule[] = [
  transitionRule,
  ...specRules,
  ...stepRules,
  ...analysisRules,
  ...checkRules,
];

const placedRules = rolloutRules.map((each) => ({
  ...each,
  parts: each.field.split(/\.|(?=\[\]|\{\})/).filter((part) => part !== ''),
}));

/**
 * validateRollout returns what the rules have against a Rollout, which must have the types and the defaults of the schema.
 * `old` is the Rollout before the change; without it there is no change.
 */
export function validateRollout(rollout: Rollout, old?: Rollout): readonly FieldProblem[] {
  return placedRules.flatMap(({ parts, message, holds, blames }) =>
    nodesAt(rollout, parts)
      .filter(({ value }) => !holds(value, old))
      .map(({ path, value }): FieldProblem => {
        if (blames !== undefined) return { path: blames, message: `Forbidden: ${message}` };
        const found = typeof value === 'object' ? '' : `${JSON.stringify(value)}: `;
        return { path, message: `Invalid value: ${found}${message}` };
      }),
  );
}

interface Node {
  readonly path: FieldPath;
  readonly value: unknown;
}

function nodesAt(root: object, parts: readonly string[]): readonly Node[] {
  return parts.reduce<readonly Node[]>(
    (nodes, part) => nodes.flatMap((node) => stepInto(node, part)),
    [{ path: [], value: root }],
  );
}

function stepInto(node: Node, part: string): readonly Node[] {
  if (part === '[]') return itemsOf(node);
  return part === '{}' ? valuesOf(node) : childOf(node, part);
}

/** The API server writes the key of a map in brackets where a CEL rule is broken. */
function valuesOf({ path, value }: Node): readonly Node[] {
  return Object.entries(value as object).map(([key, inner]) => ({
    path: [...path, `[${key}]`],
    value: inner as unknown,
  }));
}

function itemsOf({ path, value }: Node): readonly Node[] {
  return (value as readonly unknown[]).map((item, index) => ({ path: [...path, index], value: item }));
}

function childOf({ path, value }: Node, name: string): readonly Node[] {
  const child = (value as Readonly<Record<string, unknown>>)[name];
  return child === undefined ? [] : [{ path: [...path, name], value: child }];
}

/** readDouble is CEL's double(); what that cannot read is NaN, of which no comparison holds. */
function readDouble(value: number | string): number {
  if (typeof value === 'number') return value;
  return /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i.test(value) ? Number(value) : Number.NaN;
}
