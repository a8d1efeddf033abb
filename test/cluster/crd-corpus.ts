/**
 * Rollouts that the API server has to accept or to refuse: each CEL rule, pattern and limit of crds/rollouts.yaml both
 * ways. Each row is a sentence, the YAML of a spec, and what a refused person has to read, beginning with the field.
 */

import { matchRows } from './crd-corpus-match.ts';
import { oddRows } from './crd-corpus-odd.ts';

/** Row is accepted where `says` is empty; else all its texts must stand in what kubectl answers. */
export interface Row {
  readonly sentence: string;
  readonly yaml: string;
  readonly says: readonly string[];
}

const route = 'route: {name: shop}';
const stable = 'stable: {service: shop-stable}';
const canary = 'canary: {service: shop-canary}';
const revision = 'revision: "1"';

function row(sentence: string, lines: readonly string[], says: readonly string[]): Row {
  const given = new Set(lines.map((line) => line.split(':')[0]));
  const base = [route, stable, canary, revision].filter((line) => !given.has(line.split(':')[0] ?? ''));
  return { sentence, yaml: [...base, ...lines.filter((line) => !line.endsWith(': ABSENT'))].join('\n'), says };
}

const accepted = (sentence: string, ...lines: readonly string[]): Row => row(sentence, lines, []);
const refused = (sentence: string, line: string, ...says: readonly string[]): Row =>
  row(sentence, line.split('\n'), says);

const steps = (...items: readonly string[]): string => `steps: [${items.join(', ')}]`;
const check = (text: string): string => `analysis: {checks: [{name: queue, query: up, ${text}}]}`;
const manySteps = (count: number): string => steps(...Array.from({ length: count }, (_, i) => `{weight: ${i + 1}}`));
const manyChecks = (count: number): string =>
  `analysis: {checks: [${Array.from({ length: count }, (_, i) => `{name: c${i}, query: up, max: 1}`).join(', ')}]}`;

const workload = (name: string): string => `{kind: Deployment, name: ${name}}`;
const swapWorkloads =
  'spec: Invalid value: promotion.mode Swap needs stable.workload and canary.workload, because a release is a new revision of the one that is idle';

const duration = 'write a duration like 30s, 5m or 1h30m';
const serviceName = 'write the name of a Service: lower-case letters, digits and -, beginning with a letter';
const port = 'write a port number from 1 to 65535, or the name of the port in the Service';
const number = 'write a decimal number, quoted if it has a point';
const percentage = 'write a percentage from 0% to 100%, e.g. "5%" or "0.25%"';
const points = 'write percentage points from 0pp to 99pp, e.g. "0.5pp"';
const confidence = 'write a percentage from 80% to 99.999%, e.g. "95%"';
const quantile = 'write All, or a quantile between 0 and 1 like "0.99"';
const analysis = (text: string): string => `analysis: {${text}}`;
const latencySlo = (text: string): string => analysis(`slo: {latency: {${text}}}`);
const rising = 'spec.steps: Invalid value: weights must rise from step to step, to at most 100';

const window = '{cron: "0 9 * * 1-5", duration: 8h, timeZone: Europe/Paris}';

function scheduled(windows: string): string {
  return `schedule:\n  windows: [${windows}]`;
}

/** rows is the corpus. */
export const rows: readonly Row[] = [
  accepted('the smallest spec with a revision'),
  accepted(
    'the smallest spec with a workload',
    'canary: {service: c, workload: {kind: Deployment, name: c}}',
    'revision: ABSENT',
  ),
  refused(
    'neither a revision nor a workload',
    'revision: ABSENT',
    'spec: Invalid value: set revision or canary.workload, so that a new release can be told from the last one',
  ),
  refused('no route', 'route: ABSENT', 'spec.route: Required value'),
  refused('no stable', 'stable: ABSENT', 'spec.stable: Required value'),
  refused('no canary', 'canary: ABSENT', 'spec.canary: Required value'),
  refused('a route without a name', 'route: {}', 'spec.route.name: Required value'),
  refused(
    'a route name with a capital',
    'route: {name: Shop}',
    'spec.route.name: Invalid value: "Shop": write the name of an IngressRoute',
  ),
  refused(
    'an empty route name',
    'route: {name: ""}',
    'spec.route.name: Invalid value: "": write the name of an IngressRoute',
  ),
  refused('an empty route name again', 'route: {name: ""}', 'spec.route.name in body should be at least 1 chars long'),
  refused(
    'a route name of 254 letters',
    `route: {name: ${'r'.repeat(254)}}`,
    'spec.route.name: Too long: may not be more than 253 bytes',
  ),
  refused(
    'an empty stable Service',
    'stable: {service: ""}',
    'spec.stable.service in body should be at least 1 chars long',
  ),
  refused(
    'an empty canary Service',
    'canary: {service: ""}',
    'spec.canary.service in body should be at least 1 chars long',
  ),
  refused(
    'a canary Service name of 64 letters',
    `canary: {service: ${'s'.repeat(64)}}`,
    'spec.canary.service: Too long: may not be more than 63 bytes',
  ),
  refused('a canary without a Service', 'canary: {port: 80}', 'spec.canary.service: Required value'),
  ...['stable', 'canary'].flatMap((role) => [
    refused(
      `${role}: port 0 for a validator without CEL`,
      `${role}: {service: s, port: 0}`,
      `spec.${role}.port in body should be greater than or equal to 1`,
    ),
    refused(
      `${role}: port 65536 for a validator without CEL`,
      `${role}: {service: s, port: 65536}`,
      `spec.${role}.port in body should be less than or equal to 65535`,
    ),
    refused(
      `${role}: an empty port name`,
      `${role}: {service: s, port: ""}`,
      `spec.${role}.port in body should be at least 1 chars long`,
    ),
    refused(
      `${role}: a port name of 17 letters`,
      `${role}: {service: s, port: ${'p'.repeat(17)}}`,
      `spec.${role}.port: Too long: may not be more than 15 bytes`,
    ),
    refused(
      `${role}: a workload without a name or kind`,
      `${role}: {service: s, workload: {}}`,
      `spec.${role}.workload.kind: Required value`,
      `spec.${role}.workload.name: Required value`,
    ),
    refused(
      `${role}: a ReplicaSet`,
      `${role}: {service: s, workload: {kind: ReplicaSet, name: a}}`,
      `spec.${role}.workload.kind: Unsupported value: "ReplicaSet"`,
    ),
    refused(
      `${role}: an empty workload name`,
      `${role}: {service: s, workload: {kind: Deployment, name: ""}}`,
      `spec.${role}.workload.name in body should be at least 1 chars long`,
    ),
    refused(
      `${role}: a workload name of 254 letters`,
      `${role}: {service: s, workload: {kind: Deployment, name: ${'w'.repeat(254)}}}`,
      `spec.${role}.workload.name: Too long: may not be more than 253 bytes`,
    ),
    refused(
      `${role}: a workload name with a slash`,
      `${role}: {service: s, workload: {kind: Deployment, name: a/b}}`,
      `spec.${role}.workload.name: Invalid value: "a/b": write the name of the workload`,
    ),
  ]),
  accepted('a TraefikService as the route', 'route: {kind: TraefikService, name: shop}'),
  accepted('a route of Traefik 2', 'route: {apiVersion: traefik.containo.us/v1alpha1, kind: IngressRoute, name: shop}'),
  accepted('one rule of an IngressRoute', 'route: {name: shop, match: Host(`shop.example`) && PathPrefix(`/api`)}'),
  refused(
    'requests that always reach the canary of a TraefikService',
    'route: {kind: TraefikService, name: shop}\ncanary: {service: shop-canary, match: [{headers: {X-Canary: {exact: a}}}]}',
    'spec: Invalid value: canary.match adds rules to an IngressRoute of traefik.io/v1alpha1; leave it out with any other route',
  ),
  refused(
    'requests that always reach the canary of a route of Traefik 2',
    'route: {apiVersion: traefik.containo.us/v1alpha1, name: shop}\ncanary: {service: shop-canary, match: [{headers: {X-Canary: {exact: a}}}]}',
    'spec: Invalid value: canary.match adds rules to an IngressRoute of traefik.io/v1alpha1; leave it out with any other route',
  ),
  refused(
    'a rule of a TraefikService',
    'route: {kind: TraefikService, name: shop, match: Host(`shop.example`)}',
    'spec.route: Invalid value',
    'match names a rule of an IngressRoute; a TraefikService has none, leave match out',
  ),
  refused(
    'a route of a kind without weights',
    'route: {kind: Ingress, name: shop}',
    'spec.route.kind: Unsupported value: "Ingress": supported values: "IngressRoute", "TraefikService"',
  ),
  refused(
    'a route of another group',
    'route: {apiVersion: gateway.networking.k8s.io/v1, name: shop}',
    'spec.route.apiVersion: Unsupported value: "gateway.networking.k8s.io/v1"',
  ),
  refused(
    'an empty rule',
    'route: {name: shop, match: ""}',
    'spec.route.match in body should be at least 1 chars long',
  ),
  accepted('a rule of 4096 bytes', `route: {name: shop, match: ${'r'.repeat(4096)}}`),
  refused(
    'a rule of 4097 bytes',
    `route: {name: shop, match: ${'r'.repeat(4097)}}`,
    'spec.route.match: Too long: may not be more than 4096 bytes',
  ),
  refused(
    'a route in another namespace',
    'route: {name: shop, namespace: other}',
    'unknown field "spec.route.namespace"',
  ),
  refused('an unknown field', 'stepz: []', 'strict decoding error: unknown field "spec.stepz"'),

  refused(
    'stable and canary are one Service',
    'stable: {service: shop-canary}',
    'spec: Invalid value: stable.service and canary.service must differ',
  ),
  refused('a stable without a Service', 'stable: {port: 80}', 'spec.stable.service: Required value'),
  refused(
    'a Service name with an underscore',
    'canary: {service: shop_canary}',
    `spec.canary.service: Invalid value: "shop_canary": ${serviceName}`,
  ),
  refused(
    'a Service name that begins with a digit',
    'stable: {service: 1shop}',
    `spec.stable.service: Invalid value: "1shop": ${serviceName}`,
  ),
  refused(
    'a Service name of 64 letters',
    `stable: {service: ${'s'.repeat(64)}}`,
    'spec.stable.service: Too long: may not be more than 63 bytes',
  ),
  accepted('a Service name of 63 letters', `stable: {service: ${'s'.repeat(63)}}`),
  accepted(
    'a port by number and one by name',
    'stable: {service: s, port: 65535}',
    'canary: {service: c, port: http-alt}',
  ),
  refused('port 0', 'stable: {service: s, port: 0}', `spec.stable.port: Invalid value: 0: ${port}`),
  refused('port 65536', 'canary: {service: c, port: 65536}', `spec.canary.port: Invalid value: 65536: ${port}`),
  refused(
    'a port name with a slash',
    'canary: {service: c, port: http/2}',
    `spec.canary.port: Invalid value: "http/2": ${port}`,
  ),
  refused(
    'a port name of 16 letters',
    `canary: {service: c, port: ${'p'.repeat(16)}}`,
    'spec.canary.port: Too long: may not be more than 15 bytes',
  ),
  refused(
    'nativeLB as text',
    'canary: {service: c, nativeLB: "yes"}',
    'spec.canary.nativeLB: Invalid value: "string": spec.canary.nativeLB in body must be of type boolean',
  ),
  accepted(
    'both workloads',
    'stable: {service: s, workload: {kind: Deployment, name: a}}',
    'canary: {service: c, nativeLB: true, workload: {kind: Deployment, name: b.2}}',
  ),
  accepted(
    'a StatefulSet and a DaemonSet',
    'stable: {service: s, workload: {kind: DaemonSet, name: a}}',
    'canary: {service: c, workload: {kind: StatefulSet, name: c}}',
  ),
  accepted(
    'two workloads of one name and two kinds',
    'stable: {service: s, workload: {kind: Deployment, name: a}}',
    'canary: {service: c, workload: {kind: StatefulSet, name: a}}',
  ),
  refused(
    'one StatefulSet behind both',
    'stable: {service: s, workload: {kind: StatefulSet, name: a}}\ncanary: {service: c, workload: {kind: StatefulSet, name: a}}',
    'spec: Invalid value: stable.workload and canary.workload must differ',
  ),
  refused(
    'a workload that cannot be rolled out',
    'canary: {service: c, workload: {kind: Job, name: c}}',
    'spec.canary.workload.kind: Unsupported value: "Job": supported values: "Deployment", "StatefulSet", "DaemonSet"',
  ),
  refused(
    'a workload without a name',
    'canary: {service: c, workload: {kind: Deployment}}',
    'spec.canary.workload.name: Required value',
  ),
  refused(
    'a workload name with a capital',
    'stable: {service: s, workload: {kind: Deployment, name: S}}',
    'spec.stable.workload.name: Invalid value: "S": write the name of the workload',
  ),
  refused(
    'one Deployment behind both',
    'stable: {service: s, workload: {kind: Deployment, name: a}}\ncanary: {service: c, workload: {kind: Deployment, name: a}}',
    'spec: Invalid value: stable.workload and canary.workload must differ',
  ),

  accepted('a revision of 63 characters with all that is allowed', `revision: "v1.2_3-4+5${'x'.repeat(53)}"`),
  refused(
    'a revision of 64 characters',
    `revision: ${'x'.repeat(64)}`,
    'spec.revision: Too long: may not be more than 63 bytes',
  ),
  refused(
    'a revision with a space',
    'revision: release 7',
    'spec.revision: Invalid value: "release 7": use letters, digits, dot, _, + and -, beginning with a letter or digit',
  ),
  refused(
    'a revision that begins with a dot',
    'revision: ".7"',
    'spec.revision: Invalid value: ".7": use letters, digits, dot',
  ),
  refused(
    'a revision that is a number without quotes',
    'revision: 2026',
    'spec.revision: Invalid value: "integer": spec.revision in body must be of type string',
  ),

  accepted(
    'steps with weights, durations and pauses',
    steps(
      '{weight: 1}',
      '{weight: 5, duration: 1h30m}',
      '{pause: {}}',
      '{pause: {duration: 1h}}',
      '{weight: 100, duration: 500ms}',
    ),
  ),
  accepted('a first step at 100', steps('{weight: 100}')),
  accepted('30 steps', manySteps(30)),
  refused('31 steps', manySteps(31), 'spec.steps: Too many: 31: must have at most 30 items'),
  refused('no steps at all', 'steps: []', 'spec.steps in body should have at least 1 items'),
  refused(
    'a negative weight',
    steps('{weight: -5}'),
    'spec.steps[0].weight: Invalid value: -5: spec.steps[0].weight in body should be greater than or equal to 1',
  ),
  refused('weight 0', steps('{weight: 0}'), 'spec.steps[0].weight: Invalid value: 0', 'greater than or equal to 1'),
  refused(
    'weight 101',
    steps('{weight: 101}'),
    'spec.steps[0].weight: Invalid value: 101',
    'less than or equal to 100',
  ),
  refused(
    'a weight with a fraction',
    steps('{weight: 2.5}'),
    'spec.steps[0].weight: Invalid value: "number": spec.steps[0].weight in body must be of type integer',
  ),
  refused(
    'a weight with a percent sign',
    steps('{weight: 5%}'),
    'spec.steps[0].weight: Invalid value: "string": spec.steps[0].weight in body must be of type integer',
  ),
  refused('a weight that falls', steps('{weight: 50}', '{weight: 20}'), rising),
  refused('a weight twice in a row', steps('{weight: 20}', '{weight: 20}'), rising),
  refused('a weight again after a pause', steps('{weight: 20}', '{pause: {}}', '{weight: 20}'), rising),
  refused(
    'a pause as the first step',
    steps('{pause: {}}', '{weight: 20}'),
    'spec.steps: Invalid value: the first step must set a weight',
  ),
  refused(
    'an empty step',
    steps('{weight: 20}', '{}'),
    'spec.steps[1]: Invalid value: a step sets exactly one of weight and pause',
  ),
  refused(
    'a step with weight and pause',
    steps('{weight: 20, pause: {}}'),
    'spec.steps[0]: Invalid value: a step sets exactly one of weight and pause',
  ),
  refused(
    'a duration beside a pause',
    steps('{weight: 20}', '{pause: {}, duration: 5m}'),
    'spec.steps[1]: Invalid value: duration belongs to a weight; write pause: {duration: 1h} to wait',
  ),
  refused(
    'a duration with a space',
    steps('{weight: 20, duration: 5 min}'),
    `spec.steps[0].duration: Invalid value: "5 min": ${duration}`,
  ),
  refused(
    'a duration in days',
    steps('{weight: 20}', '{pause: {duration: 1d}}'),
    `spec.steps[1].pause.duration: Invalid value: "1d": ${duration}`,
  ),
  refused(
    'a duration with a fraction',
    steps('{weight: 20, duration: 1.5h}'),
    `spec.steps[0].duration: Invalid value: "1.5h": ${duration}`,
  ),
  refused(
    'a duration that is a number',
    steps('{weight: 20, duration: 300}'),
    'spec.steps[0].duration: Invalid value: "integer": spec.steps[0].duration in body must be of type string',
  ),
  refused(
    'a duration of five parts',
    steps('{weight: 20, duration: 1h1m1s1ms1s}'),
    `spec.steps[0].duration: Invalid value: "1h1m1s1ms1s": ${duration}`,
  ),
  refused(
    'a duration of 21 characters',
    steps('{weight: 20, duration: 00001h00001m00001s001ms}'),
    'spec.steps[0].duration: Too long: may not be more than 20 bytes',
  ),

  accepted('a ramp that adds', 'ramp: {from: 1, to: 50, add: 5, every: 2m}'),
  accepted('a ramp that multiplies, to one weight', 'ramp: {from: 100, to: 100, multiply: 2, every: 2m}'),
  refused(
    'steps and a ramp',
    `${steps('{weight: 5}')}\nramp: {from: 1, to: 50, add: 5, every: 2m}`,
    'spec: Invalid value: set steps or ramp, not both',
  ),
  refused(
    'a ramp that adds and multiplies',
    'ramp: {from: 1, to: 50, add: 5, multiply: 2, every: 2m}',
    'spec.ramp: Invalid value: a ramp sets exactly one of add and multiply',
  ),
  refused(
    'a ramp that does neither',
    'ramp: {from: 1, to: 50, every: 2m}',
    'spec.ramp: Invalid value: a ramp sets exactly one of add and multiply',
  ),
  refused('a ramp without every', 'ramp: {from: 1, to: 50, add: 5}', 'spec.ramp.every: Required value'),
  refused(
    'a ramp with a bad every',
    'ramp: {from: 1, to: 50, add: 5, every: often}',
    `spec.ramp.every: Invalid value: "often": ${duration}`,
  ),
  refused(
    'a ramp downwards',
    'ramp: {from: 50, to: 5, add: 5, every: 2m}',
    'spec.ramp: Invalid value: from must not be greater than to',
  ),
  refused(
    'a ramp from 0',
    'ramp: {from: 0, to: 5, add: 5, every: 2m}',
    'spec.ramp.from: Invalid value: 0',
    'greater than or equal to 1',
  ),
  refused(
    'a ramp to 101',
    'ramp: {from: 1, to: 101, add: 5, every: 2m}',
    'spec.ramp.to: Invalid value: 101',
    'less than or equal to 100',
  ),
  refused(
    'a ramp that adds 0',
    'ramp: {from: 1, to: 5, add: 0, every: 2m}',
    'spec.ramp.add: Invalid value: 0',
    'greater than or equal to 1',
  ),
  refused(
    'a ramp that multiplies by 1',
    'ramp: {from: 1, to: 5, multiply: 1, every: 2m}',
    'spec.ramp.multiply: Invalid value: 1',
    'greater than or equal to 2',
  ),

  refused(
    'a ramp from 101',
    'ramp: {from: 101, to: 101, add: 5, every: 2m}',
    'spec.ramp.from: Invalid value: 101',
    'less than or equal to 100',
  ),
  refused(
    'a ramp to 0',
    'ramp: {from: 1, to: 0, add: 5, every: 2m}',
    'spec.ramp.to: Invalid value: 0',
    'greater than or equal to 1',
  ),
  refused(
    'a ramp that adds 101',
    'ramp: {from: 1, to: 5, add: 101, every: 2m}',
    'spec.ramp.add: Invalid value: 101',
    'less than or equal to 100',
  ),
  refused(
    'a ramp that multiplies by 101',
    'ramp: {from: 1, to: 5, multiply: 101, every: 2m}',
    'spec.ramp.multiply: Invalid value: 101',
    'less than or equal to 100',
  ),
  ...[
    'ramp: {from: 1, to: 5, add: 1, every: LONG}',
    'analysis: {noDataAfter: LONG}',
    'analysis: {warmup: LONG}',
    'analysis: {minStep: LONG}',
    'analysis: {inconclusiveAfter: LONG}',
    'analysis: {slo: {latency: {share: 99%, under: LONG}}}',
    check('max: 1, interval: LONG'),
  ].map((yaml) =>
    refused(
      `a duration of 21 characters in ${yaml.split(' ').at(-2)}`,
      yaml.replace('LONG', '00001h00001m00001s001ms'),
      'Too long: may not be more than 20 bytes',
    ),
  ),
  refused(
    'an error ratio of 11 characters',
    'analysis: {slo: {errorRatio: 99.1234567%}}',
    'spec.analysis.slo.errorRatio: Too long: may not be more than 10 bytes',
  ),
  refused(
    'a check with an empty name',
    'analysis: {checks: [{name: "", query: up, max: 1}]}',
    'spec.analysis.checks[0].name in body should be at least 1 chars long',
  ),
  refused(
    'a check with a name of 64 letters',
    `analysis: {checks: [{name: ${'n'.repeat(64)}, query: up, max: 1}]}`,
    'spec.analysis.checks[0].name: Too long: may not be more than 63 bytes',
  ),
  refused(
    'a check without a name',
    'analysis: {checks: [{query: up, max: 1}]}',
    'spec.analysis.checks[0].name: Required value',
  ),
  refused(
    'a check with a failure limit of 1001',
    check('max: 1, consecutiveFailureLimit: 1001'),
    'spec.analysis.checks[0].consecutiveFailureLimit: Invalid value: 1001',
    'less than or equal to 1000',
  ),
  refused(
    'a check with a negative error limit',
    check('max: 1, consecutiveErrorLimit: -1'),
    'spec.analysis.checks[0].consecutiveErrorLimit: Invalid value: -1',
    'greater than or equal to 0',
  ),
  accepted('an analysis that only shows', 'analysis: {mode: DryRun}'),
  accepted('an analysis that asks for nothing', 'analysis: {mode: Disabled}'),
  refused(
    'mode Off, which YAML reads as false',
    'analysis: {mode: Off}',
    'spec.analysis.mode: Unsupported value: false: supported values: "Enforce", "DryRun", "Disabled"',
  ),
  refused(
    'a mode in lower case',
    'analysis: {mode: enforce}',
    'spec.analysis.mode: Unsupported value: "enforce": supported values: "Enforce", "DryRun", "Disabled"',
  ),
  accepted('an error ratio with a fraction', 'analysis: {slo: {errorRatio: 0.25%}}'),
  accepted('an error ratio of 100%', 'analysis: {slo: {errorRatio: 100%}}'),
  accepted('no error ratio at all', 'analysis: {slo: {}}'),
  refused(
    'an error ratio above 100%',
    'analysis: {slo: {errorRatio: 100.5%}}',
    'spec.analysis.slo.errorRatio: Invalid value: "100.5%": write a percentage from 0% to 100%',
  ),
  refused(
    'an error ratio without a percent sign',
    'analysis: {slo: {errorRatio: "5"}}',
    'spec.analysis.slo.errorRatio: Invalid value: "5": write a percentage from 0% to 100%',
  ),
  refused(
    'an error ratio in points',
    'analysis: {slo: {errorRatio: 5pp}}',
    'spec.analysis.slo.errorRatio: Invalid value: "5pp": write a percentage from 0% to 100%',
  ),
  refused(
    'an error ratio that is a number',
    'analysis: {slo: {errorRatio: 5}}',
    'spec.analysis.slo.errorRatio: Invalid value: "integer": spec.analysis.slo.errorRatio in body must be of type string',
  ),
  refused(
    'a negative error ratio',
    'analysis: {slo: {errorRatio: "-1%"}}',
    'spec.analysis.slo.errorRatio: Invalid value: "-1%": write a percentage',
  ),
  refused(
    'minRequests 0',
    'analysis: {minRequests: 0}',
    'spec.analysis.minRequests: Invalid value: 0',
    'greater than or equal to 1',
  ),
  refused(
    'minRequests beyond a thousand million',
    'analysis: {minRequests: 1000000001}',
    'spec.analysis.minRequests: Invalid value: 1000000001',
    'less than or equal to 1000000000',
  ),
  accepted(
    'an analysis with all its fields',
    'analysis: {mode: Enforce, source: Prometheus, compare: Stable, errorRatio: {maxIncrease: 0.25pp, maxIncreaseRelative: 10%}, latency: {maxIncrease: 15%, quantile: "0.99"}, slo: {errorRatio: 1%, latency: {under: 1s500ms, share: 99.9%}}, confidence: 99.5%, minRequests: 1, warmup: 0s, pace: Time, minStep: 90s, onInconclusive: Promote, inconclusiveAfter: 2h, onNoData: Hold, noDataAfter: 5m}',
  ),
  accepted('metrics that Sluice scrapes itself', analysis('source: Scrape')),
  refused(
    'an unknown source',
    analysis('source: Datadog'),
    'spec.analysis.source: Unsupported value: "Datadog": supported values: "Prometheus", "Scrape"',
  ),
  accepted('no comparison', analysis('compare: None')),
  refused(
    'a comparison with something else',
    analysis('compare: Baseline'),
    'spec.analysis.compare: Unsupported value: "Baseline": supported values: "Stable", "None"',
  ),
  accepted(
    'margins of nothing but a part of stable',
    analysis('errorRatio: {maxIncrease: 0pp, maxIncreaseRelative: 1%}, latency: {maxIncrease: 0%}'),
  ),
  accepted('the widest margins', analysis('errorRatio: {maxIncrease: 99.9999pp, maxIncreaseRelative: 100%}')),
  ...[
    ['in percent', '5%'],
    ['without a unit', '"0.5"'],
    ['of 100 points', '100pp'],
    ['below nothing', '"-1pp"'],
    ['with five decimals', '0.00001pp'],
  ].map(([sentence = '', value = '']) =>
    refused(
      `a tolerated increase of errors ${sentence}`,
      analysis(`errorRatio: {maxIncrease: ${value}}`),
      `spec.analysis.errorRatio.maxIncrease: Invalid value: "${value.replaceAll('"', '')}": ${points}`,
    ),
  ),
  refused(
    'a tolerated increase of errors of 11 characters',
    analysis('errorRatio: {maxIncrease: 10.1234567pp}'),
    'spec.analysis.errorRatio.maxIncrease: Too long: may not be more than 10 bytes',
  ),
  refused(
    'a tolerated increase of errors that is a number',
    analysis('errorRatio: {maxIncrease: 0.5}'),
    'spec.analysis.errorRatio.maxIncrease: Invalid value: "number": spec.analysis.errorRatio.maxIncrease in body must be of type string',
  ),
  ...['errorRatio.maxIncreaseRelative', 'latency.maxIncrease'].flatMap((field) => {
    const [part = '', name = ''] = field.split('.');
    const set = (value: string): string => analysis(`${part}: {${name}: ${value}}`);
    return [
      refused(`${field} in points`, set('5pp'), `spec.analysis.${field}: Invalid value: "5pp": ${percentage}`),
      refused(`${field} above 100%`, set('101%'), `spec.analysis.${field}: Invalid value: "101%": ${percentage}`),
      refused(
        `${field} of 11 characters`,
        set('10.1234567%'),
        `spec.analysis.${field}: Too long: may not be more than 10 bytes`,
      ),
    ];
  }),
  accepted('a comparison at the median', analysis('latency: {quantile: "0.5"}')),
  ...[
    ['a quantile in percent', '99%'],
    ['a quantile of 1', '"1.0"'],
    ['a quantile with a p', 'p99'],
    ['all quantiles in lower case', 'all'],
  ].map(([sentence = '', value = '']) =>
    refused(
      sentence,
      analysis(`latency: {quantile: ${value}}`),
      `spec.analysis.latency.quantile: Invalid value: "${value.replaceAll('"', '')}": ${quantile}`,
    ),
  ),
  refused(
    'a quantile of nothing',
    analysis('latency: {quantile: "0.0"}'),
    'spec.analysis.latency.quantile: Invalid value: "0.0": a quantile must be greater than 0',
  ),
  refused(
    'a quantile without quotes',
    analysis('latency: {quantile: 0.99}'),
    'spec.analysis.latency.quantile: Invalid value: "number": spec.analysis.latency.quantile in body must be of type string',
  ),
  refused(
    'a quantile with five decimals',
    analysis('latency: {quantile: "0.99999"}'),
    'spec.analysis.latency.quantile: Too long: may not be more than 6 bytes',
  ),
  refused(
    'an unknown margin',
    analysis('latency: {maxIncreaze: 5%}'),
    'unknown field "spec.analysis.latency.maxIncreaze"',
  ),
  refused(
    'a limit of durations without share',
    latencySlo('under: 1s'),
    'spec.analysis.slo.latency.share: Required value',
  ),
  refused(
    'a limit of durations without time',
    latencySlo('share: 99%'),
    'spec.analysis.slo.latency.under: Required value',
  ),
  refused(
    'a limit of durations in words',
    latencySlo('share: 99%, under: 1 second'),
    `spec.analysis.slo.latency.under: Invalid value: "1 second": ${duration}`,
  ),
  refused(
    'a share of fast requests as a ratio',
    latencySlo('under: 1s, share: "0.99"'),
    `spec.analysis.slo.latency.share: Invalid value: "0.99": ${percentage}`,
  ),
  refused(
    'a share of fast requests of 11 characters',
    latencySlo('under: 1s, share: 99.1234567%'),
    'spec.analysis.slo.latency.share: Too long: may not be more than 10 bytes',
  ),
  accepted('the least confidence', analysis('confidence: 80%')),
  accepted('the greatest confidence', analysis('confidence: 99.999%')),
  ...[
    ['below 80%', '79.999%'],
    ['of 100%', '100%'],
    ['as a ratio', '"0.95"'],
    ['without a percent sign', '"95"'],
    ['of one digit', '9%'],
  ].map(([sentence = '', value = '']) =>
    refused(
      `a confidence ${sentence}`,
      analysis(`confidence: ${value}`),
      `spec.analysis.confidence: Invalid value: "${value.replaceAll('"', '')}": ${confidence}`,
    ),
  ),
  refused(
    'a confidence with four decimals',
    analysis('confidence: 99.9999%'),
    'spec.analysis.confidence: Too long: may not be more than 7 bytes',
  ),
  refused(
    'an unknown pace',
    analysis('pace: Fast'),
    'spec.analysis.pace: Unsupported value: "Fast": supported values: "Evidence", "Time"',
  ),
  accepted('every other way to take a proof that does not come', analysis('onInconclusive: Rollback')),
  refused(
    'an unknown onInconclusive',
    analysis('onInconclusive: Ignore'),
    'spec.analysis.onInconclusive: Unsupported value: "Ignore": supported values: "Hold", "Promote", "Rollback"',
  ),
  ...['warmup', 'minStep', 'inconclusiveAfter'].map((field) =>
    refused(
      `a ${field} in minutes and words`,
      analysis(`${field}: 5min`),
      `spec.analysis.${field}: Invalid value: "5min": ${duration}`,
    ),
  ),
  accepted('every way to take missing data', 'analysis: {onNoData: Ignore, noDataAfter: 90s}'),
  refused(
    'an unknown onNoData',
    'analysis: {onNoData: Promote}',
    'spec.analysis.onNoData: Unsupported value: "Promote": supported values: "Hold", "Rollback", "Ignore"',
  ),
  refused(
    'a bad noDataAfter',
    'analysis: {noDataAfter: 5minutes}',
    `spec.analysis.noDataAfter: Invalid value: "5minutes": ${duration}`,
  ),

  refused(
    'no margin at all',
    analysis('errorRatio: {maxIncrease: 0pp}'),
    'spec.analysis: Invalid value: without a margin no canary that is as good as stable is ever proven to be: set errorRatio.maxIncrease, e.g. "0.5pp", or errorRatio.maxIncreaseRelative',
  ),
  refused(
    'no margin in more digits, where it ends in a rollback',
    analysis('errorRatio: {maxIncrease: 00.00pp, maxIncreaseRelative: 0.0%}, onInconclusive: Rollback'),
    'spec.analysis: Invalid value: without a margin no canary',
  ),
  accepted('a margin that is relative alone', analysis('errorRatio: {maxIncrease: 0pp, maxIncreaseRelative: 10%}')),
  accepted('a very small margin', analysis('errorRatio: {maxIncrease: 0.0001pp}')),
  accepted('no margin, where nothing is compared', analysis('errorRatio: {maxIncrease: 0pp}, compare: None')),
  accepted(
    'no margin, where no proof is asked for',
    analysis('errorRatio: {maxIncrease: 0pp}, onInconclusive: Promote'),
  ),
  accepted('no margin, where nothing depends on it', analysis('errorRatio: {maxIncrease: 0pp}, mode: DryRun')),

  accepted(
    'a check with all its fields',
    check(
      'min: -3, max: "0.5", interval: 10s, consecutiveFailureLimit: 0, consecutiveErrorLimit: 1000, onNoData: Rollback',
    ),
  ),
  accepted('a check with bounds that are equal', check('min: 1, max: "1"')),
  refused(
    'a check without bounds',
    check('interval: 10s'),
    'spec.analysis.checks[0]: Invalid value: a check needs min, max or both',
  ),
  refused(
    'a check with min above max',
    check('min: "2.5", max: 2'),
    'spec.analysis.checks[0]: Invalid value: min must not be greater than max',
  ),
  refused(
    'a bound that is no number',
    check('max: many'),
    `spec.analysis.checks[0].max: Invalid value: "many": ${number}`,
  ),
  refused(
    'a bound with an exponent',
    check('min: "1e3"'),
    `spec.analysis.checks[0].min: Invalid value: "1e3": ${number}`,
  ),
  refused(
    'a bound with a fraction and no quotes',
    check('max: 0.5'),
    'spec.analysis.checks[0].max: Invalid value: "number": spec.analysis.checks[0].max in body must be of type',
  ),
  refused(
    'a bound of 27 characters',
    check(`max: "${'1'.repeat(27)}"`),
    'spec.analysis.checks[0].max: Too long: may not be more than 26 bytes',
  ),
  refused(
    'a check without a query',
    'analysis: {checks: [{name: queue, max: 1}]}',
    'spec.analysis.checks[0].query: Required value',
  ),
  refused(
    'a check with an empty query',
    'analysis: {checks: [{name: queue, query: "", max: 1}]}',
    'spec.analysis.checks[0].query: Invalid value: ""',
    'at least 1 chars long',
  ),
  refused(
    'a query of 4097 characters',
    `analysis: {checks: [{name: queue, query: ${'q'.repeat(4097)}, max: 1}]}`,
    'spec.analysis.checks[0].query: Too long: may not be more than 4096 bytes',
  ),
  refused(
    'a check with a name that is no label',
    'analysis: {checks: [{name: Queue depth, query: up, max: 1}]}',
    'spec.analysis.checks[0].name: Invalid value: "Queue depth": use lower-case letters, digits and -',
  ),
  refused(
    'two checks with one name',
    'analysis: {checks: [{name: a, query: up, max: 1}, {name: a, query: up, min: 1}]}',
    'spec.analysis.checks[1]: Duplicate value: {"name":"a"}',
  ),
  accepted('20 checks', manyChecks(20)),
  refused('21 checks', manyChecks(21), 'spec.analysis.checks: Too many: 21: must have at most 20 items'),
  refused(
    'a bad interval',
    check('max: 1, interval: minutely'),
    `spec.analysis.checks[0].interval: Invalid value: "minutely": ${duration}`,
  ),
  refused(
    'a negative failure limit',
    check('max: 1, consecutiveFailureLimit: -1'),
    'spec.analysis.checks[0].consecutiveFailureLimit: Invalid value: -1',
    'greater than or equal to 0',
  ),
  refused(
    'an error limit of 1001',
    check('max: 1, consecutiveErrorLimit: 1001'),
    'spec.analysis.checks[0].consecutiveErrorLimit: Invalid value: 1001',
    'less than or equal to 1000',
  ),
  refused(
    'a check with an unknown onNoData',
    check('max: 1, onNoData: Fail'),
    'spec.analysis.checks[0].onNoData: Unsupported value: "Fail": supported values: "Hold", "Rollback", "Ignore"',
  ),

  accepted('the promotion mode that needs no workload', 'promotion: {mode: Hold}', 'onDelete: Restore', 'paused: true'),
  refused(
    'a promotion mode that does not exist',
    'promotion: {mode: Merge}',
    'spec.promotion.mode: Unsupported value: "Merge": supported values: "Hold", "Copy"',
  ),
  accepted(
    'a Copy from one Deployment to another',
    'stable: {service: s, workload: {kind: Deployment, name: s}}',
    'canary: {service: c, workload: {kind: Deployment, name: c}}',
    'promotion: {mode: Copy}',
  ),
  accepted(
    'a Copy from one StatefulSet to another',
    'stable: {service: s, workload: {kind: StatefulSet, name: s}}',
    'canary: {service: c, workload: {kind: StatefulSet, name: c}}',
    'promotion: {mode: Copy}',
  ),
  refused(
    'a Copy to another kind',
    'promotion: {mode: Copy}\nstable: {service: s, workload: {kind: StatefulSet, name: s}}\ncanary: {service: c, workload: {kind: DaemonSet, name: c}}',
    'spec: Invalid value: promotion.mode Copy needs stable.workload and canary.workload, both of one kind',
  ),
  refused(
    'a Copy to nothing',
    'promotion: {mode: Copy}\ncanary: {service: c, workload: {kind: Deployment, name: c}}',
    'spec: Invalid value: promotion.mode Copy needs stable.workload and canary.workload, both of one kind',
  ),
  refused(
    'a Copy from nothing',
    'promotion: {mode: Copy}\nstable: {service: s, workload: {kind: Deployment, name: s}}',
    'spec: Invalid value: promotion.mode Copy needs stable.workload and canary.workload, both of one kind',
  ),
  accepted(
    'two workloads that take turns',
    `stable: {service: shop-a, workload: ${workload('shop-a')}}`,
    `canary: {service: shop-b, workload: ${workload('shop-b')}}`,
    'promotion: {mode: Swap}',
    'onDelete: Restore',
  ),
  accepted(
    'two workloads that take turns, with a name for the release',
    `stable: {service: shop-a, workload: ${workload('shop-a')}}`,
    `canary: {service: shop-b, workload: ${workload('shop-b')}}`,
    'promotion: {mode: Swap}',
    'revision: v2',
  ),
  refused(
    'Swap without the workload of stable',
    `canary: {service: shop-b, workload: ${workload('shop-b')}}\npromotion: {mode: Swap}`,
    swapWorkloads,
  ),
  refused(
    'Swap without the workload of the canary',
    `stable: {service: shop-a, workload: ${workload('shop-a')}}\npromotion: {mode: Swap}`,
    swapWorkloads,
  ),
  refused(
    'an unknown onDelete',
    'onDelete: Delete',
    'spec.onDelete: Unsupported value: "Delete": supported values: "Keep", "Restore"',
  ),
  refused(
    'paused as text',
    'paused: "true"',
    'spec.paused: Invalid value: "string": spec.paused in body must be of type boolean',
  ),
  accepted('readiness by number alone', 'readiness: {minReady: 3, policy: Minimum}'),
  refused(
    'readiness of none',
    'readiness: {minReady: 0}',
    'spec.readiness.minReady: Invalid value: 0',
    'greater than or equal to 1',
  ),
  refused(
    'an unknown policy of readiness',
    'readiness: {policy: All}',
    'spec.readiness.policy: Unsupported value: "All": supported values: "Proportional", "Minimum"',
  ),
  accepted('onFailure: Pause with a deadline', 'onFailure: Pause', 'progressDeadline: 1h30m'),
  refused(
    'an unknown onFailure',
    'onFailure: Retry',
    'spec.onFailure: Unsupported value: "Retry": supported values: "Rollback", "Pause"',
  ),
  refused('a deadline in words', 'progressDeadline: soon', `spec.progressDeadline: Invalid value: "soon": ${duration}`),
  accepted(
    'windows and freezes',
    `${scheduled(window)}\n  freezes: [{from: "2026-12-24T00:00:00Z", to: "2026-12-27T00:00:00Z"}]`,
  ),
  refused('a schedule of nothing', 'schedule: {}', 'spec.schedule: Invalid value: name windows, freezes or both'),
  refused('no windows', 'schedule: {windows: []}', 'spec.schedule.windows: Invalid value: 0', 'at least 1 items'),
  refused(
    'a window of six fields',
    scheduled('{cron: "0 0 9 * * *", duration: 8h}'),
    'spec.schedule.windows[0].cron: Invalid value: "0 0 9 * * *": write minute, hour, day of month',
  ),
  refused(
    'a window of no length',
    scheduled('{cron: "0 9 * * *"}'),
    'spec.schedule.windows[0].duration: Required value',
  ),
  refused(
    'a window as long as a day',
    scheduled('{cron: "0 9 * * *", duration: 1d}'),
    `spec.schedule.windows[0].duration: Invalid value: "1d": ${duration}`,
  ),
  refused(
    'a time zone in words',
    scheduled('{cron: "0 9 * * *", duration: 8h, timeZone: Middle European Time}'),
    'spec.schedule.windows[0].timeZone: Invalid value: "Middle European Time": write a time zone like Europe/Paris',
  ),
  refused(
    'a freeze that ends before it begins',
    'schedule: {freezes: [{from: "2026-12-27T00:00:00Z", to: "2026-12-24T00:00:00Z"}]}',
    'spec.schedule.freezes[0]: Invalid value: to must be later than from',
  ),
  refused(
    'a freeze of a day without hours',
    'schedule: {freezes: [{from: "2026-12-24", to: "2026-12-27T00:00:00Z"}]}',
    'spec.schedule.freezes[0].from: Invalid value: "2026-12-24"',
  ),
  ...matchRows,
  ...oddRows,
];
