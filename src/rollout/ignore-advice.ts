/** What a GitOps tool has to be told so that it leaves the weights of a route alone; docs/gitops.md has the reasons. */
import type { RolloutTarget } from '../api/rollout-status.ts';

/** Place is where the entries of a route stand, in the languages of those who may have to leave them alone. */
interface Place {
  readonly kind: string;
  /** text is for people. */
  readonly text: string;
  /** query is for jq, and pointer for JSON Pointer: the part that Helm keeps as it is. */
  readonly query: string;
  readonly pointer: string;
}

const inIngressRoute: Place = {
  kind: 'IngressRoute',
  text: 'spec.routes[].services[]',
  query: '.spec.routes[]?.services[]?',
  pointer: '/spec/routes',
};
const inTraefikService: Place = {
  kind: 'TraefikService',
  text: 'spec.weighted.services[]',
  query: '.spec.weighted.services[]?',
  pointer: '/spec/weighted/services',
};

/**
 * ignoreAdvice is one sentence for the people behind a field manager that keeps writing a route: for Argo CD and Flux the
 * exact text to paste, else what to leave out.
 */
export function ignoreAdvice(manager: string, namespace: string, target: RolloutTarget): string {
  const { kind, text, pointer } = placeIn(target);
  if (manager.startsWith('argocd')) return argoAdvice(namespace, target);
  if (manager === 'kustomize-controller')
    return `Annotate the ${kind} in Git: kustomize.toolkit.fluxcd.io/ssa: IfNotPresent.`;
  if (manager === 'helm-controller')
    return `Add to its HelmRelease: spec.driftDetection.ignore: [{paths: [${pointer}], target: {kind: ${kind}, name: ${target.route}}}].`;
  return `Make ${manager} ignore ${text}.`;
}

function placeIn({ kind }: RolloutTarget): Place {
  return kind === 'TraefikService' ? inTraefikService : inIngressRoute;
}

/**
 * Traefik's lists are atomic, so that one weight cannot be owned apart from the rest: the pair is left out of the
 * comparison instead. Only what is out of sync may then be applied, because any other sync would write the whole list.
 * RespectIgnoreDifferences is no help: it copies the whole list of a custom resource from the cluster, for ever
 * (github.com/argoproj/argo-cd/issues/17694).
 */
function argoAdvice(namespace: string, target: RolloutTarget): string {
  const { route, stable, canary, apiVersion = 'traefik.io/v1alpha1' } = target;
  const { kind, query } = placeIn(target);
  const [group] = apiVersion.split('/');
  const pair = `${query} | select(.name == "${stable.service}" or .name == "${canary.service}")`;
  const rule = `{group: ${group}, kind: ${kind}, namespace: ${namespace}, name: ${route}, jqPathExpressions: ['${pair}']}`;
  return `Add to its Application: spec.ignoreDifferences: [${rule}] and spec.syncPolicy.syncOptions: [ApplyOutOfSyncOnly=true].`;
}
