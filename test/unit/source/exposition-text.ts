/** Expositions as a Traefik writes them, of any size. */

/** traefikExposition returns the text of about `series` series of Traefik 3.6 with its default buckets, and the services in it. */
export function traefikExposition(series: number): { readonly text: string; readonly services: readonly string[] } {
  const perService = requests.length * (buckets.length + 5);
  const count = Math.ceil(series / perService);
  const services = Array.from({ length: count }, (_, index) => `shop-web-${index}-canary-8080@kubernetescrd`);
  const labels = requests.flatMap(([code, method]) =>
    services.map((service) => `code="${code}",method="${method}",protocol="http",service="${service}"`),
  );
  const durations = 'traefik_service_request_duration_seconds';
  const lines = [
    ...family('process_start_time_seconds', 'gauge', ['process_start_time_seconds 1.79522639e+09']),
    ...family(
      durations,
      'histogram',
      labels.flatMap((one, index) => [
        ...buckets.map((le, rank) => `${durations}_bucket{${one},le="${le}"} ${index * 3 + rank}`),
        `${durations}_sum{${one}} ${index * 0.137}`,
        `${durations}_count{${one}} ${index * 3 + 4}`,
      ]),
    ),
    ...['requests_bytes_total', 'requests_total', 'responses_bytes_total'].flatMap((name) =>
      family(
        `traefik_service_${name}`,
        'counter',
        labels.map((one, index) => `traefik_service_${name}{${one}} ${index * 3 + 4}`),
      ),
    ),
  ];
  return { text: `${lines.join('\n')}\n`, services };
}

const buckets = ['0.1', '0.3', '1.2', '5', '+Inf'];
const requests = [
  ['200', 'GET'],
  ['200', 'POST'],
  ['404', 'GET'],
  ['499', 'GET'],
  ['500', 'POST'],
] as const;

function family(name: string, type: string, lines: readonly string[]): readonly string[] {
  return [`# HELP ${name} What it counts, partitioned by what.`, `# TYPE ${name} ${type}`, ...lines];
}
