/** A web server without an IP address: Node's http over keysock sockets. */
import { once } from 'node:events'
import http from 'node:http'
import { text } from 'node:stream/consumers'
import { createEndpoint, type Socket } from 'keysock'
import { createSimulation, demoNetwork } from 'keysock/sim'

const sim = createSimulation(demoNetwork(), { mode: 'real-time', speed: 10 })
const bob = await createEndpoint({ backend: sim.backend('bob') })
const alice = await createEndpoint({ backend: sim.backend('alice') })

const web = http.createServer((request, response) => {
  response.end(`bob has ${request.url}`)
})
// http listens for 'error' on every connection that it is given.
await bob.createServer((socket) => web.emit('connection', socket)).listen(80)

const createConnection = (): Socket => alice.createConnection(bob.publicKeyHex, 80)
for (const path of ['/index.html', '/picture.png']) {
  const request = http.get({ path, host: 'bob', createConnection })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  console.log(response.statusCode, await text(response))
}

await Promise.all([alice.close(), bob.close()])
sim.close()
