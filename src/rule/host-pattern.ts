/**
 * The one regular expression that is everywhere: Traefik's Ingress provider writes `*.example.com` as
 * ``HostRegexp(`^[a-zA-Z0-9-]+\.example\.com$`)``. As text it is tested in a tenth of the time and found by its suffix.
 */
const oneLabel = /^\^\[a-zA-Z0-9-\]\+((?:\\\.[a-zA-Z0-9-]+)+)\$$/;
const labelForm = /^[a-zA-Z0-9-]+$/;

/** anyLabelSuffix returns `.example.com` for the expression above, undefined for any other. */
export function anyLabelSuffix(pattern: string): string | undefined {
  return oneLabel.exec(pattern)?.[1]?.replaceAll('\\', '');
}

/** isLabelBefore tells whether a host is one label followed by the suffix. */
export function isLabelBefore(host: string, suffix: string): boolean {
  return host.endsWith(suffix) && labelForm.test(host.slice(0, -suffix.length));
}
