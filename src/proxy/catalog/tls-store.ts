import { keyOf } from '../../api/kubernetes.ts';
import { defaultCertificate } from '../configuration.ts';
import type { CertificateReader, ReadCertificate } from './certificates.ts';
import { emptyDraft, type Compiler, type Problem } from './compiler.ts';

/** compileTlsStore returns the Compiler of TLSStores: the one called `default` has the default certificate, as in Traefik. */
export function compileTlsStore(readCertificate: CertificateReader): Compiler<'TLSStore'> {
  return (object, reader) => {
    const label = `TLSStore ${keyOf(object)}, spec`;
    const { spec = {}, metadata } = object;
    if (metadata.name !== 'default') {
      const message = `${label}: only a TLSStore called default is served, as by Traefik; rename it.`;
      return { ...emptyDraft, problems: [{ reason: 'NotSupported', message }] };
    }
    const read = (secretName: string, field: string): ReadCertificate =>
      readCertificate(`${metadata.namespace ?? ''}/${secretName}`, `${label}.${field}`, reader);
    const { secretName = '' } = spec.defaultCertificate ?? {};
    const first = secretName === '' ? undefined : read(secretName, 'defaultCertificate.secretName');
    const others = (spec.certificates ?? []).map((each, index) =>
      read(each.secretName, `certificates[${index}].secretName`),
    );
    const all = [...(first === undefined ? [] : [first]), ...others];
    const byDefault = first?.certificate === undefined ? [] : [{ ...first.certificate, name: defaultCertificate }];
    return {
      ...emptyDraft,
      certificates: [...byDefault, ...all.flatMap(({ certificate }) => certificate ?? [])],
      problems: [...all.flatMap(({ problems }) => problems), ...generatedProblem(spec, label)],
    };
  };
}

function generatedProblem(spec: object, label: string): readonly Problem[] {
  if (!('defaultGeneratedCert' in spec)) return [];
  const message = `${label}.defaultGeneratedCert: there is no ACME; let cert-manager keep a Secret, and name it in defaultCertificate.`;
  return [{ reason: 'NotSupported', message }];
}
