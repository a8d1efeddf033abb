/** What `sluice lint` prints. */
import type { Finding } from './read-manifests.ts';

/** LintReport is what was found in the files. */
export interface LintReport {
  readonly problems: readonly Finding[];
  /** absent are, for each Rollout, what it refers to and is not in the files. */
  readonly absent: readonly { readonly rollout: string; readonly objects: readonly string[] }[];
  readonly rollouts: number;
  readonly others: number;
}

/** lintText has a line for each problem, as compilers have them. */
export function lintText({ problems, rollouts, others }: LintReport): string {
  if (problems.length > 0) return problems.map(line).join('\n');
  return `${count(rollouts, 'Rollout')} and ${count(others, 'other object')}: no problems.`;
}

/** lintJson is the report for programs. */
export function lintJson(report: LintReport): string {
  return JSON.stringify(report, null, 2);
}

/** lintNotes say for people what was not looked at. */
export function lintNotes({ absent }: LintReport): readonly string[] {
  return absent.map(({ rollout, objects }) => {
    return `${rollout} refers to what is not in these files and was not looked at: ${objects.join(', ')}. With --strict that is a problem.`;
  });
}

function line({ file, line, column, object, field, message }: Finding): string {
  const isNamed = field === '' || message.startsWith(field);
  const parts = [`${file}:${line}:${column}`, object, isNamed ? '' : field, message];
  return parts.filter((part) => part !== '').join(': ');
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
