/** host:port of lnd's gRPC where nothing else is said. */
const DEFAULT_SOCKET = 'localhost:10009'

/** host:port of lnd's gRPC, as lncli's variables name it. Loads nothing: programs that need no lnd use it, too. */
export function lndSocket(given: string | undefined, environment: NodeJS.ProcessEnv): string {
  const named = [given, environment['LNCLI_RPCSERVER'], environment['LND_SOCKET']]
  return named.find((value) => value !== undefined && value !== '') ?? DEFAULT_SOCKET
}
