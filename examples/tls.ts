/** TLS over keysock: for a certificate of your own. keysock itself is encrypted and proves the node's key already. */
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import tls from 'node:tls'
import { createEndpoint } from 'keysock'
import { createSimulation, demoNetwork } from 'keysock/sim'

const sim = createSimulation(demoNetwork(), { mode: 'real-time', speed: 10 })
const bob = await createEndpoint({ backend: sim.backend('bob') })
const alice = await createEndpoint({ backend: sim.backend('alice') })
const pem = (name: string): Buffer => readFileSync(new URL(`example-only-${name}.pem`, import.meta.url))

// tls writes its last records after the other side has ended. Without this, at both ends, they are lost.
const halfOpen = { allowHalfOpen: true }

const secure = tls.createServer({ key: pem('key'), cert: pem('cert') }, (session) => {
  session.on('error', (error: Error) => console.error(`a caller is gone: ${error.message}`))
  session.pipe(session)
})
secure.on('tlsClientError', (error) => console.error(`no TLS: ${error.message}`))
const server = bob.createServer(halfOpen, (socket) => {
  socket.on('error', () => {}) // the session tells it
  secure.emit('connection', socket)
})
await server.listen(443)

const socket = alice.createConnection(bob.publicKeyHex, 443, halfOpen)
const session = tls.connect({ socket, ca: pem('cert'), servername: 'bob.example' })
session.once('secureConnect', () => console.log(`certificate accepted: ${session.authorized}`))
session.end('hello over TLS')
console.log(await text(session))

await Promise.all([alice.close(), bob.close()])
sim.close()
