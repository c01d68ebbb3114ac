/** The port of lnd's gRPC, and where it is when neither options nor environment name one. */
const LND_PORT = 10009
const LND_HOST = 'localhost'

/** host:port of lnd's gRPC, as lncli's variables name it. Imports nothing: programs that load no gRPC use it, too. */
export function lndSocket(given: string | undefined, environment: NodeJS.ProcessEnv): string {
  const named = [given, environment['LNCLI_RPCSERVER'], environment['LND_SOCKET']]
  return withPort(named.find((value) => value !== undefined && value !== '') ?? LND_HOST)
}

/** As for lncli, a host alone is one with the usual port. IPv6 stands in brackets where a port follows. */
function withPort(socket: string): string {
  if (/^\[[^\]]*\]$/.test(socket) || !socket.includes(':')) return `${socket}:${LND_PORT}`
  const isBareIpv6 = socket.split(':').length > 2 && !socket.startsWith('[') && !socket.includes('/')
  return isBareIpv6 ? `[${socket}]:${LND_PORT}` : socket
}
