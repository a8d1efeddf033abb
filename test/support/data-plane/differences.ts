/** Where Sluice's proxy differs from Traefik 3.6.12 on purpose. The contract suite shows each; docs/proxy.md prints them. */

/** Difference: all texts are sentences of a row of the table. */
export interface Difference {
  readonly traefik: string;
  readonly sluice: string;
  readonly why: string;
  /** strict is whom the proxy follows with --strict-traefik. */
  readonly strict: 'Traefik' | 'Sluice';
  /** shownBy is the test that shows it, where that is not the contract suite of the proxy. */
  readonly shownBy?: string;
}

const table = {
  'A broken service': {
    traefik: 'Drops the whole route (404) when one of its services, even of weight 0, is missing or has no endpoints.',
    sluice: 'Serves with the other services; 503 when none is left. The route says what is wrong.',
    why: 'A canary that is not there must not take stable down.',
    strict: 'Traefik',
  },
  'A service without servers': {
    traefik: 'Answers its share with 503 when its pods terminate, or all its weights are 0.',
    sluice: 'Gives its share to the others.',
    why: 'Nobody is served by it.',
    strict: 'Traefik',
  },
  'Endpoints without `serving`': {
    traefik: 'Takes an endpoint that says nothing about `serving` for ready, even where `ready` is false.',
    sluice: 'Then `ready` counts.',
    why: 'The Kubernetes API says that `serving` defaults to `ready`.',
    strict: 'Traefik',
  },
} as const satisfies Readonly<Record<string, Difference>>;

/** DifferenceName is a key of the table. */
export type DifferenceName = keyof typeof table;

/** differences is the table, by name. */
export const differences: Readonly<Record<DifferenceName, Difference>> = table;
