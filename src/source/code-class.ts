/** What Traefik's `protocol` and `code` labels say about a request. */

/** Quality of a request: a client that went away says nothing about the service, so such a request is Neither. */
export type Quality = 'Good' | 'Bad' | 'Neither';

/** gRPC status codes of a broken service: Unknown, DeadlineExceeded, Internal, Unavailable, DataLoss. */
const badGrpcCodes: ReadonlySet<string> = new Set(['2', '4', '13', '14', '15']);

/** goodCodes is a matcher of the codes of good requests: an HTTP status has three digits, so none is taken for one of gRPC. */
export const goodCodes = `code!~"5[0-9][0-9]|499|${[...badGrpcCodes].join('|')}"`;

/** classifyCode returns the Quality of a request. With a gRPC protocol the code is the gRPC status, never an HTTP status (Traefik 3.6, pkg/middlewares/metrics). */
export function classifyCode(protocol: string | undefined, code: string | undefined): Quality {
  if (protocol === 'grpc' || protocol === 'grpc-web') return badGrpcCodes.has(code ?? '') ? 'Bad' : 'Good';
  if (code === '499') return 'Neither';
  return /^5\d\d$/.test(code ?? '') ? 'Bad' : 'Good';
}
