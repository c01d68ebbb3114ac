// One payment, one message: a shop takes an order, refuses another before it is paid, and sells a secret.
import { createHash, randomBytes } from 'node:crypto'
import { createEndpoint } from 'keysock'
import { createSimulation, demoNetwork } from 'keysock/sim'

const sim = createSimulation(demoNetwork())
const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice') }))
const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob'), phantomLane: true }))
const address = await sim.drive(bob.address())

/** What bob sells: whoever pays to its hash learns it. */
const secret = randomBytes(32)
const hash = createHash('sha256').update(secret).digest()

async function shop(): Promise<void> {
  for await (const message of bob.messages(7)) {
    if (message.isLocked) await message.settle(secret)
    else if (message.amountMsat < 100_000n) await message.refuse('too little', 300)
    else {
      await message.accept()
      console.log(`bob sells ${message.text} for ${message.amountMsat / 1000n} sat`)
    }
  }
}
void shop()

const order = await sim.drive(alice.sendMessage(address, 7, 'a map', { amount: 100_000 }))
console.log(`alice paid ${order.amountMsat / 1000n} sat, and has the receipt: ${order.preimage?.length} bytes`)

const cheap = alice.sendMessage(address, 7, 'two maps', { amount: 1_000 })
await sim.drive(cheap.catch((error: { code: string; peerCode: number }) => console.log(error.code, error.peerCode)))

const swap = await sim.drive(alice.sendMessage(address, 7, 'the secret, please', { amount: 5_000, hash }))
console.log(`alice knows the secret: ${secret.equals(swap.preimage ?? Buffer.alloc(0))}`)
await sim.drive(Promise.all([alice.close(), bob.close()]))
