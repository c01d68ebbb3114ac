/** What alice writes comes back from bob: the smallest server and its client. */
import { createEndpoint } from 'keysock'
import { createSimulation, demoNetwork } from 'keysock/sim'

const sim = createSimulation(demoNetwork(), { mode: 'real-time', speed: 10 })
const bob = await createEndpoint({ backend: sim.backend('bob') })
const alice = await createEndpoint({ backend: sim.backend('alice') })

const server = bob.createServer((socket) => {
  // Whoever connects can also reset the connection. As in net, an 'error' that nobody hears ends the process.
  socket.on('error', (error) => console.error(`a caller is gone: ${error.message}`))
  socket.pipe(socket)
})
await server.listen(7)

const socket = await alice.connect(bob.publicKeyHex, 7)
socket.end('hello over Lightning')
for await (const chunk of socket) console.log(String(chunk))
const { attempts, paidMsat } = socket.stats
console.log(`${attempts} payments, ${paidMsat} msat`)

await Promise.all([alice.close(), bob.close()])
sim.close()
