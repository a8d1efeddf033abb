/** Manifests with one mistake each, and where and how that has to be said. */

/** Broken is one mistake. */
export interface Broken {
  readonly mistake: string;
  readonly text: string;
  /** line and field are where it is, message is how it is said: by the API server, or by the controller in the status. */
  readonly line: number;
  readonly field: string;
  readonly message: string;
  readonly saidBy: 'Server' | 'Controller';
}

/** goodManifests is an application with its Rollout, and nothing wrong with them. */
export const goodManifests = `apiVersion: sluice.dev/v1alpha1
kind: Rollout
metadata:
  name: shop
spec:
  route:
    name: shop
    match: Host(\`shop.example\`)
  stable:
    service: shop-stable
    port: 80
  canary:
    service: shop-canary
    port: 80
    match:
    - headers:
        X-Canary: {regex: "^always$"}
    middlewares:
    - name: canary-headers
  revision: "1"
  steps:
  - weight: 5
    duration: 5m
  - weight: 25
    duration: 10m
  - pause: {}
  schedule:
    windows:
    - {cron: "0 9 * * 1-5", duration: 8h, timeZone: Europe/Paris}
  analysis:
    checks:
    - name: queue-depth
      query: max(queue_depth)
      max: 100
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata:
  name: shop
spec:
  routes:
  - match: Host(\`shop.example\`)
    kind: Rule
    services:
    - {name: shop-stable, port: 80}
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata:
  name: canary-headers
spec:
  headers: {customResponseHeaders: {X-Version: canary}}
---
apiVersion: v1
kind: Service
metadata:
  name: shop-stable
spec:
  selector: {app: shop, version: stable}
  ports:
  - {name: http, port: 80}
---
apiVersion: v1
kind: Service
metadata:
  name: shop-canary
spec:
  selector: {app: shop, version: canary}
  ports:
  - {name: http, port: 80}
`;

type Said = readonly [field: string, message: string];

/** mistake makes one of the good manifests: the line that has `from` is the one where the mistake has to be told, or `at`. */
function mistake(
  saidBy: Broken['saidBy'],
  name: string,
  [from, to, at = to]: readonly [string, string, string?],
  [field, message]: Said,
): Broken {
  const text = goodManifests.replace(from, () => to);
  if (text === goodManifests) throw new Error(`nothing to break: ${from}`);
  const line = text.slice(0, text.indexOf(at)).split('\n').length;
  return { mistake: name, text, line, field, message, saidBy };
}

const server = (name: string, edit: readonly [string, string, string?], said: Said): Broken =>
  mistake('Server', name, edit, said);
const controller = (name: string, edit: readonly [string, string, string?], said: Said): Broken =>
  mistake('Controller', name, edit, said);

/** brokenManifests are mistakes that people make. */
export const brokenManifests: readonly Broken[] = [
  server('a field that does not exist', ['duration: 5m', 'duraton: 5m'], ['spec.steps[0].duraton', 'unknown field']),
  server(
    'a number for the revision',
    ['revision: "1"', 'revision: 1'],
    ['spec.revision', 'Invalid value: "integer": must be of type string: "integer"'],
  ),
  server(
    'no stable service',
    ['    service: shop-stable\n', '', '  stable:'],
    ['spec.stable.service', 'Required value'],
  ),
  server(
    'weights that fall',
    ['weight: 25', 'weight: 3', '  steps:'],
    ['spec.steps', 'Invalid value: weights must rise from step to step, to at most 100'],
  ),
  server(
    'a duration in words',
    ['duration: 5m', 'duration: 5 minutes'],
    ['spec.steps[0].duration', 'Invalid value: "5 minutes": write a duration like 30s, 5m or 1h30m'],
  ),
  server(
    'a step with a weight and a pause',
    ['  - pause: {}', '  - pause: {}\n    weight: 50', '  - pause: {}'],
    ['spec.steps[2]', 'Invalid value: a step sets exactly one of weight and pause'],
  ),
  server(
    'steps and a ramp',
    ['  schedule:', '  ramp: {from: 1, to: 50, add: 5, every: 2m}\n  schedule:', 'spec:'],
    ['spec', 'Invalid value: set steps or ramp, not both'],
  ),
  server(
    'one Service for both',
    ['service: shop-canary', 'service: shop-stable', 'spec:'],
    ['spec', 'Invalid value: stable.service and canary.service must differ'],
  ),
  server(
    'a kind of route that there is not',
    ['    name: shop\n    match', '    kind: Ingress\n    name: shop\n    match', '    kind: Ingress'],
    ['spec.route.kind', 'Unsupported value: "Ingress": supported values: "IngressRoute", "TraefikService"'],
  ),
  server(
    'a check without a limit',
    ['      max: 100\n', '', '    - name: queue-depth'],
    ['spec.analysis.checks[0]', 'Invalid value: a check needs min, max or both'],
  ),
  server(
    'no revision and no workload',
    ['  revision: "1"\n', '', 'spec:'],
    ['spec', 'Invalid value: set revision or canary.workload, so that a new release can be told from the last one'],
  ),
  controller(
    'a rule that the route has not',
    ['    match: Host(`shop.example`)\n  stable', '    match: Host(`shop.exmaple`)\n  stable'],
    [
      'spec.route.match',
      'IngressRoute shop has no rule Host(`shop.exmaple`); its rules are Host(`shop.example`). Correct spec.route.match.',
    ],
  ),
  controller(
    'a rule that is none',
    ['    match: Host(`shop.example`)\n  stable', '    match: Host(shop.example\n  stable'],
    [
      'spec.route.match',
      'IngressRoute shop has no rule Host(shop.example; its rules are Host(`shop.example`). It is no rule: ',
    ],
  ),
  controller(
    'a port that the Service has not',
    ['    service: shop-canary\n    port: 80', '    service: shop-canary\n    port: 8080', '    port: 8080'],
    ['spec.canary.port', 'Service shop-canary has no port 8080; it has 80 (http).'],
  ),
  controller(
    'a Service that there is not',
    ['service: shop-canary', 'service: shop-canray'],
    ['spec.canary.service', 'Service NAMESPACE/shop-canray does not exist; create it or correct the name.'],
  ),
  controller(
    'a route that there is not',
    ['    name: shop\n    match', '    name: shpo\n    match'],
    ['spec.route.name', 'IngressRoute shpo does not exist in namespace NAMESPACE; create it or correct the name.'],
  ),
  controller(
    'a route that lists neither Service',
    ['    - {name: shop-stable, port: 80}', '    - {name: legacy, port: 80}', '    name: shop\n    match'],
    [
      'spec.route.name',
      'IngressRoute shop lists neither shop-stable nor shop-canary in the rule Host(`shop.example`) with the ports of the Rollout; it lists legacy:80. Add shop-stable to that rule.',
    ],
  ),
  controller(
    'a middleware that there is not',
    ['    - name: canary-headers', '    - name: canary-haeders'],
    [
      'spec.canary.middlewares[0]',
      'Middleware canary-haeders does not exist in namespace NAMESPACE; create it or correct the name.',
    ],
  ),
  controller(
    'a workload that there is not',
    ['  revision: "1"', '    workload: {kind: Deployment, name: shop-canary}\n  revision: "1"', '    workload:'],
    [
      'spec.canary.workload',
      'Deployment shop-canary does not exist in namespace NAMESPACE; create it or correct the name.',
    ],
  ),
  controller(
    'a regular expression that RE2 has not',
    ['"^always$"', '"^(?=always)"', '        X-Canary'],
    [
      'spec.canary.match[0].headers.X-Canary.regex',
      'spec.canary.match[0].headers.X-Canary.regex is no regular expression of RE2: ',
    ],
  ),
  controller(
    'a time zone that there is not',
    ['Europe/Paris', 'Europe/Pairs'],
    ['spec.schedule.windows[0].timeZone', '"Europe/Pairs" is no time zone; write one like Europe/Paris.'],
  ),
  controller(
    'a query that is no PromQL',
    ['max(queue_depth)', 'max(queue_depth'],
    ['spec.analysis.checks[0].query', 'spec.analysis.checks "queue-depth": '],
  ),
];
