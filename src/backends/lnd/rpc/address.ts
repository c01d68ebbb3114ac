/** host:port of lnd's gRPC where neither options nor environment name one. */
const DEFAULT_SOCKET = 'localhost:10009'

/** host:port of lnd's gRPC, as lncli's variables name it. Imports nothing: programs that load no gRPC use it, too. */
export function lndSocket(given: string | undefined, environment: NodeJS.ProcessEnv): string {
  const named = [given, environment['LNCLI_RPCSERVER'], environment['LND_SOCKET']]
  return named.find((value) => value !== undefined && value !== '') ?? DEFAULT_SOCKET
}
