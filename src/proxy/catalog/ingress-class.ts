import { defaultClassAnnotation, ingressController, type Ingress, type IngressClass } from '../../api/ingress.ts';
import { ingressClassAnnotation } from '../../api/traefik.ts';
import type { ObjectKey } from '../../api/kubernetes.ts';

/** ClassReader is how IngressClasses are seen. */
export interface ClassReader {
  readonly ingressClass: (key: ObjectKey) => IngressClass | undefined;
  readonly ingressClasses: () => readonly IngressClass[];
}

/** What the annotation of old says where no IngressClass exists: the name of the class that the overlay brings. */
const ownClass = 'sluice';

/**
 * isOurIngress tells whether an Ingress is to be served. `wanted` is --ingress-class: then exactly that class is served, whoever
 * its controller is, so that the Ingresses of another controller can be taken over. Otherwise it is all classes of this
 * controller. An Ingress without a class belongs to the default one (https://kubernetes.io/docs/concepts/services-networking/ingress).
 */
export function isOurIngress({ metadata, spec }: Ingress, reader: ClassReader, wanted: string): boolean {
  const field = spec?.ingressClassName;
  const annotation = metadata.annotations?.[ingressClassAnnotation] ?? '';
  if (field === undefined && annotation === '') return isOurs(defaultClassOf(reader.ingressClasses()), wanted);
  if (wanted !== '') return (field ?? annotation) === wanted;
  const found = reader.ingressClass(`/${field ?? annotation}`);
  if (field === undefined && found === undefined) return annotation === ownClass;
  return isOurs(found, wanted);
}

function isOurs(ingressClass: IngressClass | undefined, wanted: string): boolean {
  if (ingressClass === undefined) return false;
  return wanted === '' ? ingressClass.spec?.controller === ingressController : ingressClass.metadata.name === wanted;
}

/** Of several the newest, as the API server chooses for new objects (plugin/pkg/admission/network/defaultingressclass). */
function defaultClassOf(ingressClasses: readonly IngressClass[]): IngressClass | undefined {
  const marked = ingressClasses.filter(({ metadata }) => metadata.annotations?.[defaultClassAnnotation] === 'true');
  const [first] = marked.sort((one, other) => (isNewer(one, other) ? -1 : 1));
  return first;
}

function isNewer({ metadata: one }: IngressClass, { metadata: other }: IngressClass): boolean {
  const [time = '', otherTime = ''] = [one.creationTimestamp, other.creationTimestamp];
  return time === otherTime ? one.name < other.name : time > otherTime;
}
