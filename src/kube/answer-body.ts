import { pipeline, type Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { createGunzip } from 'node:zlib';
import type { Dispatcher } from 'undici';

/**
 * answerBody returns the body of an answer as it was before gzip. Nobody here asks for gzip, which costs the API server
 * more than it saves inside a cluster; but a proxy may compress where nothing was asked for (RFC 9110, 12.5.3).
 */
export function answerBody(answer: Dispatcher.ResponseData): Readable {
  const { body } = answer;
  if (!isCompressed(answer)) return body;
  const decoded = createGunzip();
  // What breaks the body breaks the decoded one with the same error, and who reads that sees it.
  pipeline(body, decoded, () => {});
  return decoded;
}

/** answerText reads that body to its end. */
export function answerText(answer: Dispatcher.ResponseData): Promise<string> {
  return isCompressed(answer) ? text(answerBody(answer)) : answer.body.text();
}

function isCompressed({ headers }: Dispatcher.ResponseData): boolean {
  return headers['content-encoding'] === 'gzip';
}
