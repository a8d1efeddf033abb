/** The part of a CustomResourceDefinition that the generators read. */
import { parse } from 'yaml';

/** Schema is one node of an OpenAPI v3 schema, as Kubernetes extends it. */
export interface Schema {
  readonly description?: string;
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message: string }[];
}

/** Column is one that `kubectl get` shows. */
export interface Column {
  readonly name: string;
  readonly jsonPath: string;
}

/** Crd is what the first version of a CustomResourceDefinition serves. */
export interface Crd {
  readonly schema: Schema;
  readonly columns: readonly Column[];
}

/** readCrd reads the text of a CustomResourceDefinition. */
export function readCrd(text: string): Crd {
  const { spec } = parse(text) as {
    readonly spec: {
      readonly versions: readonly [
        {
          readonly schema: { readonly openAPIV3Schema: Schema };
          readonly additionalPrinterColumns?: readonly Column[];
        },
      ];
    };
  };
  const [version] = spec.versions;
  return { schema: version.schema.openAPIV3Schema, columns: version.additionalPrinterColumns ?? [] };
}
