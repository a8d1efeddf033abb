import type { Ingress } from '../../api/ingress.ts';
import { keyOf } from '../../api/kubernetes.ts';
import { defaultBackendNames, ingressRouterNames } from '../../api/traefik-names.ts';
import type { Certificate, Router } from '../configuration.ts';
import { isCanary } from './canary.ts';
import { isHostOf, type CertificateReader } from './certificates.ts';
import { emptyDraft, type Compiler, type Draft, type Problem, type Reader } from './compiler.ts';
import { resolveEntryPoints, type Points } from './entry-points.ts';
import { readIngressOptions, type IngressOptions } from './ingress-annotations.ts';
import { checkCanary } from './ingress-canary.ts';
import { isOurIngress } from './ingress-class.ts';
import { entriesOf, placeOf, type IngressEntry } from './ingress-entries.ts';
import { ruleOf } from './ingress-rule.ts';
import { findIngressTarget, type IngressTarget } from './ingress-target.ts';
import { resolveMiddlewares } from './middlewares.ts';
import { createRuleCheck, type RuleCheck } from './rule-check.ts';
import type { CatalogSettings } from './settings.ts';
import { spreadRouter } from './spread.ts';

/** compileIngress returns the Compiler of Ingresses: the routers and services that an IngressRoute of the same meaning would have. */
export function compileIngress(settings: CatalogSettings, readCertificate: CertificateReader): Compiler<'Ingress'> {
  const checkRule = createRuleCheck();
  return (ingress, reader) => {
    if (!isOurIngress(ingress, reader, settings.ingressClass)) return emptyDraft;
    if (isCanary(ingress)) return { ...emptyDraft, problems: checkCanary(ingress, reader, settings) };
    const options = readIngressOptions(ingress);
    const label = `Ingress ${keyOf(ingress)}`;
    const points = resolveEntryPoints(options.entryPoints, settings, `${label}, annotations`);
    const shared = { ingress, options, points, reader, settings, checkRule };
    const parts = namedEntries(ingress).map((named) => compileEntry({ ...shared, ...named }));
    const tls = tlsOf(ingress, readCertificate, reader);
    const notes = [...points.problems, ...options.notes, ...tls.problems];
    return {
      ...emptyDraft,
      routers: parts.flatMap(({ routers }) => routers),
      services: parts.flatMap(({ services }) => services),
      certificates: tls.certificates,
      problems: unique([...notes, ...parts.flatMap(({ problems }) => problems)]),
    };
  };
}

interface NamedEntry {
  readonly entry: IngressEntry;
  /** name of its router. */
  readonly name: string;
  /** winner is the entry that has the same place and comes later. */
  readonly winner: IngressEntry | undefined;
}

function namedEntries(ingress: Ingress): readonly NamedEntry[] {
  const entries = entriesOf(ingress);
  const { namespace = '', name } = ingress.metadata;
  const paths = entries.map((entry) => ({ host: entry.host, path: entry.written, rule: ruleOf(entry).rule }));
  const names = ingressRouterNames(namespace, name, paths);
  const last = new Map(entries.map((entry) => [placeOf(entry), entry]));
  return entries.map((entry, index) => {
    const winner = last.get(placeOf(entry));
    const isDefault = entry.host === '' && entry.kind === 'Default';
    return {
      entry,
      name: isDefault ? defaultBackendNames.router : (names[index] ?? ''),
      winner: winner === entry ? undefined : winner,
    };
  });
}

interface EntryUse extends NamedEntry {
  readonly ingress: Ingress;
  readonly options: IngressOptions;
  readonly points: Points;
  readonly reader: Reader;
  readonly settings: CatalogSettings;
  readonly checkRule: RuleCheck;
}

type Part = Pick<Draft, 'routers' | 'services' | 'problems'>;

function compileEntry(use: EntryUse): Part {
  const { entry, winner } = use;
  if (winner !== undefined) {
    const message = `${entry.at}: ${winner.at} has the same host and path, and only that one is served; remove one.`;
    return { routers: [], services: [], problems: [{ reason: 'DuplicateMatch', message }] };
  }
  const reasons = refusalsOf(use);
  const target = reasons.length > 0 ? refused(use.name, reasons) : findIngressTarget({ ...use });
  const own = [...target.reasons, ...target.problems];
  return { routers: routersOf(use, target), services: target.services, problems: own };
}

function refused(name: string, reasons: readonly Problem[]): IngressTarget {
  return { service: name, services: [], problems: [], reasons, hints: [], choices: [] };
}

function routersOf(use: EntryUse, target: IngressTarget): Draft['routers'] {
  const { ingress, entry, name, options, points, settings } = use;
  const { rule, priority, precedence } = ruleOf(entry);
  const errors = [...points.problems, ...options.notes, ...target.reasons, ...target.problems, ...target.hints];
  const router: Router = {
    name,
    entryPoints: points.names,
    rule,
    syntax: 'v3',
    priority: options.priority ?? priority,
    precedence,
    createdAt: ingress.metadata.creationTimestamp ?? '',
    isTls: options.isTls,
    service: target.service,
    middlewares: [],
    status: target.reasons.length > 0 ? 'disabled' : errors.length > 0 ? 'warning' : 'enabled',
    errors: errors.map(({ message }) => message),
  };
  const chosen = target.choices.map(({ suffix, ...choice }) => ({
    ...router,
    name: name.replace(/@kubernetes$/, `-${suffix}@kubernetes`),
    rule: choice.rule,
    service: choice.service,
    precedence: precedence + choice.precedence,
  }));
  return [router, ...chosen].flatMap((each) =>
    spreadRouter(each, settings.entryPoints).map((spread) => ({ router: spread, route: name })),
  );
}

/** refusalsOf returns why an entry must not be served, whatever its backend is. */
function refusalsOf({ ingress, entry, options, points, reader, checkRule }: EntryUse): readonly Problem[] {
  const middlewares = resolveMiddlewares({
    namespace: ingress.metadata.namespace ?? '',
    references: options.middlewares,
    at: `Ingress ${keyOf(ingress)}, annotation traefik.ingress.kubernetes.io/router.middlewares`,
    reader,
  });
  const found: readonly (Problem | undefined)[] = [
    pathProblem(entry, checkRule),
    points.isNone ? { reason: 'UnknownEntryPoint', message: `${entry.at}: it has no entry point.` } : undefined,
    middlewares.kind === 'Refused' ? { reason: 'NotSupported', message: middlewares.message } : undefined,
  ];
  return [...options.refusals, ...found.filter((problem) => problem !== undefined)];
}

function pathProblem(entry: IngressEntry, checkRule: RuleCheck): Problem | undefined {
  const { written, at, pathType } = entry;
  const isPath = written.startsWith('/') || (written === '' && pathType !== 'Exact');
  if (!isPath) {
    return { reason: 'InvalidRoute', message: `${at}.path: found ${JSON.stringify(written)}; begin it with /.` };
  }
  const problem = checkRule(ruleOf(entry).rule, 'v3');
  return problem === undefined ? undefined : { reason: 'InvalidRoute', message: `${at}: ${problem}` };
}

type Tls = Pick<Draft, 'certificates' | 'problems'>;

/** A certificate is presented for the names that are in it, as by Traefik; a host that is not there is told. */
function tlsOf(ingress: Ingress, readCertificate: CertificateReader, reader: Reader): Tls {
  const { namespace = '' } = ingress.metadata;
  const parts = (ingress.spec?.tls ?? []).map(({ secretName = '', hosts = [] }, index): Tls => {
    if (secretName === '') return { certificates: [], problems: [] };
    const at = `Ingress ${keyOf(ingress)}, spec.tls[${index}]`;
    const { certificate, problems } = readCertificate(`${namespace}/${secretName}`, `${at}.secretName`, reader);
    if (certificate === undefined) return { certificates: [], problems };
    const others = hosts
      .filter((host) => !isHostOf(certificate, host))
      .map((host) => hostProblem(at, host, certificate));
    return { certificates: [certificate], problems: [...problems, ...others] };
  });
  return {
    certificates: parts.flatMap(({ certificates }) => certificates),
    problems: parts.flatMap(({ problems }) => problems),
  };
}

function hostProblem(at: string, host: string, { name, hosts }: Certificate): Problem {
  const message = `${at}.hosts: the certificate of Secret ${name} is not for ${host} but for ${hosts.join(', ')}; correct one of them.`;
  return { reason: 'BrokenReference', message };
}

/** What is wrong with all of it is told once. */
function unique(problems: readonly Problem[]): readonly Problem[] {
  return [...new Map(problems.map((problem) => [problem.message, problem])).values()];
}
