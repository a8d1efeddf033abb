/** All judges, in the order in which they are printed. */
import { argoErrorRatio, argoP99 } from './argo-rollouts.ts';
import { flaggerDuration, flaggerSuccessRate } from './flagger.ts';
import type { Judge } from './judge.ts';
import { kayentaErrorRatio, kayentaP99 } from './kayenta.ts';
import { growthBook, pooledZ } from './peeking.ts';
import { sluice } from './sluice.ts';

/** judges are all of them. */
export const judges: readonly Judge[] = [
  argoErrorRatio(1),
  argoErrorRatio(5),
  flaggerSuccessRate,
  kayentaErrorRatio,
  pooledZ,
  growthBook,
  argoP99,
  flaggerDuration,
  kayentaP99,
  sluice,
];
