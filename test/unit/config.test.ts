import { describe, expect, it } from 'vitest';
import { parseSettings, settingDefaults, type RawSettings } from '../../src/config.ts';
import { isSluiceError } from '../../src/errors.ts';

/** refusal returns the message with which the settings are refused. */
function refusal(raw: RawSettings): string {
  try {
    parseSettings(raw);
  } catch (error) {
    expect(isSluiceError(error, 'ConfigInvalid')).toBe(true);
    return (error as Error).message;
  }
  throw new Error(`${JSON.stringify(raw)} was accepted`);
}

const defaults = {
  kubeconfig: undefined,
  context: undefined,
  source: 'Prometheus',
  prometheus: {
    url: 'http://prometheus.monitoring.svc:9090',
    serviceLabel: 'service',
    matchers: undefined,
    scrapeIntervalMs: 15_000,
    latenessMs: undefined,
    blockMs: undefined,
    timeoutMs: 10_000,
    bearerTokenFile: undefined,
    basicAuthFile: undefined,
    headersFile: undefined,
    caFile: undefined,
  },
  scrape: { service: undefined, port: 9100, urls: [], intervalMs: 2_000 },
  namespaces: undefined,
  traefikApi: { service: undefined, port: 8080, urls: [], basicAuthFile: undefined, caFile: undefined },
  userQueries: 'Namespaced',
  freezesFile: undefined,
  sampleIntervalMs: 5_000,
  workers: 16,
  election: {
    isEnabled: true,
    namespace: undefined,
    name: 'sluice',
    timings: { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 },
    shards: 1,
  },
  auditSchedule: '*/5 * * * *',
  healthHost: '',
  healthPort: 8080,
  logLevel: 'info',
};

describe('parseSettings', () => {
  it('has a default for every setting', () => {
    expect(parseSettings({})).toStrictEqual(defaults);
  });

  it('takes an empty text, as an empty environment variable gives it, for the default', () => {
    const names = Object.keys(settingDefaults);
    expect(parseSettings(Object.fromEntries(names.map((name) => [name, ''])))).toStrictEqual(defaults);
  });

  it('reads every setting', () => {
    const settings = parseSettings({
      kubeconfig: '/k',
      context: 'c',
      namespaces: 'web,edge',
      source: 'Scrape',
      prometheusUrl: 'https://prometheus.example/prefix?dedup=false',
      prometheusServiceLabel: 'exported_service',
      prometheusMatchers: 'job="traefik"',
      prometheusScrapeInterval: '1m',
      prometheusLateness: '1m30s',
      prometheusBlock: '2m',
      prometheusTimeout: '500ms',
      prometheusBearerTokenFile: '/token',
      prometheusHeadersFile: '/headers',
      prometheusCaFile: '/ca',
      scrapeService: 'edge/traefik',
      scrapePort: '8082',
      scrapeInterval: '1s',
      traefikApiUrls: 'http://a:8080,https://b/prefix',
      traefikApiPort: '9000',
      traefikApiBasicAuthFile: '/basic',
      traefikApiCaFile: '/ca',
      userQueries: 'Off',
      freezesFile: '/f',
      sampleInterval: '1s',
      workers: '99',
      leaderElect: 'false',
      leaseNamespace: 'ops',
      leaseName: 'blue',
      leaseDuration: '3s',
      leaseRenewDeadline: '2s',
      leaseRetryPeriod: '500ms',
      shards: '16',
      auditSchedule: '@hourly',
      healthAddress: '127.0.0.1:0',
      logLevel: 'silent',
    });
    expect(settings).toStrictEqual({
      kubeconfig: '/k',
      context: 'c',
      namespaces: ['web', 'edge'],
      source: 'Scrape',
      prometheus: {
        url: 'https://prometheus.example/prefix?dedup=false',
        serviceLabel: 'exported_service',
        matchers: 'job="traefik"',
        scrapeIntervalMs: 60_000,
        latenessMs: 90_000,
        blockMs: 120_000,
        timeoutMs: 500,
        bearerTokenFile: '/token',
        basicAuthFile: undefined,
        headersFile: '/headers',
        caFile: '/ca',
      },
      scrape: { service: 'edge/traefik', port: 8082, urls: [], intervalMs: 1_000 },
      traefikApi: {
        service: undefined,
        port: 9_000,
        urls: ['http://a:8080', 'https://b/prefix'],
        basicAuthFile: '/basic',
        caFile: '/ca',
      },
      userQueries: 'Off',
      freezesFile: '/f',
      sampleIntervalMs: 1_000,
      workers: 99,
      election: {
        isEnabled: false,
        namespace: 'ops',
        name: 'blue',
        timings: { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 500 },
        shards: 16,
      },
      auditSchedule: '@hourly',
      healthHost: '127.0.0.1',
      healthPort: 0,
      logLevel: 'silent',
    });
  });

  it('reads which Traefiks are scraped, and refuses what contradicts itself', () => {
    const urls = 'http://10.0.0.1:9100/metrics,https://traefik.example/metrics';
    expect(parseSettings({ scrapeUrls: urls }).scrape.urls).toEqual(urls.split(','));
    expect(refusal({ source: 'Scrape' })).toContain('--source is Scrape; it needs --scrape-service or --scrape-urls');
    expect(refusal({ scrapeService: 'traefik' })).toContain('--scrape-service is "traefik"; it must be namespace/name');
    expect(refusal({ scrapeUrls: 'http://a:b@c/metrics' })).not.toContain('a:b');
    expect(refusal({ scrapePort: '0' })).toContain('--scrape-port is "0"; it must be a port');
    expect(refusal({ scrapeService: 'edge/traefik', scrapeUrls: urls })).toContain('cannot both be set');
  });

  it('reads which Traefiks are asked, and refuses what contradicts itself', () => {
    expect(parseSettings({ traefikApiService: 'edge/traefik' }).traefikApi).toMatchObject({ service: 'edge/traefik' });
    expect(refusal({ traefikApiService: 'traefik' })).toContain(
      '--traefik-api-service is "traefik"; it must be namespace',
    );
    expect(refusal({ traefikApiUrls: 'http://a:b@c' })).not.toContain('a:b');
    expect(refusal({ traefikApiPort: '99999' })).toContain('--traefik-api-port is "99999"; it must be a port');
    expect(refusal({ traefikApiService: 'edge/traefik', traefikApiCaFile: '/ca' })).toContain(
      '--traefik-api-ca-file is of no use without an https URL',
    );
    expect(parseSettings({ namespaces: 'web,shop,web' }).namespaces).toEqual(['web', 'shop']);
    expect(refusal({ namespaces: 'Web' })).toContain('--namespaces is "Web"; it must be names of namespaces');
    expect(refusal({ namespaces: 'web', scrapeService: 'edge/traefik' })).toContain(
      '--scrape-service is edge/traefik; with --namespaces its namespace has to be one of them',
    );
    const both = { traefikApiService: 'edge/traefik', traefikApiUrls: 'http://a' };
    expect(refusal(both)).toContain('--traefik-api-service and --traefik-api-urls cannot both be set');
  });

  it.each([
    [':8080', '', 8080],
    ['127.0.0.1:0', '127.0.0.1', 0],
    ['[::1]:80', '::1', 80],
    ['[::]:80', '::', 80],
    ['localhost:65535', 'localhost', 65_535],
  ])('reads the health address %s', (healthAddress, healthHost, healthPort) => {
    expect(parseSettings({ healthAddress })).toMatchObject({ healthHost, healthPort });
  });

  it.each<[string, RawSettings]>([
    ['--health-address is "8080"; it must be host:port', { healthAddress: '8080' }],
    ['--health-address is ":65536"', { healthAddress: ':65536' }],
    ['--health-address is "::1:80"; it must be host:port, [IPv6]:port or :port', { healthAddress: '::1:80' }],
    ['--health-address is "http://localhost:80"', { healthAddress: 'http://localhost:80' }],
    ['--health-address is "localhost:"', { healthAddress: 'localhost:' }],
    ['--prometheus-url is "prometheus:9090"; it must be an http or https URL', { prometheusUrl: 'prometheus:9090' }],
    ['--prometheus-url is "ftp://prometheus"', { prometheusUrl: 'ftp://prometheus' }],
    ['--prometheus-url is "nonsense"', { prometheusUrl: 'nonsense' }],
    ['--prometheus-service-label is "a b"; it must be the name of a label', { prometheusServiceLabel: 'a b' }],
    ['--prometheus-scrape-interval is "15"; it must be a duration', { prometheusScrapeInterval: '15' }],
    ['--prometheus-lateness is "1.5m"', { prometheusLateness: '1.5m' }],
    ['--prometheus-timeout is "0s"; it must be a duration like 15s, longer than zero', { prometheusTimeout: '0s' }],
    ['--sample-interval is "0ms"', { sampleInterval: '0ms' }],
    ['--user-queries is "off"; it must be one of Off, Namespaced, On', { userQueries: 'off' }],
    ['--workers is "0"; it must be a number from 1 to 99', { workers: '0' }],
    ['--workers is "100"', { workers: '100' }],
    ['--workers is "four"', { workers: 'four' }],
    ['--leader-elect is "yes"; it must be one of true, false', { leaderElect: 'yes' }],
    ['--lease-name is "Blue"; it must be a DNS label of at most 40 characters', { leaseName: 'Blue' }],
    ['--lease-duration in ms (10000) is not longer than --lease-renew-deadline in ms', { leaseDuration: '10s' }],
    ['--lease-renew-deadline in ms (2000) is not longer than 1.2 times', { leaseRenewDeadline: '2s' }],
    ['--lease-retry-period is "0s"; it must be a duration like 15s, longer than zero', { leaseRetryPeriod: '0s' }],
    ['--shards is "0"; it must be a number from 1 to 99', { shards: '0' }],
    ['--audit-schedule is "hourly"; it must be a cron expression', { auditSchedule: 'hourly' }],
    ['--log-level is "trace"; it must be one of debug, info, warn, error, silent', { logLevel: 'trace' }],
  ])('refuses: %s', (sentence, raw) => {
    expect(refusal(raw)).toContain(`The configuration has 1 problem(s): ${sentence}`);
  });

  it('refuses blocks that are shorter than a scrape', () => {
    expect(refusal({ prometheusBlock: '10s' })).toContain('--prometheus-block is shorter than');
    expect(refusal({ prometheusBlock: 'x', workers: 'x' })).toContain('2 problem(s): --prometheus-block is "x"');
    expect(parseSettings({ prometheusBlock: '15s' }).prometheus.blockMs).toBe(15_000);
  });

  it('refuses two credentials at once', () => {
    const files = { prometheusBearerTokenFile: '/token', prometheusBasicAuthFile: '/login' };
    expect(refusal(files)).toContain(
      '--prometheus-bearer-token-file and --prometheus-basic-auth-file cannot both be set',
    );
    expect(parseSettings({ prometheusBasicAuthFile: '/login' }).prometheus.basicAuthFile).toBe('/login');
  });

  it('lists all problems in one message', () => {
    const message = refusal({
      workers: 'x',
      logLevel: 'x',
      sampleInterval: 'x',
      healthAddress: 'x',
      prometheusUrl: 'x',
    });
    expect(message).toContain('The configuration has 5 problem(s): ');
    for (const flag of ['workers', 'log-level', 'sample-interval', 'health-address', 'prometheus-url']) {
      expect(message).toContain(`--${flag} is "x"`);
    }
  });

  it.each([
    'http://ann:hunter2@prometheus',
    'https://hunter2@prometheus',
    'ann:hunter2@prometheus',
    'http://a b:hunter2@:x',
  ])('refuses credentials in the URL and does not repeat them: %s', (prometheusUrl) => {
    const message = refusal({ prometheusUrl });
    expect(message).toContain('without credentials');
    expect(message).not.toContain('hunter2');
  });

  it('gives what /config shows frozen, with the files of the secrets and not their content', () => {
    const settings = parseSettings({ prometheusBearerTokenFile: 'test/unit/config.test.ts' });
    expect(
      Object.isFrozen(settings) && Object.isFrozen(settings.prometheus) && Object.isFrozen(settings.election),
    ).toBe(true);
    expect(JSON.stringify(settings)).toContain('"bearerTokenFile":"test/unit/config.test.ts"');
    expect(JSON.stringify(settings)).not.toContain('import ');
  });
});
