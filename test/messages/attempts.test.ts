import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { fromHex } from '../../src/floor/bytes.ts'
import { type Backend, MemoryStore, type Message, type PaymentOutcome } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import { paymentHash } from '../../src/wire/keys.ts'
import { makeNote, noteAttempt, type NoteKeys, notePreimage, senderKeys } from '../../src/wire/notes.ts'
import { Code } from '../../src/wire/errors.ts'
import { openBob, PORT } from './worlds.ts'

const preimage = new Uint8Array(32).fill(9)
const lock = Uint8Array.from(createHash('sha256').update(preimage).digest())

interface Attempt {
  /** Its number, and that of its letter under the key. */
  readonly attempt: number
  readonly amountMsat: bigint
  readonly lock?: Uint8Array
}

/** A sender that keeps none of the rules: each of its attempts is as it is told. */
class RawSender {
  readonly #sim: Simulation
  readonly #backend: Backend
  readonly #receiver: Uint8Array
  readonly #keys: NoteKeys
  readonly #id = new Uint8Array(16).fill(5)
  #height = 0

  constructor(sim: Simulation, receiver: Uint8Array) {
    this.#sim = sim
    this.#backend = sim.backend('alice')
    this.#receiver = receiver
    this.#keys = senderKeys(receiver, new Uint8Array(32).fill(3))
  }

  async start(): Promise<void> {
    const info = await this.#sim.drive(this.#backend.start({ sink: () => undefined }))
    this.#height = info.blockHeight
  }

  async stop(): Promise<void> {
    await this.#sim.drive(this.#backend.stop())
  }

  async pay({ attempt, amountMsat, lock: hash }: Attempt): Promise<PaymentOutcome> {
    const number = hash === undefined ? 0 : 1 + (hash[0] ?? 0)
    const head = { port: PORT, height: this.#height, id: this.#id, content: undefined, data: new Uint8Array(4) }
    const note = makeNote(this.#keys, number, { ...head, isLocked: hash !== undefined })
    const destination = { lane: 'phantom', publicKey: this.#receiver, hints: [] } as const
    const asked = { destination, amountMsat, maxFeeMsat: 100_000n, prefer: 'cheap', count: 1 } as const
    const [route] = await this.#backend.findRoutes(asked)
    return await this.#backend.pay({
      routeId: route?.id ?? '',
      hash: hash ?? paymentHash(notePreimage(this.#keys, number, attempt)),
      record: noteAttempt(note, attempt, 0),
      amountMsat,
    })
  }
}

interface Tried {
  readonly first: Attempt
  readonly second: Attempt
  readonly decide: (message: Message) => Promise<void>
}

/** The first is shown, the second comes while its application makes up its mind; then `decide`. */
async function tried({ first, second, decide }: Tried): Promise<{
  readonly message: Message
  readonly receivedMsat: bigint
  readonly outcomes: readonly PaymentOutcome[]
}> {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const bob = await sim.drive(openBob(sim, new MemoryStore()))
  const sender = new RawSender(sim, fromHex(bob.publicKeyHex))
  await sender.start()
  const feed = bob.messages(PORT)
  const paying = [sender.pay(first)]
  const { value } = await sim.drive(feed.next())
  paying.push(sender.pay(second))
  await sim.runFor(1_500)
  await sim.drive(decide(value as Message))
  const outcomes = await sim.drive(Promise.all(paying))
  await sim.runFor(1_000)
  const { receivedMsat } = bob.stats
  await sim.drive(bob.close())
  await sender.stop()
  expect(sim.audit()).toEqual([])
  return { message: value as Message, receivedMsat, outcomes }
}

const DUPLICATE = { status: 'failed', refusal: Code.DUPLICATE }

it('a message that was shown is not settled with an attempt that brings less', async () => {
  const { message, receivedMsat, outcomes } = await tried({
    first: { attempt: 1, amountMsat: 1_000_000n },
    second: { attempt: 0, amountMsat: 1_000n },
    decide: (shown) => shown.accept(),
  })
  expect(outcomes).toMatchObject([{ status: 'delivered' }, DUPLICATE])
  expect([message.amountMsat, receivedMsat]).toEqual([1_000_000n, 1_000_000n])
})

it('an attempt that brings more is taken, and the message says so once it is', async () => {
  const seen: bigint[] = []
  const { message, receivedMsat, outcomes } = await tried({
    first: { attempt: 1, amountMsat: 1_000n },
    second: { attempt: 0, amountMsat: 3_000n },
    decide: async (shown) => {
      seen.push(shown.amountMsat)
      await shown.accept()
    },
  })
  expect(outcomes).toMatchObject([DUPLICATE, { status: 'delivered' }])
  expect([...seen, message.amountMsat, receivedMsat]).toEqual([1_000n, 3_000n, 3_000n])
})

it('a locked message is not settled with an attempt that is not, nor with one under another hash', async () => {
  const first = { attempt: 1, amountMsat: 1_000_000n, lock }
  const others: Attempt[] = [
    { attempt: 0, amountMsat: 1_000_000n },
    { attempt: 0, amountMsat: 1_000_000n, lock: paymentHash(lock) },
  ]
  for (const second of others) {
    const { receivedMsat, outcomes } = await tried({ first, second, decide: (shown) => shown.settle(preimage) })
    expect(outcomes).toMatchObject([{ status: 'delivered' }, DUPLICATE])
    expect(receivedMsat).toBe(1_000_000n)
  }
})
