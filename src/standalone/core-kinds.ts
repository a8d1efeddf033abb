/**
 * The kinds of Kubernetes itself that Sluice reads, as far as it reads them: types, required fields and the rules of the
 * API server (pkg/apis/core and discovery/validation). What is not listed here is kept and not looked at. Addresses may
 * be loopback or host names, which the API server does not allow: that is what standalone is for.
 */
import { isIP } from 'node:net';
import type { FieldProblem } from '../api/field-path.ts';
import { isLabel, isSubdomain, type NameForm } from './object-meta.ts';
import { placed, type StructuralSchema } from './structural-schema.ts';

/** CoreKind is one kind: its schema, and rules for objects that have the types of the schema. */
export interface CoreKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly nameForm: NameForm;
  readonly schema: StructuralSchema;
  readonly rules: (object: object) => readonly FieldProblem[];
  /** stored is what the API server makes of a valid object. */
  readonly stored?: (object: object) => object;
}

const text: StructuralSchema = { type: 'string' };
const flag: StructuralSchema = { type: 'boolean' };
const texts: StructuralSchema = { type: 'object', additionalProperties: text };
const protocol: StructuralSchema = { type: 'string', enum: ['SCTP', 'TCP', 'UDP'], default: 'TCP' };
const port: StructuralSchema = { type: 'integer', minimum: 1, maximum: 65_535 };

function fields(properties: StructuralSchema['properties'] & object, required: readonly string[] = []) {
  return { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties, required } as const;
}

interface Port {
  readonly name?: string;
}

const service: CoreKind = {
  apiVersion: 'v1',
  kind: 'Service',
  nameForm: 'Label',
  schema: fields(
    {
      spec: fields({
        type: { type: 'string', enum: ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'], default: 'ClusterIP' },
        clusterIP: text,
        externalName: text,
        selector: texts,
        ports: {
          type: 'array',
          items: fields(
            {
              name: text,
              port,
              protocol,
              targetPort: { 'x-kubernetes-int-or-string': true },
              appProtocol: text,
            },
            ['port'],
          ),
        },
      }),
    },
    ['spec'],
  ),
  rules: (object) => {
    const { spec } = object as ServiceFields;
    const { type, externalName = '', ports = [] } = spec;
    if (type === 'ExternalName') return externalName === '' ? [required('spec', 'externalName')] : [];
    const unnamed = ports.length > 1 ? ports.flatMap(({ name = '' }, index) => (name === '' ? [index] : [])) : [];
    return [
      ...(ports.length === 0 && spec.clusterIP !== 'None' ? [required('spec', 'ports')] : []),
      ...unnamed.map((index) => required('spec', 'ports', index, 'name')),
      ...placed('spec', portNameProblems(ports)),
    ];
  },
};

interface ServiceFields {
  readonly spec: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly externalName?: string;
    readonly ports?: readonly Port[];
  };
}

const endpointSlice: CoreKind = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  nameForm: 'Subdomain',
  schema: fields(
    {
      addressType: { type: 'string', enum: ['FQDN', 'IPv4', 'IPv6'] },
      endpoints: {
        type: 'array',
        nullable: true,
        maxItems: 1000,
        items: fields(
          {
            addresses: { type: 'array', minItems: 1, maxItems: 100, items: text },
            conditions: fields({ ready: flag, serving: flag, terminating: flag }),
            hostname: text,
            nodeName: text,
            zone: text,
            targetRef: fields({ kind: text, name: text, uid: text }),
          },
          ['addresses'],
        ),
      },
      ports: { type: 'array', nullable: true, maxItems: 100, items: fields({ name: text, port, protocol }) },
    },
    ['addressType'],
  ),
  rules: (object) => {
    const { addressType, endpoints, ports } = object as SliceFields;
    const wrong = (endpoints ?? []).flatMap(({ addresses }, index) =>
      addresses.flatMap((address, position) =>
        isAddress(address, addressType)
          ? []
          : [
              {
                path: ['endpoints', index, 'addresses', position],
                message: `Invalid value: ${JSON.stringify(address)}: ${addressWords(addressType)}`,
              },
            ],
      ),
    );
    const named = (ports ?? []).map(({ name = '' }) => ({ name }));
    return [...wrong, ...portNameProblems(named)];
  },
};

interface SliceFields {
  readonly addressType: string;
  readonly endpoints?: readonly { readonly addresses: readonly string[] }[] | null;
  readonly ports?: readonly Port[] | null;
}

/** What ends in digits is meant as an address, and is none. */
function isAddress(address: string, addressType: string): boolean {
  const family = isIP(address);
  if (family !== 0) return addressType === `IPv${family}`;
  return isSubdomain(address) && !/(?:^|\.)[0-9]+$/.test(address);
}

function addressWords(addressType: string): string {
  return addressType === 'FQDN' ? 'write a host name' : `write an ${addressType} address or a host name`;
}

const secret: CoreKind = {
  apiVersion: 'v1',
  kind: 'Secret',
  nameForm: 'Subdomain',
  schema: fields({ type: text, data: texts, stringData: texts, immutable: flag }),
  rules: (object) => {
    const { type, data = {}, stringData = {} } = object as SecretFields;
    const encoded = Object.entries(data).filter(([, value]) => !isBase64(value));
    const needed = type === 'kubernetes.io/tls' ? ['tls.crt', 'tls.key'] : [];
    return [
      // A value is never shown: it may be a password that was not encoded.
      ...encoded.map(([key]) => ({
        path: ['data', key],
        message: 'Invalid value: write it in base64, or in stringData',
      })),
      ...keyProblems('data', data),
      ...keyProblems('stringData', stringData),
      ...needed
        .filter((key) => !Object.hasOwn(data, key) && !Object.hasOwn(stringData, key))
        .map((key) => required('data', key)),
    ];
  },
  stored: (object) => {
    const { stringData, ...secretFields } = object as SecretFields;
    if (stringData === undefined) return object;
    const encoded = Object.entries(stringData).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
    return { ...secretFields, data: { ...secretFields.data, ...Object.fromEntries(encoded) } };
  },
};

interface SecretFields {
  readonly type?: string;
  readonly data?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
}

/** Go's decoder leaves out line ends, and wants the padding. */
function isBase64(value: string): boolean {
  const joined = value.replaceAll(/[\r\n]/g, '');
  return joined.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(joined);
}

const configMap: CoreKind = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  nameForm: 'Subdomain',
  schema: fields({ data: texts, binaryData: texts, immutable: flag }),
  rules: (object) => {
    const { data = {}, binaryData = {} } = object as { readonly data?: object; readonly binaryData?: object };
    return [...keyProblems('data', data), ...keyProblems('binaryData', binaryData)];
  },
};

function keyProblems(field: string, data: object): readonly FieldProblem[] {
  return Object.keys(data)
    .filter((key) => !/^[-._a-zA-Z0-9]{1,253}$/.test(key))
    .map((key) => ({
      path: [field, key],
      message: `Invalid value: ${JSON.stringify(key)}: write letters, digits, '-', '_' and '.'`,
    }));
}

function portNameProblems(ports: readonly Port[]): readonly FieldProblem[] {
  const seen = new Set<string>();
  return ports.flatMap(({ name }, index): FieldProblem[] => {
    if (name === undefined) return [];
    const path = ['ports', index, 'name'];
    if (seen.has(name)) return [{ path, message: `Duplicate value: ${JSON.stringify(name)}` }];
    seen.add(name);
    const words = "write lower-case letters, digits and '-', at most 63";
    return name === '' || isLabel(name) ? [] : [{ path, message: `Invalid value: ${JSON.stringify(name)}: ${words}` }];
  });
}

function required(...path: readonly (string | number)[]): FieldProblem {
  return { path, message: 'Required value' };
}

/** coreKinds are the kinds of Kubernetes itself that are read. */
export const coreKinds: readonly CoreKind[] = [service, endpointSlice, secret, configMap];
