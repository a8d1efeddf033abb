import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { formatFieldPath } from '../../../src/api/field-path.ts';
import type { Rollout } from '../../../src/api/rollout.ts';
import { rolloutRules, validateRollout } from '../../../src/api/validate.ts';
import { rollout as buildRollout } from '../../support/rollout-builders.ts';

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly 'x-kubernetes-validations'?: readonly { readonly message: string }[];
}

/** rulesOf lists the CEL rules of a schema as `field: message`. */
function rulesOf(schema: Schema, field = ''): readonly string[] {
  const own = (schema['x-kubernetes-validations'] ?? []).map(({ message }) => `${field}: ${message}`);
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
    rulesOf(property, field === '' ? name : `${field}.${name}`),
  );
  const items = schema.items === undefined ? [] : rulesOf(schema.items, `${field}[]`);
  const { additionalProperties: values } = schema;
  return [...own, ...inner, ...items, ...(values === undefined ? [] : rulesOf(values, `${field}{}`))];
}

test('each CEL rule of the CRD has its counterpart, and there are no others', () => {
  const crd = parse(readFileSync(new URL('../../../crds/rollouts.yaml', import.meta.url), 'utf8'));
  const rules = rulesOf(crd.spec.versions[0].schema.openAPIV3Schema);
  expect(rules.length).toBeGreaterThan(40);
  expect(rolloutRules.map(({ field, message }) => `${field}: ${message}`).toSorted()).toEqual(rules.toSorted());
});

describe('a rollout that runs', () => {
  const running = { ...buildRollout(), status: { phase: 'Progressing' } } as Rollout;
  const forbidden = [
    {
      path: ['spec'],
      message:
        'Forbidden: spec.route, spec.stable, spec.canary and spec.promotion cannot change while a rollout runs; abort it first',
    },
  ];
  const edited = (spec: object): Rollout => ({ ...running, spec: { ...running.spec, ...spec } });

  test.each(['Progressing', 'Paused', 'Promoting', 'RollingBack', 'Degraded'])(
    'keeps its route in phase %s',
    (phase) => {
      const old = { ...running, status: { phase } } as Rollout;
      expect(validateRollout(edited({ route: { name: 'other' } }), old)).toEqual(forbidden);
      expect(validateRollout(edited({ stable: { ...running.spec.stable, port: 8080 } }), old)).toEqual(forbidden);
      expect(validateRollout(edited({ canary: { ...running.spec.canary, nativeLB: true } }), old)).toEqual(forbidden);
      expect(validateRollout(edited({ promotion: { mode: 'Swap' } }), old)).toEqual(forbidden);
      expect(validateRollout(edited({ paused: true, route: { ...running.spec.route } }), old)).toEqual([]);
    },
  );

  test('may change it at rest, and where nothing is known of before', () => {
    const changed = edited({ route: { name: 'other' } });
    expect(validateRollout(changed, { ...running, status: { phase: 'Succeeded' } })).toEqual([]);
    const { status: _status, ...fresh } = running;
    expect(validateRollout(changed, fresh)).toEqual([]);
    expect(validateRollout(changed)).toEqual([]);
  });
});

test('all that is wrong is told at once, each at its field', () => {
  const rollout = buildRollout();
  const spec = {
    ...rollout.spec,
    revision: 'release 7',
    steps: [{ weight: 20, duration: 'long' }, {}],
    canary: { ...rollout.spec.canary, port: 0 },
  };
  const problems = validateRollout({ ...rollout, spec });
  expect(problems.map(({ path }) => formatFieldPath(path))).toEqual([
    'spec.canary.port',
    'spec.revision',
    'spec.steps[1]',
    'spec.steps[0].duration',
  ]);
  expect(problems[0]?.message).toBe(
    'Invalid value: 0: write a port number from 1 to 65535, or the name of the port in the Service',
  );
});

test('a field whose name is no plain word is written in brackets', () => {
  expect(formatFieldPath(['data', 'tls.crt'])).toBe('data[tls.crt]');
  expect(formatFieldPath(['spec', 'steps', 1, 'weight'])).toBe('spec.steps[1].weight');
  expect(formatFieldPath([])).toBe('');
});
