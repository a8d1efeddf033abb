/** The answer of a real Traefik, for many cases at once. */
import type { Echo } from '../../support/raw-http.ts';
import { sendRaw, startEchoServer } from '../../support/raw-http.ts';
import { type FileRouter, startFileTraefik } from '../../support/traefik-file.ts';
import type { RuleCase, Verdict } from './cases.ts';

/** TraefikVerdicts are the answers to the requests of a case, and what is wrong with each rule that Traefik refuses. */
export interface TraefikVerdicts {
  readonly verdicts: readonly Verdict[];
  /** refusals has an entry for each rule: the error, undefined for one that serves. */
  readonly refusals: readonly (string | undefined)[];
}

/** TraefikOracle asks a real Traefik. */
export interface TraefikOracle {
  /** ask answers all cases after one reload. */
  ask(cases: readonly RuleCase[]): Promise<readonly TraefikVerdicts[]>;
  stop(): Promise<void>;
}

// Keeps the rules of different cases apart: each stands behind a condition that only requests of its own case meet. A case
// that is asked alone has its rules as they are.
const caseHeader = 'X-Case';

/** startTraefikOracle starts Traefik and a backend. */
export async function startTraefikOracle(): Promise<TraefikOracle> {
  const backend = await startEchoServer();
  const traefik = await startFileTraefik();
  return {
    ask: async (cases) => {
      const numbers = numberRules(cases);
      const routers = Object.fromEntries(cases.flatMap((rules, index) => routersOf(rules, index, numbers)));
      const services = Object.fromEntries(
        Object.keys(routers).map((name) => [name, `http://${addressOf(Number(name.slice(1)))}:${backend.port}`]),
      );
      const live = await traefik.configure({ routers, services });
      const send = async (ruleCase: RuleCase, index: number): Promise<TraefikVerdicts> => ({
        verdicts: await sendAll(traefik.port, ruleCase, index, numbers),
        refusals: ruleCase.rules.map((_, rule) => {
          const name = `r${(numbers[index] ?? 0) + rule}`;
          return live.get(name)?.status === 'enabled' ? undefined : (live.get(name)?.error?.join('; ') ?? 'missing');
        }),
      });
      return mapConcurrently(cases, send);
    },
    stop: async () => {
      await traefik.stop();
      await backend.stop();
    },
  };
}

/** The number of the first rule of each case. */
function numberRules(cases: readonly RuleCase[]): readonly number[] {
  let next = 0;
  return cases.map(({ rules }) => (next += rules.length) - rules.length);
}

function routersOf({ rules }: RuleCase, index: number, numbers: readonly number[]): readonly [string, FileRouter][] {
  const isGuarded = numbers.length > 1;
  return rules.map(({ text, syntax }, rule) => {
    const number = (numbers[index] ?? 0) + rule;
    const name = `r${number}`;
    const condition = `${syntax === 'v2' ? 'Headers' : 'Header'}(\`${caseHeader}\`, \`${index}\`)`;
    const guarded = isGuarded ? `${condition} && (${text})` : text;
    return [
      name,
      { rule: guarded, ruleSyntax: syntax, priority: 1_000_000 - number, service: name, entryPoints: ['web'] },
    ];
  });
}

function addressOf(number: number): string {
  return `127.1.${number >> 8}.${number & 255}`;
}

async function sendAll(
  port: number,
  { requests }: RuleCase,
  index: number,
  numbers: readonly number[],
): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const request of requests) {
    const headers = [...request.headers, caseHeader, String(index)];
    const { status, body } = await sendRaw(port, { ...request, headers });
    if (status === 200 && body !== '') verdicts.push({ status, ...readEcho(body, numbers[index] ?? 0) });
    else verdicts.push({ status });
  }
  return verdicts;
}

function readEcho(body: string, first: number): { readonly rule: number; readonly target: string } {
  const { address, target } = JSON.parse(body) as Echo;
  const [, , high, low] = address.split('.').map(Number);
  return { rule: ((high ?? 0) << 8) + (low ?? 0) - first, target };
}

async function mapConcurrently<T, R>(
  items: readonly T[],
  act: (item: T, index: number) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const work = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await act(item, index);
  };
  await Promise.all(Array.from({ length: 16 }, work));
  return results;
}
