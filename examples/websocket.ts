/** WebSockets over keysock, with the ws package. */
import { once } from 'node:events'
import http from 'node:http'
import { createEndpoint, type Socket } from 'keysock'
import { createSimulation, demoNetwork } from 'keysock/sim'
import { WebSocket, WebSocketServer } from 'ws'

const sim = createSimulation(demoNetwork(), { mode: 'real-time', speed: 10 })
const bob = await createEndpoint({ backend: sim.backend('bob') })
const alice = await createEndpoint({ backend: sim.backend('alice') })

const web = http.createServer()
const sockets = new WebSocketServer({ server: web })
sockets.on('connection', (socket) => {
  socket.on('error', (error) => console.error(`a caller is gone: ${error.message}`))
  socket.on('message', (data: Buffer) => socket.send(`you said: ${data.toString()}`))
})
await bob.createServer((socket) => web.emit('connection', socket)).listen(80)

const createConnection = (): Socket => alice.createConnection(bob.publicKeyHex, 80)
const client = new WebSocket('ws://bob/', { createConnection })
await once(client, 'open')
for (const word of ['one', 'two', 'three']) {
  client.send(word)
  const [answer] = (await once(client, 'message')) as [Buffer]
  console.log(answer.toString())
}
client.close()
await once(client, 'close')

await Promise.all([alice.close(), bob.close()])
sim.close()
