import type { LoadBalancer, Server } from '../configuration.ts';

/** Choice is where a request goes. Choices are shared by requests: they are never changed. */
export type Choice = ServerChoice | NoServer;

/** ServerChoice is a server of a leaf, with Set-Cookie headers for the answer, the outermost first. */
export interface ServerChoice {
  readonly kind: 'Server';
  readonly leaf: LoadBalancer;
  readonly server: Server;
  readonly setCookies: readonly string[];
}

/** NoServer is Traefik's 503. `leaf` is the service that would have been asked; undefined when that is not known. */
export interface NoServer {
  readonly kind: 'NoServer';
  readonly leaf: string | undefined;
}

/** nowhere is the choice when no service is known that would have been asked. */
export const nowhere: NoServer = { kind: 'NoServer', leaf: undefined };
