/** What may follow on a command line that is not written to its end, from the program's own commands and flags. */
import type { Command, Option } from 'commander';
import type { SourceCall } from '../rollout-source.ts';
import { valuesOfArgument, valuesOfOption, type Values } from './flag-values.ts';

/** Word is a candidate, and what it is for. */
export interface Word {
  readonly text: string;
  readonly about?: string;
}

/** Completion: Names are those of objects that the API server of `source` has; `prefix` goes before each, `but` are left out. */
export type Completion =
  | { readonly kind: 'Words'; readonly words: readonly Word[] }
  | { readonly kind: 'Files' | 'Directories' }
  | {
      readonly kind: 'Names';
      readonly of: 'Rollouts' | 'Namespaces';
      readonly source: SourceCall;
      readonly prefix: string;
      readonly but: readonly string[];
    };

/** Place is where on the line the cursor is: in which command, after which operands and flags. */
interface Place {
  command: Command;
  readonly operands: string[];
  readonly values: Record<string, string>;
  readonly given: Set<Option>;
  /** awaits is a flag whose value comes next. */
  awaits: Option | undefined;
  /** isLiteral: `--` is behind us. */
  isLiteral: boolean;
}

/** complete returns what the last of `words` may become; the name of the program is not among them. */
export function complete(program: Command, words: readonly string[]): Completion {
  const typed = words.at(-1) ?? '';
  const place: Place = {
    command: program,
    operands: [],
    values: {},
    given: new Set(),
    awaits: undefined,
    isLiteral: false,
  };
  for (const word of words.slice(0, -1)) take(place, word);
  const { awaits } = place;
  if (awaits !== undefined && takes(awaits, typed)) return offer(place, valuesOfOption(awaits), typed);
  if (place.isLiteral || !typed.startsWith('-')) return operand(place, typed);
  return typed.includes('=') ? attached(place, typed) : wordsOf(flagsOf(place), typed);
}

/** As commander does: a flag with an optional value takes the next word, unless it is a flag. */
function takes(option: Option, word: string): boolean {
  return option.required || !word.startsWith('-');
}

function take(place: Place, word: string): void {
  const { awaits } = place;
  place.awaits = undefined;
  if (awaits !== undefined && takes(awaits, word)) place.values[awaits.attributeName()] = word;
  else if (place.isLiteral || !word.startsWith('-') || word === '-') takeOperand(place, word);
  else if (word === '--') place.isLiteral = true;
  else takeFlag(place, word);
}

function takeOperand(place: Place, word: string): void {
  const nested = place.operands.length === 0 && place.command.commands.find((command) => command.name() === word);
  if (nested) place.command = nested;
  else place.operands.push(word);
}

function takeFlag(place: Place, word: string): void {
  const { option, value } = readFlag(place.command, word);
  if (option === undefined) return;
  place.given.add(option);
  if (value !== undefined) place.values[option.attributeName()] = value;
  else if (option.required || option.optional) place.awaits = option;
}

function readFlag(command: Command, word: string): { readonly option?: Option | undefined; readonly value?: string } {
  const [, flag = word, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? /^(-[^-])(.+)$/s.exec(word) ?? [];
  const option = command.options.find(({ long, short }) => long === flag || short === flag);
  return value === undefined ? { option } : { option, value };
}

/** attached completes the value of `--flag=`. */
function attached(place: Place, typed: string): Completion {
  const { option, value = '' } = readFlag(place.command, typed);
  if (option === undefined) return none;
  return offer(place, valuesOfOption(option), value, typed.slice(0, typed.length - value.length));
}

function operand(place: Place, typed: string): Completion {
  const { command, operands } = place;
  if (command.commands.length > 0) {
    const isOfHelp = operands.length === 1 && operands[0] === 'help';
    return operands.length === 0 || isOfHelp ? wordsOf(commandsOf(command), typed) : none;
  }
  const { registeredArguments: all } = command;
  const last = all.at(-1);
  const argument = all[operands.length] ?? (last?.variadic === true ? last : undefined);
  return argument === undefined ? none : offer(place, valuesOfArgument(argument), typed);
}

const none: Completion = { kind: 'Words', words: [] };

function offer(place: Place, values: Values, typed: string, before = ''): Completion {
  if (values.kind === 'Any') return none;
  if (values.kind === 'Files' || values.kind === 'Directories') return { kind: values.kind };
  if (values.kind === 'Words') {
    return wordsOf(
      values.words.map((text) => ({ text: before + text })),
      before + typed,
    );
  }
  // kubectl's TYPE/NAME.
  const type = values.kind === 'Rollouts' ? typed.slice(0, typed.lastIndexOf('/') + 1) : '';
  const but = place.operands.map((word) => word.slice(word.lastIndexOf('/') + 1));
  return { kind: 'Names', of: values.kind, source: sourceOf(place), prefix: before + type, but };
}

function sourceOf({ values }: Place): SourceCall {
  const { namespace, kubeconfig, context, as, dir, state } = values;
  return { namespace, kubeconfig, context, as, dir, state };
}

function commandsOf(command: Command): readonly Word[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((one) => ({ text: one.name(), about: briefly(one.description()) }));
}

function flagsOf({ command, given }: Place): readonly Word[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .filter((option) => !given.has(option))
    .flatMap(({ long, description }) => (long ? [{ text: long, about: briefly(description) }] : []));
}

/** briefly is the first clause of a sentence of the help. */
function briefly(text: string): string {
  return text.split(/[.;](?: |$)| \(default/, 1)[0] ?? '';
}

function wordsOf(words: readonly Word[], typed: string): Completion {
  return { kind: 'Words', words: words.filter(({ text }) => text.startsWith(typed)) };
}
