import { isAscii } from './bytes.ts';
import {
  buildClientIp,
  type BuildMatcher,
  built,
  type BuiltTest,
  headerName,
  invalid,
  normalHost,
  notAscii,
  type RequestTest,
} from './matcher.ts';
import type { Regexp, RegexpCache } from './regexp.ts';
import { parseTemplate, type Template, type TemplateKind } from './template.ts';

function buildHost(args: readonly string[]): BuiltTest {
  if (!args.every(isAscii)) return notAscii;
  const hosts = args.map(normalHost);
  return built(({ host }) => host !== '' && hosts.includes(host));
}

function buildHostRegexp(args: readonly string[], regexps: RegexpCache): BuiltTest {
  if (!args.every(isAscii)) return notAscii;
  const templates = compileTemplates(args, 'Host', regexps);
  if (templates.kind === 'Invalid') return templates;
  return built(({ host }) => templates.list.some(({ regexp }) => regexp.test(host)));
}

function buildPaths(kind: 'Path' | 'PathPrefix', args: readonly string[], regexps: RegexpCache): BuiltTest {
  if (!args.every((path) => path.startsWith('/'))) return invalid('a path does not begin with a slash');
  const templates = compileTemplates(args, kind, regexps);
  if (templates.kind === 'Invalid') return templates;
  const tests = templates.list.map(({ template, regexp }) => pathTest(kind, template, regexp));
  return built((request) => tests.some((test) => test(request)));
}

/** Most templates have no variable: then it is a comparison. */
function pathTest(kind: 'Path' | 'PathPrefix', { names, literal }: Template, regexp: Regexp): RequestTest {
  if (names.length > 0) return ({ path }) => regexp.test(path);
  return kind === 'Path' ? ({ path }) => path === literal : ({ path }) => path.startsWith(literal);
}

function buildMethods(args: readonly string[]): BuiltTest {
  const methods = args.map((method) => method.toUpperCase());
  return built(({ method }) => methods.includes(method));
}

/** Pairs of names and values that all have to be there; of the same name written twice the last counts. */
function buildHeaders(args: readonly string[]): BuiltTest {
  if (args.length % 2 !== 0) return invalid('takes pairs of a name and a value');
  const wanted = [...pairs(args)];
  return built((request) =>
    wanted.every(([written, value]) => {
      const name = headerName(written);
      return name !== undefined && request.headerValues(name).includes(value);
    }),
  );
}

function buildHeadersRegexp(args: readonly string[], regexps: RegexpCache): BuiltTest {
  if (args.length % 2 !== 0) return invalid('takes pairs of a name and a regular expression');
  const compiled = args.filter((_, index) => index % 2 === 1).map((pattern) => regexps.get(pattern));
  const wrong = compiled.find((regexp) => regexp.kind === 'Invalid');
  if (wrong !== undefined) return wrong;
  const wanted = [...pairs(args)].map(([name, pattern]) => ({
    name: headerName(name),
    regexp: regexps.get(pattern) as Regexp,
  }));
  return built((request) =>
    wanted.every(
      ({ name, regexp }) => name !== undefined && request.headerValues(name).some((value) => regexp.test(value)),
    ),
  );
}

function pairs(args: readonly string[]): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (let index = 0; index + 1 < args.length; index += 2) map.set(args[index] as string, args[index + 1] as string);
  return map;
}

/** Each argument is `name=value`; Traefik cuts them all at the first `=` and pairs what comes out, whatever it came from. */
function buildQuery(args: readonly string[], regexps: RegexpCache): BuiltTest {
  const parts = args.flatMap((arg) => {
    const equals = arg.indexOf('=');
    return equals === -1 ? [arg] : [arg.slice(0, equals), arg.slice(equals + 1)];
  });
  if (parts.length % 2 !== 0) return invalid('takes parameters as name=value');
  const texts = parts.filter((_, index) => index % 2 === 0).map((name, index) => `${name}=${parts[index * 2 + 1]}`);
  const templates = compileTemplates(texts, 'Query', regexps);
  if (templates.kind === 'Invalid') return templates;
  if (hasSharedName(templates.list.map(({ template }) => template.names))) {
    return invalid('a variable appears in more than one parameter');
  }
  const wanted = templates.list.map(({ regexp }, index) => {
    const name = (texts[index] as string).split('=', 1)[0] as string;
    return { name, regexp };
  });
  return built((request) =>
    wanted.every(({ name, regexp }) => {
      const [first] = request.queryValues(name);
      return regexp.test(first === undefined ? '' : `${name}=${first}`);
    }),
  );
}

function hasSharedName(lists: readonly (readonly string[])[]): boolean {
  const seen = new Set<string>();
  for (const names of lists) {
    if (names.some((name) => seen.has(name))) return true;
    for (const name of names) seen.add(name);
  }
  return false;
}

interface CompiledTemplate {
  readonly template: Template;
  readonly regexp: Regexp;
}

type CompiledTemplates =
  | { readonly kind: 'Templates'; readonly list: readonly CompiledTemplate[] }
  | { readonly kind: 'Invalid'; readonly message: string };

function compileTemplates(texts: readonly string[], kind: TemplateKind, regexps: RegexpCache): CompiledTemplates {
  const list: CompiledTemplate[] = [];
  for (const text of texts) {
    const template = parseTemplate(text, kind);
    if (template.kind === 'Invalid') return template;
    for (const pattern of template.variablePatterns) {
      const regexp = regexps.get(pattern);
      if (regexp.kind === 'Invalid') return regexp;
    }
    const regexp = regexps.get(template.pattern);
    if (regexp.kind === 'Invalid') return regexp;
    list.push({ template, regexp });
  }
  return { kind: 'Templates', list };
}

/** matchersV2 are the matchers of Traefik 2, each of which takes a list (https://doc.traefik.io/traefik/v2.11/routing/routers/#rule). */
export const matchersV2: ReadonlyMap<string, BuildMatcher> = new Map<string, BuildMatcher>([
  ['ClientIP', buildClientIp],
  ['Headers', buildHeaders],
  ['HeadersRegexp', buildHeadersRegexp],
  ['Host', buildHost],
  ['HostHeader', buildHost],
  ['HostRegexp', buildHostRegexp],
  ['Method', buildMethods],
  ['Path', (args, regexps) => buildPaths('Path', args, regexps)],
  ['PathPrefix', (args, regexps) => buildPaths('PathPrefix', args, regexps)],
  ['Query', buildQuery],
]);
