/** The usual faults of the fault proxy, and the requests that they are for. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CutMode, ProxiedRequest } from './fault-exchange.ts';
import type { Fault } from './fault-proxy.ts';

/** on returns a match for requests of one verb, to one resource if given. */
export function on(verb: ProxiedRequest['verb'], resource?: string): (request: ProxiedRequest) => boolean {
  return (request) => request.verb === verb && (resource === undefined || request.resource === resource);
}

/** isWrite matches everything that may change an object. */
export function isWrite({ verb }: ProxiedRequest): boolean {
  return verb === 'create' || verb === 'update' || verb === 'patch' || verb === 'delete';
}

/** reply answers instead of the API server. */
export function reply(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Fault {
  return (exchange) => exchange.answer(status, body, headers);
}

/** status is a metav1.Status as an API server sends it with a refusal. */
export function status(code: number, reason: string, fields: object = {}): object {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, code, ...fields };
}

/** drop breaks the connection without passing the request on. */
export function drop(mode: CutMode = 'Reset'): Fault {
  return (exchange) => exchange.cut(mode);
}

/** loseAnswer passes the request on, and breaks the connection when it has been carried out. */
export function loseAnswer(mode: CutMode = 'Reset'): Fault {
  return async (exchange) => {
    await exchange.ask();
    exchange.cut(mode);
  };
}

/** swallow leaves the request without an answer; with `isCarriedOut` the API server gets it all the same. */
export function swallow(isCarriedOut = false): Fault {
  return async (exchange) => {
    if (isCarriedOut) await exchange.ask();
  };
}

/** delay passes the request on `ms` milliseconds later. */
export function delay(ms: number): Fault {
  return async (exchange) => {
    await sleep(ms);
    await exchange.forward();
  };
}

/** holdUntil passes the request on when `meanwhile` is over. */
export function holdUntil(meanwhile: () => void | Promise<void>): Fault {
  return async (exchange) => {
    await meanwhile();
    await exchange.forward();
  };
}

/** cutAfter passes the first `bytes` of the body on and then cuts the connection. */
export function cutAfter(bytes: number, mode: CutMode): Fault {
  return (exchange) =>
    exchange.forward({
      edit: async function* (chunks) {
        let left = bytes;
        for await (const chunk of chunks) {
          yield chunk.subarray(0, left);
          left -= chunk.length;
          if (left <= 0) break;
        }
        exchange.cut(mode);
        // The answer must not be completed before the cut is felt.
        await exchange.closed;
      },
    });
}

/**
 * editLines passes the lines of a watch on one by one as `edit` returns them: none to drop one, several to inject or
 * repeat, kept ones later to reorder. Lines come and go without their \n; `index` counts from 0.
 */
export function editLines(edit: (line: string, index: number) => readonly string[]): Fault {
  return (exchange) =>
    exchange.forward({
      edit: async function* (chunks) {
        const decoder = new TextDecoder();
        let text = '';
        let index = 0;
        for await (const chunk of chunks) {
          const lines = (text + decoder.decode(chunk, { stream: true })).split('\n');
          text = lines.pop() ?? '';
          for (const line of lines) {
            for (const edited of edit(line, index)) yield `${edited}\n`;
            index += 1;
          }
        }
        yield text;
      },
    });
}

/** cutIn passes a watch on up to the middle of the first line that contains `text`, and cuts the connection there. */
export function cutIn(text: string, mode: CutMode): Fault {
  return (exchange) =>
    exchange.forward({
      edit: async function* (chunks) {
        let pending = '';
        for await (const chunk of chunks) {
          const lines = (pending + Buffer.from(chunk).toString('utf8')).split('\n');
          pending = lines.pop() ?? '';
          for (const line of lines) {
            if (!line.includes(text)) {
              yield `${line}\n`;
              continue;
            }
            yield line.slice(0, line.length / 2);
            exchange.cut(mode);
            await exchange.closed;
          }
        }
      },
    });
}
