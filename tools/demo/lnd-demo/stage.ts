/** Real nodes for as long as something needs them: they end with it, with an error, and with a signal. */
import { type Network, type NetworkDescription, startNetwork } from '../../regtest/network.ts'

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

/** Starts a network, runs `act` on it, and ends it in any case. A signal ends it and the process. */
export async function onNetwork<const Name extends string, T>(
  description: NetworkDescription<Name>,
  act: (network: Network<Name>) => Promise<T>,
): Promise<T> {
  // A signal while it starts ends this process, and with it the nodes: their guard sees to that.
  const network = await startNetwork(description)
  const handlers = Object.entries(SIGNALS).map(([signal, status]) => {
    const handler = (): void => void network.close().finally(() => process.exit(status))
    process.once(signal, handler)
    return () => process.off(signal, handler)
  })
  try {
    return await act(network)
  } finally {
    for (const remove of handlers) remove()
    await network.close()
  }
}
