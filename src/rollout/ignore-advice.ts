/** What a GitOps tool has to be told so that it leaves the weights of a route alone; docs/gitops.md has the reasons. */
import type { RolloutTarget } from '../api/rollout-status.ts';

/**
 * ignoreAdvice is one sentence for the people behind a field manager that keeps writing a route: for Argo CD and Flux the
 * exact text to paste, else what to leave out.
 */
export function ignoreAdvice(manager: string, namespace: string, target: RolloutTarget): string {
  if (manager.startsWith('argocd')) return argoAdvice(namespace, target);
  if (manager === 'kustomize-controller')
    return `Annotate the IngressRoute in Git: kustomize.toolkit.fluxcd.io/ssa: IfNotPresent.`;
  if (manager === 'helm-controller')
    return `Add to its HelmRelease: spec.driftDetection.ignore: [{paths: [/spec/routes], target: {kind: IngressRoute, name: ${target.route}}}].`;
  return `Make ${manager} ignore spec.routes[].services[].`;
}

/**
 * Traefik's lists are atomic, so that one weight cannot be owned apart from the rest: the pair is left out of the
 * comparison instead. Only what is out of sync may then be applied, because any other sync would write the whole list.
 * RespectIgnoreDifferences is no help: it copies the whole list of a custom resource from the cluster, for ever
 * (github.com/argoproj/argo-cd/issues/17694).
 */
function argoAdvice(namespace: string, { route, stable, canary }: RolloutTarget): string {
  const pair = `.spec.routes[]?.services[]? | select(.name == "${stable.service}" or .name == "${canary.service}")`;
  const rule = `{group: traefik.io, kind: IngressRoute, namespace: ${namespace}, name: ${route}, jqPathExpressions: ['${pair}']}`;
  return `Add to its Application: spec.ignoreDifferences: [${rule}] and spec.syncPolicy.syncOptions: [ApplyOutOfSyncOnly=true].`;
}
