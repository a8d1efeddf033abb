/** What may stand behind a flag, or as an argument: for completion. The parsers of the settings refuse what is wrong. */
import { Option, type Argument } from 'commander';
import type { settingDefaults } from '../config.ts';
import type { proxySettingDefaults } from '../proxy-config.ts';

/** Values is what completion offers; Any is what nobody can guess. */
export type Values =
  | { readonly kind: 'Words'; readonly words: readonly string[] }
  | { readonly kind: 'Rollouts' | 'Namespaces' | 'Files' | 'Directories' | 'Any' };

const offered = new WeakMap<Option, readonly string[]>();

/** offering returns the flag, and lets completion offer these values for it. */
export function offering(option: Option, words: readonly string[]): Option {
  offered.set(option, words);
  return option;
}

/** outputOption is -o with these formats. */
export function outputOption(...formats: readonly string[]): Option {
  const last = formats.at(-1) ?? '';
  const others = formats.slice(0, -1).join(', ');
  return offering(new Option('-o, --output <format>', others === '' ? last : `${others} or ${last}`), formats);
}

const yesNo = ['true', 'false'];
const levels = ['debug', 'info', 'warn', 'error', 'silent'];

/** settingValues are those of the settings with a choice; a test looks for each of them in the help. */
export const settingValues: Partial<
  Record<keyof typeof settingDefaults | keyof typeof proxySettingDefaults, readonly string[]>
> = {
  source: ['Prometheus', 'Scrape'],
  userQueries: ['Off', 'Namespaced', 'On'],
  leaderElect: yesNo,
  logLevel: levels,
  sniStrict: yesNo,
  allowCrossNamespace: yesNo,
  allowExternalNameServices: yesNo,
  strictTraefik: yesNo,
  metricsRouters: yesNo,
  accessLog: ['Off', 'Common', 'Json'],
  accessLogQuery: yesNo,
};

/** valuesOfOption says what may stand behind a flag. */
export function valuesOfOption(option: Option): Values {
  const name = option.attributeName();
  const words = offered.get(option) ?? option.argChoices ?? (settingValues as Record<string, readonly string[]>)[name];
  if (words !== undefined) return { kind: 'Words', words };
  if (name === 'namespace' || name.endsWith('Namespace')) return { kind: 'Namespaces' };
  if (name === 'kubeconfig' || name === 'filename' || name.endsWith('File')) return { kind: 'Files' };
  return { kind: name === 'dir' || name === 'state' ? 'Directories' : 'Any' };
}

const argumentKinds: Readonly<Record<string, 'Rollouts' | 'Files' | 'Directories'>> = {
  name: 'Rollouts',
  names: 'Rollouts',
  file: 'Files',
  dir: 'Directories',
};

/** valuesOfArgument says what an argument may be. */
export function valuesOfArgument(argument: Argument): Values {
  if (argument.argChoices !== undefined) return { kind: 'Words', words: argument.argChoices };
  return { kind: argumentKinds[argument.name()] ?? 'Any' };
}
