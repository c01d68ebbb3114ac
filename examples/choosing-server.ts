/** A server that chooses its callers before they pay: it knows one, and takes money from all others. */
import { text } from 'node:stream/consumers'
import { createEndpoint, type KeysockError, risingPrice } from 'keysock'
import { createSimulation, demoNetwork } from 'keysock/sim'

const sim = createSimulation(demoNetwork(), { mode: 'real-time', speed: 10 })
const bob = await createEndpoint({ backend: sim.backend('bob'), phantomLane: true })
const alice = await createEndpoint({ backend: sim.backend('alice') })
const address = await bob.address() // it ends with +phantom

// Whoever identifies itself is let in where bob knows it; the list may be asked for, which takes a while.
const known = async (): Promise<Set<string>> => new Set([alice.publicKeyHex])
const club = bob.createServer((socket) => void socket.resume().end(`welcome, ${socket.remoteAddress?.slice(0, 6)}`))
club.on('opening', (request) =>
  known().then((members) => {
    if (!members.has(request.remoteAddress ?? '')) request.refuse('members only', 403)
  }),
)
await club.listen(7)

// Everybody else pays, the more the more of them come: 100 sat at least.
await bob.createServer({ openingPrice: risingPrice() }, (socket) => void socket.resume().end('have a seat')).listen(8)

const ask = async (port: number, options: object): Promise<string> => {
  const socket = alice.createConnection(address, port, options)
  socket.end()
  return await text(socket).catch((error: unknown) => {
    const { code, peerCode, openingPriceMsat } = error as KeysockError
    return [code, peerCode, openingPriceMsat].filter(Boolean).join(' ')
  })
}
console.log(await ask(7, {}))
console.log(await ask(8, {}))
console.log(`alice has paid ${alice.stats.spentMsat} msat`)
console.log((await ask(7, { identify: 'open' })).replace(alice.publicKeyHex.slice(0, 6), 'alice'))
console.log(await ask(8, { maxOpeningPrice: 100_000 }))
await Promise.all([alice.close(), bob.close()])
sim.close()
