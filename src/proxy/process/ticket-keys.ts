import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.ts';

/** TicketKeys are what TLS sessions are resumed by. Only the primary makes them, so that all workers have the same. */
export interface TicketKeys {
  /** keys returns the present ones: 48 bytes as base64. */
  keys(): string;
}

/** Whoever learns them can read what was sent in resumed sessions meanwhile (RFC 5077, 5.5). */
const rotateMs = 12 * 3_600_000;

/** createTicketKeys makes new ones every 12 hours until `signal` aborts, and tells them. */
export function createTicketKeys(
  clock: Pick<Clock, 'schedule'>,
  signal: AbortSignal,
  onChange: (keys: string) => void,
): TicketKeys {
  const create = (): string => randomBytes(48).toString('base64');
  let keys = create();
  let cancel = (): void => undefined;
  const again = (): void => {
    cancel = clock.schedule(rotateMs, () => {
      keys = create();
      onChange(keys);
      again();
    });
  };
  again();
  signal.addEventListener('abort', () => cancel(), { once: true });
  return { keys: () => keys };
}
