/** https over keysock: as examples/http.ts, with a TLS session between. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
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

const web = https.createServer({ key: pem('key'), cert: pem('cert') }, (_request, response) => {
  response.end('an answer under seal')
})
const server = bob.createServer(halfOpen, (socket) => {
  socket.on('error', () => {}) // https closes the session
  web.emit('connection', socket)
})
await server.listen(443)

const createConnection = (): tls.TLSSocket => {
  const socket = alice.createConnection(bob.publicKeyHex, 443, halfOpen)
  return tls.connect({ socket, ca: pem('cert'), servername: 'bob.example' })
}
const request = https.get({ host: 'bob.example', path: '/', createConnection })
const [response] = (await once(request, 'response')) as [IncomingMessage]
console.log(response.statusCode, await text(response))

await Promise.all([alice.close(), bob.close()])
sim.close()
