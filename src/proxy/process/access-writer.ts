import { accessLine } from '../access-log.ts';
import type { RequestRecord } from '../counters.ts';
import { headerValue } from '../server/header-list.ts';
import type { Passage } from '../server/plane.ts';
import type { AccessLogSettings } from '../settings.ts';

/** createAccessWriter returns a function that writes the line of a request. */
export function createAccessWriter(
  settings: AccessLogSettings,
  writeLine: (line: string) => void,
): (record: RequestRecord, passage: Passage) => void {
  let requestCount = 0;
  return (record, { client, headers, originMs }) => {
    requestCount += 1;
    const { peer, authority, target, httpVersion, isTls } = client;
    const origin =
      originMs === undefined ? undefined : { status: record.status, bytes: record.responseBytes, durationMs: originMs };
    const forwardedFor = beforeOwn(headerValue(headers, 'x-forwarded-for'));
    const details = { peer, forwardedFor, authority, target, httpVersion, isTls, origin, requestCount };
    writeLine(accessLine(record, { ...details, username: undefined, retries: 0 }, settings));
  };
}

/** The last address is the peer's, which the proxy has added; what is before it comes from peers that are trusted. */
function beforeOwn(forwardedFor: string | undefined): string | undefined {
  const end = forwardedFor?.lastIndexOf(',') ?? -1;
  return end === -1 ? undefined : forwardedFor?.slice(0, end);
}
