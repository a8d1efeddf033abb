/** canonicalHost returns what rules see of a Host header: lower case, without port, brackets and one trailing dot. */
export function canonicalHost(authority: string): string {
  const host = (authority.includes(':') ? withoutPort(authority) : authority).toLowerCase().trim();
  return host.endsWith('.') ? host.slice(0, -1) : host;
}

/** As Go's net.SplitHostPort; what that refuses keeps everything, but for the brackets of a bare IPv6 address. */
function withoutPort(authority: string): string {
  const colon = authority.lastIndexOf(':');
  if (authority.startsWith('[')) {
    const end = authority.indexOf(']');
    const inner = authority.slice(1, end);
    const isWhole = end === authority.length - 1 || end + 1 === colon;
    return end !== -1 && isWhole ? inner : authority;
  }
  const host = authority.slice(0, colon);
  return host.includes(':') ? authority : host;
}
