/** What the primary and its workers tell each other; all of it survives JSON. Messages arrive in order. */
import type { ConfigurationChange } from '../configuration.ts';
import type { CountersDelta } from '../metrics/counters.ts';
import type { OpenCounts } from '../metrics/totals.ts';
import type { ServerDown } from '../services/service-table.ts';
import type { PlaneSettings } from '../settings.ts';

/** ToWorker is what a worker hears. Start is the first; its `change` is the whole configuration. */
export type ToWorker =
  | {
      readonly kind: 'Start';
      readonly settings: PlaneSettings;
      readonly change: ConfigurationChange;
      readonly generation: number;
      /** ticketKeys are 48 bytes as base64, for TLS sessions. */
      readonly ticketKeys: string;
    }
  | { readonly kind: 'Change'; readonly change: ConfigurationChange; readonly generation: number }
  | { readonly kind: 'TicketKeys'; readonly keys: string }
  | HealthMessage
  | { readonly kind: 'Drain'; readonly graceMs: number };

/** FromWorker is what a worker says. Listening or Failed follows Start; Leaving asks for a replacement, and for Drain when that serves. */
export type FromWorker =
  | { readonly kind: 'Listening'; readonly addresses: readonly ListeningAddress[] }
  | { readonly kind: 'Failed'; readonly message: string }
  | { readonly kind: 'Applied'; readonly generation: number }
  | CountersMessage
  | { readonly kind: 'Leaving' }
  | HealthMessage;

/** CountersMessage is what a worker has counted since the last one, and what it has open. */
export interface CountersMessage {
  readonly kind: 'Counters';
  readonly delta: CountersDelta;
  readonly open: OpenCounts;
}

/** HealthMessage: one worker found that a server fails; the others need not find out for themselves. */
export interface HealthMessage {
  readonly kind: 'Health';
  readonly down: ServerDown;
}

/** ListeningAddress is where an entry point can be reached. */
export interface ListeningAddress {
  readonly name: string;
  readonly port: number;
}
