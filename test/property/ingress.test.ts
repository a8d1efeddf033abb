/** Where the rules of Ingresses take a request, against a naive reading of what the Kubernetes API says. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { compiled, service } from '../unit/proxy/catalog/objects.ts';
import { backendOf, ingress, type PathSpec, sluiceClass } from '../unit/proxy/catalog/ingresses.ts';

const hosts = ['', '', 'a.test', 'b.test', '*.test', '*.a.test', 'x.a.test'] as const;
const asked = ['a.test', 'b.test', 'x.a.test', 'y.a.test', 'test', 'y.x.a.test'] as const;
const element = fc.constantFrom('a', 'b', 'ab', 'A');
const pathOf = (trailing: fc.Arbitrary<string>) =>
  fc.tuple(fc.array(element, { maxLength: 3 }), trailing).map(([elements, end]) => {
    const path = elements.map((each) => `/${each}`).join('');
    return path === '' ? '/' : path + end;
  });
const anyPath = pathOf(fc.constantFrom('', '', '/'));

interface Entry {
  readonly ingress: number;
  readonly host: string;
  readonly type: 'Exact' | 'Prefix';
  readonly path: string;
  readonly age: number;
}

const entry: fc.Arbitrary<Entry> = fc.record({
  ingress: fc.integer({ min: 0, max: 3 }),
  host: fc.constantFrom(...hosts),
  type: fc.constantFrom('Exact', 'Prefix', 'Prefix'),
  path: anyPath,
  age: fc.constant(0),
});

function elementsOf(path: string): readonly string[] {
  return path.split('/').filter((each) => each !== '');
}

/** "A path element refers to the list of labels in the path split by the / separator. A request is a match for path p if every p is an element-wise prefix of p of the request path." */
function matchesPath({ type, path }: Entry, request: string): boolean {
  if (type === 'Exact') return path === request;
  const [wanted, found] = [elementsOf(path), elementsOf(request)];
  return wanted.every((each, index) => each === found[index]);
}

function matchesHost({ host }: Entry, request: string): boolean {
  if (host === '' || host === request) return true;
  return host.startsWith('*.') && request.split('.').slice(1).join('.') === host.slice(2);
}

function rankOfHost({ host }: Entry): number {
  return host === '' ? 0 : host.startsWith('*') ? 1 : 2;
}

/** The exact host first, then the longest path, then the exact one, then the older Ingress. */
function order(one: Entry, other: Entry): number {
  return (
    rankOfHost(other) - rankOfHost(one) ||
    elementsOf(other.path).join('/').length - elementsOf(one.path).join('/').length ||
    Number(other.type === 'Exact') - Number(one.type === 'Exact') ||
    one.ingress - other.ingress
  );
}

const places = (entries: readonly Entry[]): readonly Entry[] => {
  const seen = new Map<string, Entry>();
  for (const each of entries) {
    const path = each.type === 'Exact' ? each.path : elementsOf(each.path).join('/');
    const key = `${each.ingress} ${each.host} ${each.type} ${path}`;
    // An Ingress that has the same place twice is refused the first one.
    seen.delete(key);
    seen.set(key, each);
  }
  return [...seen.values()];
};

test('a request goes where a naive reading of all Ingresses takes it', () => {
  let found = 0;
  fc.assert(
    fc.property(
      fc.array(entry, { minLength: 1, maxLength: 12 }).map(places),
      fc.array(fc.tuple(fc.constantFrom(...asked), anyPath), { minLength: 10, maxLength: 10 }),
      (entries, requests) => {
        const nameOf = (each: Entry): string => `s${entries.indexOf(each)}`;
        const objects = [0, 1, 2, 3].map((index) => {
          const own = entries.filter((each) => each.ingress === index);
          const paths = own.map((each): PathSpec => [each.host, `${each.type} ${each.path}`, nameOf(each)]);
          return ingress(`i${index}`, paths, { createdAt: `2026-01-0${index + 1}T00:00:00Z` });
        });
        const services = entries.flatMap((each) => service(nameOf(each), '10.0.0.1'));
        const catalog = compiled([sluiceClass, ...services, ...objects]);
        for (const [host, path] of requests) {
          const [winner] = entries.filter((each) => matchesHost(each, host) && matchesPath(each, path)).toSorted(order);
          if (winner !== undefined) found += 1;
          expect(backendOf(catalog, `${host}${path}`)).toBe(winner === undefined ? undefined : nameOf(winner));
        }
      },
    ),
    { numRuns: 150 },
  );
  expect(found).toBeGreaterThan(200);
});
