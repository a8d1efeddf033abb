/** A scenario: traffic, what the canary does to it, how long it is watched, and what each judge should make of it. */

/** Profile is a number, or `[seconds, number]` points between which it changes evenly. */
export type Profile = number | readonly (readonly [seconds: number, value: number])[];

/** Step is a weight in percent and how long it is planned to last. */
export interface Step {
  readonly weight: number;
  readonly seconds: number;
}

/** Canary is what the new version does differently, from `fromSeconds` on and at weights of at least `fromWeight`. */
export interface Canary {
  /** errorPercent replaces the error ratio of the base; shared incidents come on top. */
  readonly errorPercent?: number;
  readonly latencyFactor?: number;
  /** slowPercent of the requests take `slowMs` longer. */
  readonly slowPercent?: number;
  readonly slowMs?: number;
  readonly fromSeconds?: number;
  readonly untilSeconds?: number;
  readonly fromWeight?: number;
}

/** Latency is lognormal. */
export interface Latency {
  readonly medianMs: number;
  readonly sigma: number;
  readonly buckets: 'Fine' | 'Traefik';
}

/** Endpoint is a part of the traffic with its own error ratio; its share differs between the arms. */
export interface Endpoint {
  readonly stablePercent: number;
  readonly canaryPercent: number;
  readonly errorPercent: number;
}

/** Sessions are clients that stay where they began: each makes `rps` requests for `seconds`, and `badPercent` of them meet most of the errors. */
export interface Sessions {
  readonly seconds: number;
  readonly rps: number;
  readonly badPercent: number;
  readonly badErrorPercent: number;
}

/** Scraping makes the samples pass through the counters of Traefik pods and the production code that subtracts them. */
export interface Scraping {
  readonly pods: number;
  readonly unscrapedPods?: number;
  /** missedPercent of the scrapes of a pod fail. */
  readonly missedPercent?: number;
  /** restartSeconds is how long a pod lives on average. */
  readonly restartSeconds?: number;
}

/** Range is [least, most], both included. */
export type Range = readonly [least: number, most: number];

/** Expectation bounds the figures of one judge in one scenario. */
export type Expectation = Readonly<Partial<Record<Figure, Range>>>;

/** Figure is a number by which a judge is measured. */
export type Figure = (typeof figures)[number];

/** figures are all of them, in the order in which they are printed. */
export const figures = [
  'rollbackPercent',
  'earlyPercent',
  'medianSeconds',
  'provenPercent',
  'promotedPercent',
  'badPromotedPercent',
  'heldPercent',
  'excessErrors',
] as const;

/** Metric is what is judged. */
export type Metric = 'Errors' | 'Latency';

/** tables are the groups of scenarios, in the order in which they are printed. */
export const tables = ['Steady', 'Rollout', 'Latency', 'Further'] as const;

/** Scenario is the content of one file in scenarios/. */
export interface Scenario {
  /** name is that of the file. */
  readonly name: string;
  readonly title: string;
  readonly table: (typeof tables)[number];
  /** order is its place in the table. */
  readonly order: number;
  readonly judged: readonly Metric[];
  /** isBad says what is right: to roll back, or to promote. */
  readonly isBad: boolean;
  /** plan: Watch stays for the planned time whatever is proven; Rollout leaves a step early when it may, and holds up to an hour before 100 %. */
  readonly plan: 'Watch' | 'Rollout';
  readonly steps: readonly Step[];
  readonly rps: Profile;
  readonly errorPercent: Profile;
  /** incidents hit both arms alike, with errors on top of all others or with slower answers. */
  readonly incidents?: readonly {
    readonly fromSeconds: number;
    readonly seconds: number;
    readonly errorPercent?: number;
    readonly latencyFactor?: number;
  }[];
  /** burstErrors is the mean number of errors that come together, one request and its retries. */
  readonly burstErrors?: number;
  /** spikes: in `percent` of the ticks of an arm its errors are multiplied, the mean stays. */
  readonly spikes?: { readonly percent: number; readonly factor: number };
  /** pauses: in `percent` of the ticks of an arm all its answers are slower by the factor. */
  readonly pauses?: { readonly percent: number; readonly factor: number };
  readonly latency?: Latency;
  readonly canary?: Canary;
  readonly endpoints?: readonly Endpoint[];
  readonly sessions?: Sessions;
  readonly scraping?: Scraping;
  readonly warmupSeconds: number;
  readonly expect: Readonly<Record<string, Expectation>>;
  readonly notPromised?: string;
}

/** valueAt returns a profile's value. */
export function valueAt(profile: Profile, seconds: number): number {
  if (typeof profile === 'number') return profile;
  let [fromSeconds, from] = profile[0] ?? [0, 0];
  if (seconds <= fromSeconds) return from;
  for (const [toSeconds, to] of profile) {
    if (seconds < toSeconds) return from + ((to - from) * (seconds - fromSeconds)) / (toSeconds - fromSeconds);
    [fromSeconds, from] = [toSeconds, to];
  }
  return from;
}

/** plannedSeconds is the length of all steps. */
export function plannedSeconds({ steps }: Pick<Scenario, 'steps'>): number {
  return steps.reduce((sum, { seconds }) => sum + seconds, 0);
}

/** isActive tells whether the canary differs at this time and weight. */
export function isActive(canary: Canary, seconds: number, weight: number): boolean {
  const { fromSeconds = 0, untilSeconds = Number.POSITIVE_INFINITY, fromWeight = 0 } = canary;
  return seconds > fromSeconds && seconds <= untilSeconds && weight >= fromWeight;
}
