/** Takes requests from clients to servers and the answers back. */
import { parseTarget } from '../../rule/target.ts';
import { createRuleRequest } from '../../rule/rule-request.ts';
import type { Downstream } from '../downstream.ts';
import type { EntryPoint } from '../entry-point.ts';
import { badRequest, notFound } from './answers.ts';
import { createHeaderForwarding, type HeaderForwarding } from './forwarded-headers.ts';
import { ForwardExchange } from './forward-exchange.ts';
import type { ForwarderOptions } from './plane.ts';
import { RoutedRequest } from './routed-request.ts';

/** Forwarder takes the requests of all entry points. */
export interface Forwarder {
  readonly handle: (client: Downstream, entryPoint: EntryPoint) => void;
  /** openExchanges returns how many requests are under way. */
  openExchanges(): number;
}

/** createForwarder throws a RangeError for an entry point whose trusted ranges are none. */
export function createForwarder(options: ForwarderOptions): Forwarder {
  const forwardings = new Map(
    options.entryPoints.map((entryPoint) => [entryPoint.name, createForwarding(entryPoint, options.hostname)]),
  );
  const plane = { ...options, open: 0 };
  return {
    handle: (client, entryPoint) => {
      const forwarding = forwardings.get(entryPoint.name);
      if (forwarding === undefined) throw new Error(`Entry point ${entryPoint.name} is unknown to the forwarder`);
      route(new ForwardExchange(plane, { client, entryPoint, forwarded: forwarding(client) }));
    },
    openExchanges: () => plane.open,
  };
}

function createForwarding({ trustedIps, isInsecure }: EntryPoint, hostname: string): HeaderForwarding {
  return createHeaderForwarding({ trustedIps, isInsecure, hostname });
}

function route(exchange: ForwardExchange): void {
  const { client, entryPoint, plane } = exchange;
  const target = parseTarget(client.target);
  if (target === 'Bad') return exchange.answer(badRequest);
  exchange.request.target = target.upstream;
  const line = new RoutedRequest(exchange, target);
  const found = plane.routes.find(entryPoint.name, client.isTls, createRuleRequest(line));
  if (found === undefined) return exchange.answer(notFound);
  exchange.router = found.router;
  found.handle(exchange);
}
