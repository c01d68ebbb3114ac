/** A property of a program, tested over many networks: virtual time, failing payments, a seed for each run. */
import { once } from 'node:events'
import fc from 'fast-check'
import { createEndpoint, type Socket } from 'keysock'
import { createSimulation, demoNetwork } from 'keysock/sim'

/** Sends chunks from alice to bob over a network that this seed makes; gives what bob read. */
async function sendOver(seed: number, chunks: readonly Uint8Array[]): Promise<Buffer> {
  const sim = createSimulation(demoNetwork({ failure: 0.2, hang: 0.02 }), { seed })
  const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice') }))
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
  const server = bob.createServer()
  const accepted = once(server, 'connection') as Promise<[Socket]>
  await server.listen(7)
  const sender = alice.createConnection(bob.publicKeyHex, 7)
  for (const chunk of chunks) sender.write(chunk)
  sender.resume().end()
  const [receiver] = await sim.drive(accepted) // the time passes until the promise settles
  const pieces = await sim.drive(receiver.toArray() as Promise<Buffer[]>)
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  return Buffer.concat(pieces)
}

const seeds = fc.nat()
const writes = fc.array(fc.uint8Array({ minLength: 1, maxLength: 3_000 }), { minLength: 1, maxLength: 8 })
const allArrive = fc.asyncProperty(seeds, writes, async (seed, chunks) => {
  const received = await sendOver(seed, chunks)
  return received.equals(Buffer.concat(chunks))
})
await fc.assert(allArrive, { numRuns: 50 }) // a failure prints its seed and the least example
console.log('50 of 50 runs: every byte arrived, once and in order')
