/** Rollouts as they come from slips of the pen: YAML that is read as something else, wrong types, nulls, many slips at once. */

/** OddRow is a row of the corpus. */
export interface OddRow {
  readonly sentence: string;
  readonly yaml: string;
  readonly says: readonly string[];
}

const base: Readonly<Record<string, string>> = {
  route: '{name: shop}',
  stable: '{service: shop-stable}',
  canary: '{service: shop-canary}',
  revision: '"1"',
};

type Fields = Readonly<Record<string, string>>;

/** odd replaces fields of the smallest spec; '' leaves one out. */
function odd(sentence: string, fields: Fields, ...says: readonly string[]): OddRow {
  const lines = Object.entries({ ...base, ...fields }).filter(([, value]) => value !== '');
  return { sentence, yaml: lines.map(([name, value]) => `${name}: ${value}`).join('\n'), says };
}

const analysis = (text: string): Fields => ({ analysis: `{${text}}` });
const check = (text: string): Fields => analysis(`checks: [{name: queue, query: up, ${text}}]`);
const notA = (field: string, type: string, found: string): string =>
  `${field}: Invalid value: "${found}": ${field} in body must be of type ${type}: "${found}"`;

const booleans = ['yes', 'No', 'on', 'Off', 'true', 'FALSE'].map((word) =>
  odd(`a revision that is ${word} without quotes`, { revision: word }, notA('spec.revision', 'string', 'boolean')),
);

const numbers = ['1.10', '0x1F', '1_000', '1e3', '.5', '-7'].map((word) => {
  const found = word === '1.10' || word === '.5' ? 'number' : 'integer';
  return odd(`a revision that is ${word} without quotes`, { revision: word }, notA('spec.revision', 'string', found));
});

const wrongSpecTypes = [
  ['route', 'shop', 'object', 'string'],
  ['stable', '[shop]', 'object', 'array'],
  ['canary', '7', 'object', 'integer'],
  ['steps', '{}', 'array', 'object'],
  ['steps', '"5, 25, 50"', 'array', 'string'],
  ['ramp', '[1, 50]', 'object', 'array'],
  ['analysis', 'false', 'object', 'boolean'],
  ['promotion', 'Hold', 'object', 'string'],
  ['onDelete', 'true', 'string', 'boolean'],
  ['paused', '1', 'boolean', 'integer'],
  ['revision', '{}', 'string', 'object'],
  ['revision', '[a]', 'string', 'array'],
].map(([field = '', value = '', type = '', found = '']) =>
  odd(`${field} as ${value}`, { [field]: value }, notA(`spec.${field}`, type, found)),
);

const wrongAnalysisTypes = [
  ['mode', '7', 'string', 'integer'],
  ['errorRatio', '5%', 'object', 'string'],
  ['latency', '[]', 'object', 'array'],
  ['slo', '99%', 'object', 'string'],
  ['checks', '{}', 'array', 'object'],
  ['confidence', '0.95', 'string', 'number'],
  ['minRequests', '"100"', 'integer', 'string'],
  ['minRequests', '1e2.5', 'integer', 'string'],
  ['minRequests', 'true', 'integer', 'boolean'],
  ['warmup', '60', 'string', 'integer'],
  ['noDataAfter', '{}', 'string', 'object'],
].map(([field = '', value = '', type = '', found = '']) =>
  odd(`analysis.${field} as ${value}`, analysis(`${field}: ${value}`), notA(`spec.analysis.${field}`, type, found)),
);

const durations = ['0s', '99999h', '1ms1ms1ms1ms', '1s1h', '00000m'].map((text) =>
  odd(`a duration of ${text}`, analysis(`warmup: ${text}`)),
);

const badDurations = [
  '""',
  '5',
  '" 5m"',
  '5m ',
  '5M',
  '5m30',
  '-5m',
  '+5m',
  '100000h',
  '5µs',
  'P1D',
  '1:30',
  '"5m\\n"',
].map((text) => {
  const isTrimmed = text === '5m ';
  const isNumber = text === '5' || text === '1:30';
  const said =
    text === '5' ? notA('spec.analysis.warmup', 'string', 'integer') : 'write a duration like 30s, 5m or 1h30m';
  if (isTrimmed) return odd('a duration with a space that YAML leaves out', analysis(`warmup: ${text}`));
  return odd(`no duration: ${text}`, analysis(`warmup: ${isNumber && text !== '5' ? `"${text}"` : text}`), said);
});

const badPercentages = ['""', '%', '5 %', '5,5%', '5.%', '.5%', '100.1%', '100.00000%', '1e1%', '٥%'].map((text) =>
  odd(
    `no percentage: ${text}`,
    analysis(`errorRatio: {maxIncreaseRelative: ${JSON.stringify(text === '""' ? '' : text)}}`),
    text === '100.00000%' ? 'write a percentage from 0% to 100%' : 'write a percentage',
  ),
);

const nulls = [
  odd('nulls for all that may be left out', {
    steps: 'null',
    ramp: '~',
    analysis: 'null',
    promotion: '',
    onDelete: 'null',
    paused: 'null',
  }),
  odd('nulls in an analysis', analysis('mode: null, slo: null, checks: null, errorRatio: {maxIncrease: null}')),
  odd('a route that is null', { route: 'null' }, 'spec.route: Required value'),
  odd('a Service that is null', { stable: '{service: null}' }, 'spec.stable.service: Required value'),
  odd('a null among steps', { steps: '[{weight: 5}, null]' }, notA('spec.steps[1]', 'object', 'null')),
  odd('a null among checks', analysis('checks: [null]'), notA('spec.analysis.checks[0]', 'object', 'null')),
  odd('a pause that is null', { steps: '[{weight: 5}, {pause: null}]' }, 'a step sets exactly one of weight and pause'),
  odd('an unknown field that is null', { stepz: 'null' }, 'unknown field "spec.stepz"'),
];

const unions = [
  odd('a port that is true', { stable: '{service: s, port: true}' }, 'must be of type integer,string: "boolean"'),
  odd('a port with a fraction', { stable: '{service: s, port: 80.5}' }, 'must be of type integer,string: "number"'),
  odd('a port that is a list', { canary: '{service: c, port: [80]}' }, 'must be of type integer,string: "array"'),
  odd('a port that is null', { canary: '{service: c, port: null}' }),
  odd('a port number in quotes', { canary: '{service: c, port: "8080"}' }),
  odd('a negative port', { canary: '{service: c, port: -1}' }, 'write a port number from 1 to 65535'),
  odd('a bound that is a list', check('max: [1]'), 'must be of type integer,string: "array"'),
  odd('a bound that is true', check('min: yes, max: 1'), 'must be of type integer,string: "boolean"'),
  odd('two bounds that are no numbers', check('min: few, max: many'), 'write a decimal number'),
  odd('a bound that is no number above one that is', check('min: few, max: 1'), 'write a decimal number'),
  odd('bounds with exponents in order', check('min: "1e0", max: "5e0"'), 'write a decimal number'),
  odd('bounds with exponents out of order', check('min: "1e3", max: 5'), 'min must not be greater than max'),
  odd('an empty bound', check('max: ""'), 'write a decimal number'),
  odd('bounds with plus signs', check('min: "+1", max: "+2"'), 'write a decimal number'),
  odd('negative bounds', check('min: "-2.5", max: -1')),
  odd('bounds of fifteen digits', check('min: -999999999999999, max: "999999999999999.999999999"')),
];

const lists = [
  odd('no checks at all', analysis('checks: []')),
  odd(
    'three checks with one name',
    analysis('checks: [{name: a, query: up, max: 1}, {name: a, query: up, max: 1}, {name: a, query: up, max: 1}]'),
    'Duplicate value: {"name":"a"}',
  ),
  odd(
    'two checks without a name',
    analysis('checks: [{query: up, max: 1}, {query: up, max: 1}]'),
    'spec.analysis.checks[1]: Duplicate value: {}',
  ),
  odd('steps in steps', { steps: '[[{weight: 5}]]' }, 'unknown field "spec.steps[0][0].weight"'),
  odd('steps that are numbers', { steps: '[5, 25, 50]' }, notA('spec.steps[2]', 'object', 'integer')),
  odd('a step that is a text', { steps: '[{weight: 5}, pause]' }, notA('spec.steps[1]', 'object', 'string')),
  odd(
    'a pause that is true',
    { steps: '[{weight: 5}, {pause: true}]' },
    notA('spec.steps[1].pause', 'object', 'boolean'),
  ),
  odd(
    'a pause that is a duration',
    { steps: '[{weight: 5}, {pause: 5m}]' },
    notA('spec.steps[1].pause', 'object', 'string'),
  ),
  odd('a weight in quotes', { steps: '[{weight: "5"}]' }, notA('spec.steps[0].weight', 'integer', 'string')),
  odd('a weight that is yes', { steps: '[{weight: yes}]' }, notA('spec.steps[0].weight', 'integer', 'boolean')),
  odd('a weight with an exponent', { steps: '[{weight: 5e0}]' }),
  odd('a weight with a point and nothing behind it', { steps: '[{weight: 5.0}]' }),
  odd('a huge weight', { steps: '[{weight: 9007199254740991}]' }, 'less than or equal to 100'),
  odd(
    'weights that fall after two that rise',
    { steps: '[{weight: 5}, {weight: 25}, {pause: {}}, {weight: 10}]' },
    'weights must rise',
  ),
  odd(
    'a weight beyond the limit twice',
    { steps: '[{weight: 101}, {weight: 101}]' },
    'spec.steps[1].weight',
    'weights must rise',
  ),
];

const unknown = [
  odd('fields in a text', { revision: '{name: a}', steps: '{weight: 5}' }, 'unknown field "spec.revision.name"'),
  odd(
    'unknown fields at three depths',
    { stepz: '[]', steps: '[{weight: 5, pause_: {}}]', ...analysis('slo: {errorRate: 5%}') },
    'unknown field "spec.analysis.slo.errorRate"',
    'unknown field "spec.steps[0].pause_"',
    'unknown field "spec.stepz"',
  ),
  odd('a field in another case', { Paused: 'true' }, 'unknown field "spec.Paused"'),
  odd('a field named constructor', { constructor: '{}' }, 'unknown field "spec.constructor"'),
  odd('a field named __proto__', { '"__proto__"': '{polluted: true}' }, 'unknown field "spec.__proto__"'),
  odd('metadata in a step', { steps: '[{weight: 5, metadata: {}}]' }, 'unknown field "spec.steps[0].metadata"'),
  odd('an unknown field beside a wrong one', { stepz: '[]', paused: 'maybe' }, 'unknown field "spec.stepz"'),
];

const many = [
  odd(
    'five slips at once',
    { route: '{}', canary: '{service: Shop, nativeLB: 1}', paused: 'maybe', onDelete: 'keep' },
    'spec.route.name: Required value',
    'spec.paused',
    'spec.onDelete',
    'spec.canary.nativeLB',
    'spec.canary.service',
  ),
  odd(
    'four rules at once',
    { stable: '{service: shop-canary}', revision: '', steps: '[{pause: {}}, {}]' },
    'must differ',
    'set revision',
    'the first step must set a weight',
    'a step sets exactly one',
  ),
  odd(
    'nothing at all',
    { route: '', stable: '', canary: '', revision: '', paused: 'false' },
    'spec.route: Required value',
    'spec.stable: Required value',
    'spec.canary: Required value',
  ),
  odd('a Service name of accents', { canary: '{service: café}' }, 'write the name of a Service'),
  odd('a Service name that ends with a dash', { canary: '{service: shop-}' }, 'write the name of a Service'),
  odd('a revision of 63 letters with accents', { revision: 'é'.repeat(63) }, 'use letters, digits'),
  odd(
    'a revision of emoji that is too long',
    { revision: '"' + '🚢'.repeat(64) + '"' },
    'spec.revision: Too long: may not be more than 63 bytes',
  ),
  odd('a revision with a line end', { revision: '"7\\n"' }, 'use letters, digits'),
  odd('a revision that is empty', { revision: '""' }, 'use letters, digits'),
  odd('a confidence below the least with a fraction', analysis('confidence: 79.99%'), 'write a percentage from 80%'),
  odd(
    'a quantile of nothing in four digits',
    analysis('latency: {quantile: "0.0000"}'),
    'a quantile must be greater than 0',
  ),
  odd('an empty quantile', analysis('latency: {quantile: ""}'), 'write All, or a quantile'),
  odd(
    'a ramp downwards that adds nothing',
    { ramp: '{from: 9, to: 5, every: often}' },
    'exactly one of add and multiply',
    'from must not be greater than to',
    'write a duration',
  ),
  odd(
    'a ramp of texts',
    { ramp: '{from: "1", to: 50%, add: five, every: 2}' },
    'spec.ramp.from',
    'spec.ramp.to',
    'spec.ramp.add',
    'spec.ramp.every',
  ),
];

/** oddRows belong to the corpus of crd-corpus.ts. */
export const oddRows: readonly OddRow[] = [
  ...booleans,
  ...numbers,
  ...wrongSpecTypes,
  ...wrongAnalysisTypes,
  ...durations,
  ...badDurations,
  ...badPercentages,
  ...nulls,
  ...unions,
  ...lists,
  ...unknown,
  ...many,
];
