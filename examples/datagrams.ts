/** Datagrams beside the stream: 512 bytes at most, each delivered once, in no order. */
import { once } from 'node:events'
import { createEndpoint, type Socket } from 'keysock'
import { createSimulation, demoNetwork } from 'keysock/sim'

const sim = createSimulation(demoNetwork({ failure: 0.2 }), { mode: 'real-time', speed: 10 })
const bob = await createEndpoint({ backend: sim.backend('bob') })
const alice = await createEndpoint({ backend: sim.backend('alice') })

const readings: string[] = []
const server = bob.createServer()
const accepted = once(server, 'connection') as Promise<[Socket]>
await server.listen(5)

const sensor = await alice.connect(bob.publicKeyHex, 5)
const [socket] = await accepted
socket.on('error', (error) => console.error(`the sensor is gone: ${error.message}`))
const all = new Promise<void>((resolve) => {
  socket.on('message', (data: Buffer) => {
    readings.push(data.toString())
    if (readings.length === 3) resolve()
  })
})

sensor.sendMessage('18.5 degrees')
const id = sensor.sendMessage('19.0 degrees')
sensor.sendMessage('19.0 degrees', id) // the same id again: it is delivered once
sensor.sendMessage('19.5 degrees')
await all
console.log(readings.toSorted().join(', '))

for (const each of [sensor, socket]) each.destroy()
await Promise.all([alice.close(), bob.close()])
sim.close()
