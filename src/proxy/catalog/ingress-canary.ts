import type { Ingress } from '../../api/ingress.ts';
import { keyOf } from '../../api/kubernetes.ts';
import { isCanary, readCanary, type CanaryRules } from './canary.ts';
import type { Problem, Reader } from './compiler.ts';
import { readIngressOptions } from './ingress-annotations.ts';
import { notesOf, resolveBackend } from './ingress-backend.ts';
import { isOurIngress } from './ingress-class.ts';
import { entriesOf, placeOf, type IngressEntry } from './ingress-entries.ts';
import { ingressPlace, type IngressRole } from './ingress-index.ts';
import type { ResolvedService } from './resolve-service.ts';
import type { CatalogSettings } from './settings.ts';
import { isFault, problemOf } from './share.ts';

/** FoundCanary is what a canary does with an entry; without a leaf there is none that can be used. */
export interface FoundCanary {
  readonly leaf: ResolvedService | undefined;
  readonly rules: CanaryRules;
  /** hints are what is wrong with it. */
  readonly hints: readonly Problem[];
}

/** CanaryUse is an entry of a main Ingress. */
export interface CanaryUse {
  readonly ingress: Ingress;
  readonly entry: IngressEntry;
  readonly reader: Reader;
  readonly settings: CatalogSettings;
}

/** findCanary returns the canary of an entry: the oldest with the same namespace, class, host, path and type of path. */
export function findCanary(use: CanaryUse): FoundCanary {
  const [first] = partnersOf(use, 'Canary');
  if (first === undefined) return noCanary;
  const { reader, settings } = use;
  const judged = judge(first, reader, settings);
  if (judged.kind === 'Refused') return { ...noCanary, hints: [judged.problem] };
  return { leaf: judged.leaf, rules: judged.rules, hints: [] };
}

const noCanary: FoundCanary = { leaf: undefined, rules: { choices: [], weight: 0, weightTotal: 100 }, hints: [] };

/** checkCanary returns what is wrong with a canary Ingress, which serves nothing by itself. */
export function checkCanary(ingress: Ingress, reader: Reader, settings: CatalogSettings): readonly Problem[] {
  const problems = entriesOf(ingress).flatMap((entry) => {
    const use = { ingress, entry, reader, settings };
    const judged = judge({ ingress, entry }, reader, settings);
    if (judged.kind === 'Refused') return [judged.problem];
    if (partnersOf(use, 'Main').length === 0) return [alone(entry)];
    const [first] = partnersOf(use, 'Canary');
    if (first === undefined || keyOf(first.ingress) === keyOf(ingress)) return notesOf(judged.leaf);
    return [second(entry, first.ingress)];
  });
  return [...new Map(problems.map((problem) => [problem.message, problem])).values()];
}

interface Partner {
  readonly ingress: Ingress;
  readonly entry: IngressEntry;
}

function partnersOf({ ingress, entry, reader, settings }: CanaryUse, role: IngressRole): readonly Partner[] {
  const place = ingressPlace(role, ingress.metadata.namespace ?? '', entry.host);
  return reader
    .ingresses(place)
    .filter((other) => isOurIngress(other, reader, settings.ingressClass) && isCanary(other) === (role === 'Canary'))
    .flatMap((other) => {
      const found = entriesOf(other).find((each) => placeOf(each) === placeOf(entry));
      return found === undefined ? [] : [{ ingress: other, entry: found }];
    });
}

type Judged =
  | { readonly kind: 'Usable'; readonly leaf: ResolvedService; readonly rules: CanaryRules }
  | { readonly kind: 'Refused'; readonly problem: Problem };

function judge({ ingress, entry }: Partner, reader: Reader, settings: CatalogSettings): Judged {
  const rules = readCanary(ingress);
  if (typeof rules === 'string') {
    return refuse({ reason: 'InvalidRoute', message: `Ingress ${keyOf(ingress)}, annotation ${rules}` });
  }
  const { scheme, refusals } = readIngressOptions(ingress);
  const [refusal] = refusals;
  if (refusal !== undefined) return refuse(refusal);
  const leaf = resolveBackend({ ingress, backend: entry.backend, at: entry.at, scheme, reader, settings });
  return isFault(leaf) ? refuse(problemOf(leaf)) : { kind: 'Usable', leaf, rules };
}

function refuse(problem: Problem): Judged {
  return { kind: 'Refused', problem };
}

function alone({ at, host, written }: IngressEntry): Problem {
  const where = `${host === '' ? 'without a host' : `with the host ${host}`} and the path ${written === '' ? '/' : written}`;
  const message = `${at}: it is a canary, but no other Ingress of this namespace and class ${where} exists; create it, or write the same host, path and pathType.`;
  return { reason: 'BrokenReference', message };
}

function second({ at }: IngressEntry, first: Ingress): Problem {
  const message = `${at}: Ingress ${keyOf(first)} is a canary of the same host and path and older, so that this one gets no requests; remove one.`;
  return { reason: 'DuplicateMatch', message };
}
