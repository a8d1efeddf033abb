/** `sluice install`: prints the manifests of an installation, from the files of the package. */
import { readFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { renderInstallation, type InstallationChoice, type ProxyKind } from './cli/installation.ts';
import type { ReadText } from './cli/kustomization.ts';
import { readSettings, type RawSettings } from './config.ts';
import { refuseProblems } from './setting-reader.ts';

/** InstallCall is the command line: its own flags, and settings of the controller. */
export interface InstallCall {
  readonly ha?: boolean;
  readonly prometheus?: boolean;
  readonly copy?: boolean;
  /** proxy is true where the flag has no value. */
  readonly proxy?: string | true | undefined;
  readonly image?: string | undefined;
  readonly proxyImage?: string | undefined;
  readonly namespace?: string | undefined;
}

/** readPackageFile reads a file of the package, which lies beside `src` as beside `dist`. */
export const readPackageFile: ReadText = (file) => readFile(new URL(`../${file}`, import.meta.url), 'utf8');

/** runInstall returns the manifests as YAML; it rejects with ConfigInvalid, all problems at once. */
export async function runInstall(call: InstallCall, raw: RawSettings): Promise<string> {
  const choice = readChoice(call, raw);
  const objects = await renderInstallation(choice, readPackageFile);
  // The texts that YAML 1.1 would read as something else are quoted: kubectl reads that.
  return objects
    .map((object) => stringify(object, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false }))
    .join('---\n');
}

/** Where the proxy is installed too, its component says where the samples are. */
function readChoice(call: InstallCall, raw: RawSettings): InstallationChoice {
  const { proxy, image, proxyImage, namespace } = call;
  const given = Object.entries(raw).filter(([, value]) => value !== '');
  const implied = proxy === undefined ? {} : { scrapeService: 'sluice-system/sluice-proxy-metrics' };
  refuseProblems([...readSettings({ ...implied, ...raw }).problems, ...problemsOf(call)]);
  return {
    isReplicated: call.ha === true,
    hasMonitoring: call.prometheus === true,
    mayCopy: call.copy === true,
    proxy: proxy === true ? 'Deployment' : (proxy as ProxyKind | undefined),
    image,
    proxyImage,
    namespace,
    namespaces: (raw.namespaces ?? '').split(',').filter((name) => name !== ''),
    settings: Object.fromEntries(given.map(([name, value]) => [variableOf(name), value])),
  };
}

function problemsOf({ proxy, image, proxyImage, namespace }: InstallCall): readonly string[] {
  const isImage = (text: string): boolean => /^[a-z0-9][\w.:/-]*(?:@sha256:[0-9a-f]{64})?$/i.test(text);
  const isLabel = (text: string): boolean => /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(text);
  const images = Object.entries({ image, 'proxy-image': proxyImage });
  return [
    ...images.flatMap(([flag, text]) =>
      text === undefined || isImage(text)
        ? []
        : [`--${flag} is "${text}"; it must be the name of an image, like registry.example/sluice:0.1.0`],
    ),
    ...(namespace === undefined || isLabel(namespace)
      ? []
      : [`--namespace is "${namespace}"; it must be the name of a namespace`]),
    ...(proxy === undefined || proxy === true || proxy === 'Deployment' || proxy === 'DaemonSet'
      ? []
      : [`--proxy is "${proxy}"; it must be Deployment or DaemonSet`]),
    ...(proxyImage !== undefined && proxy === undefined ? ['--proxy-image needs --proxy'] : []),
  ];
}

function variableOf(name: string): string {
  return `SLUICE_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}
