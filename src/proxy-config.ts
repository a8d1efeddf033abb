/** The settings of `sluice proxy`: read from flags and environment by main.ts, validated here, all problems at once. */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { EntryPoint, EntryPointTls } from './proxy/entry-point.ts';
import { parseEntryPoint } from './proxy/entry-point-text.ts';
import type { ObjectKey } from './api/kubernetes.ts';
import type { AccessLogSettings, ProxySettings, PublishSettings } from './proxy/settings.ts';
import { createSettingReader, refuseProblems, type ReadSettings, type SettingReader } from './setting-reader.ts';

/** RawProxySettings are the texts of flags and environment; undefined and an empty text take the default. */
export type RawProxySettings = Readonly<Partial<Record<ProxySettingName, string>>>;

/** proxySettingDefaults lists every setting with its default text; an empty text means not set. */
export const proxySettingDefaults = {
  kubeconfig: '',
  context: '',
  entryPoint: 'web=:8000',
  tlsCertFile: '',
  tlsKeyFile: '',
  sniStrict: 'false',
  ingressClass: '',
  publishAddress: '',
  publishService: '',
  allowCrossNamespace: 'false',
  allowExternalNameServices: 'false',
  strictTraefik: 'false',
  workers: '',
  acceptGrace: '5s',
  grace: '10s',
  adminAddress: '127.0.0.1:8080',
  metricsBuckets: '0.1,0.3,1.2,5',
  metricsRouters: 'false',
  accessLog: 'Off',
  accessLogQuery: 'false',
  logLevel: 'info',
} as const;

type ProxySettingName = keyof typeof proxySettingDefaults;
type Reader = SettingReader<ProxySettingName>;

/** More workers than this share the memory out without being faster for most: who has the load says so. */
const mostWorkers = 4;

/** parseProxySettings returns the settings; it throws ConfigInvalid with every problem in one message. `cores` is how many the process may use. */
export function parseProxySettings(raw: RawProxySettings, cores: number): ProxySettings {
  const { settings, problems } = readProxySettings(raw, cores);
  refuseProblems(problems);
  return settings;
}

/** readProxySettings returns the settings and a sentence for each problem; with any of them the settings are of no use. */
export function readProxySettings(raw: RawProxySettings, cores: number): ReadSettings<ProxySettings> {
  const reader = createSettingReader<ProxySettingName>(raw, proxySettingDefaults);
  const { optionalText, durationMs, oneOf, matching, problems } = reader;
  const isOn = (name: ProxySettingName): boolean => oneOf(name, ['true', 'false']) === 'true';
  const isCount = (count: string): boolean => count === '' || /^[1-9][0-9]?$/.test(count);
  const workers = matching('workers', isCount, 'a number from 1 to 99');
  const [adminHost, adminPort] = reader.address('adminAddress');
  const settings: ProxySettings = {
    kubeconfig: optionalText('kubeconfig'),
    context: optionalText('context'),
    entryPoints: parseEntryPoints(reader),
    objects: {
      ingressClass: optionalText('ingressClass') ?? '',
      allowsCrossNamespace: isOn('allowCrossNamespace'),
      allowsExternalName: isOn('allowExternalNameServices'),
    },
    publish: parsePublish(reader),
    isStrict: isOn('strictTraefik'),
    isSniStrict: isOn('sniStrict'),
    workers: workers === '' ? Math.max(1, Math.min(mostWorkers, cores)) : Number(workers),
    acceptGraceMs: durationMs('acceptGrace'),
    graceMs: durationMs('grace'),
    adminHost,
    adminPort,
    metrics: { bucketsSeconds: parseBuckets(reader), hasRouterLabels: isOn('metricsRouters') },
    accessLog: parseAccessLog(reader, isOn('accessLogQuery')),
    logLevel: oneOf('logLevel', ['debug', 'info', 'warn', 'error', 'silent']),
  };
  return { settings: Object.freeze(settings), problems };
}

function parsePublish({ optionalText, matching, problems }: Reader): PublishSettings | undefined {
  const isService = (text: string): boolean => text === '' || /^[a-z0-9-]+\/[a-z0-9-]+$/.test(text);
  const service = matching('publishService', isService, 'namespace/name');
  const isAddresses = (text: string): boolean => /^$|^[A-Za-z0-9.:-]+(?:,[A-Za-z0-9.:-]+)*$/.test(text);
  const addresses = matching('publishAddress', isAddresses, 'addresses or names with commas between');
  if (service !== '' && addresses !== '') problems.push('--publish-address and --publish-service exclude each other');
  if (optionalText('publishService') !== undefined) return { kind: 'Service', service: service as ObjectKey };
  return addresses === '' ? undefined : { kind: 'Addresses', addresses: addresses.split(',') };
}

function parseBuckets({ matching }: Reader): readonly number[] {
  const boundsOf = (text: string): readonly number[] => text.split(',').map(Number);
  const isRising = (bounds: readonly number[]): boolean =>
    bounds.every((bound, index) => bound > (bounds[index - 1] ?? 0) && Number.isFinite(bound));
  return boundsOf(
    matching('metricsBuckets', (text) => isRising(boundsOf(text)), 'rising seconds with commas between, like 0.1,0.3'),
  );
}

function parseAccessLog({ oneOf }: Reader, hasQuery: boolean): AccessLogSettings | undefined {
  const format = oneOf('accessLog', ['Off', 'Common', 'Json']);
  return format === 'Off' ? undefined : { format, hasQuery };
}

/** Entry points stand one after the other with blanks between: name=address, then options after commas. */
function parseEntryPoints(reader: Reader): readonly EntryPoint[] {
  const { matching, problems } = reader;
  const texts = matching('entryPoint', (text) => text.trim() !== '', 'name=address, like web=:8000')
    .split(/\s+/)
    .filter((text) => text !== '');
  const tls = parseTls(reader);
  const entryPoints = texts.flatMap((text) => {
    const found = parseEntryPoint(text, tls);
    if (typeof found !== 'string') return [found];
    problems.push(`--entry-point ${text}: ${found}`);
    return [];
  });
  const names = entryPoints.map(({ name }) => name);
  for (const name of new Set(names.filter((name, index) => names.indexOf(name) !== index))) {
    problems.push(`--entry-point ${name} is given twice`);
  }
  return entryPoints;
}

/** parseTls reads the default certificate; a key that does not belong to it is a problem, not a crash at the first client. */
function parseTls({ optionalText, problems }: Reader): EntryPointTls {
  const [certFile, keyFile] = [optionalText('tlsCertFile'), optionalText('tlsKeyFile')];
  if (certFile === undefined && keyFile === undefined) return noCertificate;
  if (certFile === undefined || keyFile === undefined) {
    problems.push('--tls-cert-file and --tls-key-file need each other');
    return noCertificate;
  }
  try {
    const tls = { certificate: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
    createSecureContext({ cert: tls.certificate, key: tls.key });
    return tls;
  } catch (error) {
    problems.push(`--tls-cert-file ${certFile} with --tls-key-file ${keyFile}: ${(error as Error).message}`);
    return noCertificate;
  }
}

const noCertificate: EntryPointTls = { certificate: '', key: '' };
