import { describe, expect, test } from 'vitest';
import { defaultCertificate } from '../../../../src/proxy/configuration.ts';
import { createAuthority, type Certified } from '../../../support/certificates.ts';
import { compiled, object, route, service } from './objects.ts';
import { ingress, messages, type PathSpec, sluiceClass } from './ingresses.ts';

const authority = createAuthority('authority');
const [one, two] = [authority.issue('one', ['one.test']), authority.issue('two', ['two.test', '*.two.test'])];
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const secret = (name: string, { cert, key }: Certified) =>
  object('Secret', name, { type: 'kubernetes.io/tls', data: { 'tls.crt': base64(cert), 'tls.key': base64(key) } });
const paths: readonly PathSpec[] = [['one.test', 'Prefix /', 'a']];
const shop = (tls: readonly object[]) => ingress('shop', paths, { spec: { tls } });
const base = [sluiceClass, ...service('a', '10.0.0.1')];

describe('the certificates', () => {
  test('of Ingresses, IngressRoutes and TLSStores are served for the names in them, each once', () => {
    const store = object('TLSStore', 'default', { spec: { defaultCertificate: { secretName: 'one' } } });
    const secure = route([{ name: 'a', port: 80 }], {}, { entryPoints: ['websecure'], tls: { secretName: 'two' } });
    const tls = [{ secretName: 'one', hosts: ['one.test'] }, { secretName: 'two' }, { hosts: ['none.test'] }];
    const catalog = compiled([...base, secret('one', one), secret('two', two), store, secure, shop(tls)]);
    expect(messages(catalog)).toEqual([]);
    const served = [...catalog.configuration.certificates.values()].map(({ name, hosts }) => [name, hosts]);
    expect(Object.fromEntries(served)).toEqual({
      [defaultCertificate]: ['one.test'],
      'web/one': ['one.test'],
      'web/two': ['*.two.test', 'two.test'],
    });
    expect(catalog.used('Secret').toSorted()).toEqual(['web/one', 'web/two']);
  });

  test('go with the last object that names them', () => {
    const secure = route([{ name: 'a', port: 80 }], {}, { tls: { secretName: 'one' } });
    const catalog = compiled([...base, secret('one', one), secure, shop([{ secretName: 'one' }])]);
    expect(catalog.apply([{ ...secure, object: undefined }]).certificates).toEqual({ set: [], removed: [] });
    expect(catalog.apply([shop([])]).certificates).toEqual({ set: [], removed: ['web/one'] });
  });

  test('change with their Secret', () => {
    const catalog = compiled([...base, secret('one', one), shop([{ secretName: 'one' }])]);
    const { certificates, routers } = catalog.apply([secret('one', two)]);
    expect(certificates.set).toMatchObject([{ name: 'web/one', certificate: two.cert }]);
    expect(routers.set).toEqual([]);
  });
});

describe('a Secret that cannot be read', () => {
  const secretOf = (data: Readonly<Record<string, string>>) => object('Secret', 'one', { data });
  const pair = { 'tls.crt': base64(one.cert), 'tls.key': base64(one.key) };

  test.each([
    ['missing', undefined, 'Secret web/one does not exist; create it, of type kubernetes.io/tls, or correct the name.'],
    ['empty', {}, 'Secret web/one has no tls.crt; correct it.'],
    ['without a key', { 'tls.crt': pair['tls.crt'] }, 'Secret web/one has no tls.key; correct it.'],
    [
      'no PEM',
      { ...pair, 'tls.crt': base64('x') },
      'Secret web/one has no certificate in tls.crt that can be read as PEM; correct it.',
    ],
    [
      'no key',
      { ...pair, 'tls.key': base64('x') },
      'Secret web/one has no key in tls.key that can be read as PEM; correct it.',
    ],
    [
      'of two halves',
      { ...pair, 'tls.key': base64(two.key) },
      'Secret web/one has a tls.key that is not that of the certificate in tls.crt; correct it.',
    ],
  ] as const)('is told: %s', (_, data, message) => {
    const catalog = compiled([...base, shop([{ secretName: 'one' }]), ...(data === undefined ? [] : [secretOf(data)])]);
    expect(messages(catalog)).toEqual([`Ingress web/shop, spec.tls[0].secretName: ${message}`]);
    expect(catalog.configuration.certificates.size).toBe(0);
    expect([...catalog.configuration.routers.values()].every(({ status }) => status === 'enabled')).toBe(true);
  });

  test('keeps the certificate that it had, as long as it is there', () => {
    const catalog = compiled([...base, secret('one', one), shop([{ secretName: 'one' }])]);
    expect(catalog.apply([secretOf({ ...pair, 'tls.key': base64('x') })]).certificates).toEqual({
      set: [],
      removed: [],
    });
    expect(messages(catalog)).toEqual([expect.stringContaining('The one that it had before is served.')]);
    expect(catalog.apply([{ ...secretOf({}), object: undefined }]).certificates.removed).toEqual(['web/one']);
    expect(catalog.apply([secretOf({})]).certificates).toEqual({ set: [], removed: [] });
  });

  test('for another host than the Ingress says is told, and served for its own', () => {
    const catalog = compiled([
      ...base,
      secret('two', two),
      shop([{ secretName: 'two', hosts: ['one.test', 'a.two.test'] }]),
    ]);
    expect(messages(catalog)).toEqual([
      'Ingress web/shop, spec.tls[0].hosts: the certificate of Secret web/two is not for one.test but for *.two.test, two.test; correct one of them.',
    ]);
    expect([...catalog.configuration.certificates.keys()]).toEqual(['web/two']);
  });
});
