import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { chartFiles } from '../../scripts/generate-chart.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const chart = path.join(root, 'charts', 'sluice');
const files = chartFiles(root);

test.each(Object.keys(files))('charts/sluice/%s is what the manifests say', (name) => {
  expect(readFileSync(path.join(chart, name), 'utf8'), 'run `npm run generate`').toBe(files[name]);
});

test('the chart has no other files than those, and the two that are written by hand', () => {
  const present = globSync('**/*.{yaml,json,tpl,txt}', { cwd: chart });
  expect(present.toSorted()).toEqual([...Object.keys(files), 'Chart.yaml', 'values.yaml'].toSorted());
});
