/** A file goes from alice's disk to bob's, by streams as anywhere in Node. */
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createEndpoint, type Socket } from 'keysock'
import { createSimulation, demoNetwork } from 'keysock/sim'

// One payment in ten fails. What it carried goes again, over another route.
const sim = createSimulation(demoNetwork({ failure: 0.1 }), { mode: 'real-time', speed: 10 })
const bob = await createEndpoint({ backend: sim.backend('bob') })
const alice = await createEndpoint({ backend: sim.backend('alice') })
const folder = await mkdtemp(join(tmpdir(), 'keysock-example-'))
const source = import.meta.filename
const copy = join(folder, 'copy.ts')

const written = new Promise<void>((resolve, reject) => {
  const onSocket = (socket: Socket): void => {
    // pipeline hears the 'error' of a caller who goes away: then the file is not whole, and this rejects.
    pipeline(socket, createWriteStream(copy)).then(resolve, reject)
  }
  bob.createServer(onSocket).listen(9).catch(reject)
})

const socket = await alice.connect(bob.publicKeyHex, 9, { maxCost: 100_000 }) // 100 sat at most
socket.resume() // bob says nothing; his end has to be read
await Promise.all([pipeline(createReadStream(source), socket), written])

const [before, after] = await Promise.all([readFile(source), readFile(copy)])
console.log(before.equals(after) ? 'the copy is equal' : 'the copy DIFFERS')
await rm(folder, { recursive: true })
await Promise.all([alice.close(), bob.close()])
sim.close()
