/** A server that is paid for what it sends: a price for each packet and for each 1,000 bytes. */
import { text } from 'node:stream/consumers'
import { createEndpoint, type KeysockError } from 'keysock'
import { createSimulation, demoNetwork } from 'keysock/sim'

const sim = createSimulation(demoNetwork(), { mode: 'real-time', speed: 10 })
const bob = await createEndpoint({ backend: sim.backend('bob') })
const alice = await createEndpoint({ backend: sim.backend('alice') })

// In msat: 2 sat a packet, 1 sat for each 1,000 bytes.
const server = bob.createServer({ tariff: { packet: 2_000, kilobyte: 1_000 } }, (socket) => {
  socket.on('error', (error) => console.error(`refused: ${error.message}`))
  socket.resume().end('a story of '.repeat(500))
  socket.on('close', () =>
    console.log(`bob was paid ${socket.credit.paidMsat >= socket.credit.dueMsat ? 'all' : 'less'}`),
  )
})
await server.listen(8)

// Who allows no kilobyte to cost anything pays none: the connection ends as soon as the price is told.
const stingy = alice.createConnection(bob.publicKeyHex, 8)
await text(stingy).catch((error: unknown) => console.log((error as KeysockError).code))

const reader = alice.createConnection(bob.publicKeyHex, 8, {
  maxTariff: { packet: 2_000 }, // what is above that is asked for:
  onPrice: ({ kilobyteMsat }) => kilobyteMsat <= 1_000n,
})
reader.on('price', ({ packetMsat, kilobyteMsat }) => console.log(`price: ${packetMsat} and ${kilobyteMsat} msat`))
reader.end()
console.log(`alice read ${(await text(reader)).length} bytes`)

await Promise.all([alice.close(), bob.close()])
sim.close()
