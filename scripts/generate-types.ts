/**
 * Generates src/api/rollout.ts, rollout-status.ts and rollout-evidence.ts from crds/rollouts.yaml, so that the types and the schema cannot drift apart.
 * A unit test compares the files with what this module would write.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { readCrd, type Schema } from './crd-schema.ts';

/** Writer collects one interface for each object of the schema, named by the first word of its description. */
class Writer {
  readonly #interfaces = new Map<string, string>();
  readonly #elsewhere: readonly string[];

  /** elsewhere are the interfaces that another file has. */
  constructor(elsewhere: readonly string[] = []) {
    this.#elsewhere = elsewhere;
  }

  add(schema: Schema, skip: readonly string[] = []): string {
    const name = /^([A-Z][A-Za-z]+) /.exec(schema.description ?? '')?.[1];
    if (name === undefined)
      throw new Error(`the description of an object must begin with its name: ${JSON.stringify(schema).slice(0, 200)}`);
    if (this.#elsewhere.includes(name)) return name;
    this.#interfaces.set(name, '');
    const required = new Set(schema.required);
    const fields = Object.entries(schema.properties ?? {})
      .filter(([field]) => !skip.includes(field))
      .map(([field, value]) => this.#field(field, value, required.has(field) || value.default !== undefined));
    if (schema['x-kubernetes-preserve-unknown-fields']) fields.push('  readonly [field: string]: unknown;');
    const extend = skip.includes('metadata') ? ' extends KubernetesObject' : '';
    this.#interfaces.set(
      name,
      `/** ${schema.description} */\nexport interface ${name}${extend} {\n${fields.join('\n')}\n}\n`,
    );
    return name;
  }

  #field(field: string, schema: Schema, required: boolean): string {
    const note = schema.default === undefined ? '' : ` Default ${JSON.stringify(schema.default)}.`;
    const doc = schema.description === undefined ? '' : `  /** ${schema.description}${note} */\n`;
    return `${doc}  readonly ${field}${required ? '' : '?'}: ${this.#type(schema)};`;
  }

  #type(schema: Schema): string {
    if (schema['x-kubernetes-int-or-string']) return 'number | string';
    if (schema.enum) return schema.enum.map((value) => `'${value}'`).join(' | ');
    if (schema.type === 'array') return `readonly (${this.#type(schema.items ?? {})})[]`;
    if (schema.additionalProperties) return `Readonly<Record<string, ${this.#type(schema.additionalProperties)}>>`;
    if (schema.type === 'object') return this.add(schema);
    return (
      { integer: 'number', number: 'number', boolean: 'boolean', string: 'string' }[schema.type ?? ''] ?? 'unknown'
    );
  }

  text(): string {
    return [...this.#interfaces.values()].toReversed().join('\n');
  }
}

/** names are the generated files; the evidence alone has many users. */
const names = ['rollout.ts', 'rollout-status.ts', 'rollout-evidence.ts'] as const;

const notice = '// Generated from crds/rollouts.yaml by `npm run generate`. Do not edit.\n';

/** generateTypes returns the texts (before formatting) of the generated files of src/api for the CRD in `crd`, by name. */
export function generateTypes(crd: string): Readonly<Record<(typeof names)[number], string>> {
  const { schema: root } = readCrd(crd);
  const statusSchema = root.properties?.['status'] ?? {};
  const evidence = new Writer();
  const evidenceName = evidence.add(statusSchema.properties?.['analysis'] ?? {});
  const status = new Writer([evidenceName]);
  const statusName = status.add(statusSchema);
  const rollout = new Writer([statusName]);
  rollout.add(root, ['apiVersion', 'kind', 'metadata']);
  const object = "import type { KubernetesObject } from './kubernetes.ts';\n";
  return {
    'rollout.ts': `${notice}${object}${importOf(statusName, 'rollout-status.ts')}\n${rollout.text()}`,
    'rollout-status.ts': `${notice}${importOf(evidenceName, 'rollout-evidence.ts')}\n${status.text()}`,
    'rollout-evidence.ts': `${notice}\n${evidence.text()}`,
  };
}

function importOf(name: string, file: (typeof names)[number]): string {
  return `import type { ${name} } from './${file}';\n`;
}

if (import.meta.main) {
  const files = generateTypes(readFileSync('crds/rollouts.yaml', 'utf8'));
  for (const [name, text] of Object.entries(files)) writeFileSync(`src/api/${name}`, text);
}
