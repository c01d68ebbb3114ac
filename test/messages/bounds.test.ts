/** What strangers make grow with messages, pushed against its bound: docs/bounds.md names each of these. */
import { expect, it } from 'vitest'
import { toHex } from '../../src/floor/bytes.ts'
import { createEndpoint } from '../../src/index.ts'
import type { Arrival } from '../../src/medium/arrival.ts'
import type { OfferDecision } from '../../src/transport/driver/held-offers.ts'
import { Contents } from '../../src/transport/messages/contents.ts'
import { Inbox } from '../../src/transport/messages/inbox.ts'
import {
  MAX_KEYSENDS_TAKEN,
  MAX_NOTE_KEYS,
  MAX_UNPAID_WAITING_ATTEMPTS,
  MAX_WAITING,
  MAX_WAITING_ATTEMPTS,
} from '../../src/transport/messages/limits.ts'
import { MessageFeed } from '../../src/transport/messages/message-feed.ts'
import { MessagePorts } from '../../src/transport/messages/message-ports.ts'
import { NoteReceiver, type NoteReceiverParts } from '../../src/transport/messages/note-receiver.ts'
import { SeenNotes } from '../../src/transport/messages/seen-notes.ts'
import { Code } from '../../src/wire/errors.ts'
import { paymentHash, publicKey } from '../../src/wire/keys.ts'
import { makeNote, noteAttempt, noteKeys, notePreimage } from '../../src/wire/notes.ts'
import { ManualClock } from '../manual-clock.ts'
import { ScriptedBackend, settle } from '../transport/scripted-backend.ts'
import { testRuntime } from '../transport/test-runtime.ts'
import { PORT } from './worlds.ts'

const HEIGHT = 1_000
const receiverKey = publicKey(new Uint8Array(32).fill(7))

/** Bytes that tell a number. */
function numbered(i: number, length = 32): Uint8Array {
  const bytes = new Uint8Array(length).fill(1)
  new DataView(bytes.buffer).setUint32(4, i)
  return bytes
}

/** An attempt of a message, by its number under the key of its sender. */
function offerOf(sender: number, number = 0, attempt = 0): Arrival {
  // As the node below has it: an agreement of 8,000 keys takes seconds.
  const ephemeral = publicKey(numbered(sender))
  const keys = noteKeys(receiverKey, ephemeral, ephemeral.subarray(1))
  const letter = { port: PORT, height: HEIGHT, id: numbered(number, 16), content: undefined, isLocked: false }
  const record = noteAttempt(makeNote(keys, number, { ...letter, data: new Uint8Array(1) }), attempt, 0)
  return { lane: 'phantom', record, amountMsat: 1_000n, hash: paymentHash(notePreimage(keys, number, attempt)) }
}

/** What receives messages on a port, without an endpoint. */
class Bench {
  /** Keys that the node was asked for. */
  asked = 0
  /** Whether the node answers. */
  agrees = true
  /** Payments that went back. */
  readonly gone: Set<string> = new Set()
  readonly ports: MessagePorts = new MessagePorts()
  readonly #inbox: Inbox = new Inbox({ letters: new Map(), lastSerial: 0 })
  readonly #runtime: NoteReceiverParts['driver']['runtime'] = testRuntime(new ManualClock(settle))
  readonly receiver: NoteReceiver

  constructor() {
    const sharedSecret = async (point: Uint8Array): Promise<Uint8Array> => {
      this.asked++
      if (!this.agrees) await new Promise(() => {})
      return point.slice(1)
    }
    const driver = {
      runtime: this.#runtime,
      node: { publicKey: receiverKey, blockHeight: HEIGHT, backend: { sharedSecret } },
      agreements: { enter: () => 'now', leave: () => undefined },
      offers: { isHeld: ({ hash }: Arrival) => !this.gone.has(toHex(hash)) },
      counts: { stray: () => undefined },
      accountant: { received: () => undefined },
    } as unknown as NoteReceiverParts['driver']
    const seen = new SeenNotes({ floor: 0, seen: new Map() }, () => HEIGHT)
    this.receiver = new NoteReceiver({
      driver,
      ports: this.ports,
      seen,
      inbox: this.#inbox,
      contents: new Contents(),
    })
  }

  /** Reads the port, once it is asked. */
  read(): MessageFeed {
    const feed = new MessageFeed(PORT, {
      runtime: this.#runtime,
      inbox: this.#inbox,
      receiver: this.receiver,
      maxBytes: 1_000,
      claimed: Promise.resolve(PORT),
      release: () => undefined,
    })
    this.ports.set(PORT, feed)
    return feed
  }

  /** What became of an offer at once; undefined where it waits. */
  async receive(offer: Arrival): Promise<OfferDecision['reception'] | undefined> {
    let decided: OfferDecision | undefined
    void Promise.resolve(this.receiver.receive(offer)).then((decision) => (decided = decision))
    await settle()
    return decided?.reception
  }
}

it('64 messages wait for an application that does not ask for the next one; one more is refused as busy', async () => {
  const bench = new Bench()
  const feed = bench.read()
  const first = offerOf(0, 0)
  expect(await bench.receive(first)).toBeUndefined()
  for (let i = 1; i < MAX_WAITING; i++) expect(await bench.receive(offerOf(0, i))).toBeUndefined()
  const busy = { action: 'refuse', code: Code.BUSY }
  expect(await bench.receive(offerOf(0, MAX_WAITING))).toEqual(busy)
  expect(bench.receiver.pending).toBe(MAX_WAITING)
  // What nobody waits for any more makes room for one, and not for two.
  bench.gone.add(toHex(first.hash))
  expect(await bench.receive(offerOf(0, MAX_WAITING))).toBeUndefined()
  expect(await bench.receive(offerOf(0, MAX_WAITING + 1))).toEqual(busy)
  await feed.close()
  expect(bench.receiver.pending).toBe(0)
})

it('eight attempts of a message wait for its application, and one more is refused as busy', async () => {
  const bench = new Bench()
  const feed = bench.read()
  for (let attempt = 0; attempt < MAX_WAITING_ATTEMPTS; attempt++)
    expect(await bench.receive(offerOf(0, 0, attempt))).toBeUndefined()
  const late = await bench.receive(offerOf(0, 0, MAX_WAITING_ATTEMPTS))
  expect(late).toEqual({ action: 'refuse', code: Code.BUSY })
  await feed.close()
})

it('while the key of a message is agreed on eight paid attempts of it wait, or two that are not paid', async () => {
  const bench = new Bench()
  bench.agrees = false
  /** How many attempts of twenty wait. */
  const waiting = async (sender: number, lane: 'node' | 'phantom'): Promise<number> => {
    let count = 0
    for (let attempt = 0; attempt < 20; attempt++)
      if ((await bench.receive({ ...offerOf(sender, 0, attempt), lane })) === undefined) count++
    return count
  }
  expect(await waiting(1, 'phantom')).toBe(MAX_UNPAID_WAITING_ATTEMPTS)
  expect(await waiting(2, 'node')).toBe(MAX_WAITING_ATTEMPTS)
  expect(bench.asked).toBe(2)
})

it('the keys of 4,096 senders are remembered: for the one heard the longest ago the node is asked again', async () => {
  const bench = new Bench()
  const hear = async (sender: number): Promise<number> => {
    const before = bench.asked
    const nobody = { action: 'refuse', code: Code.NO_LISTENER }
    expect((await bench.receiver.receive(offerOf(sender))).reception).toEqual(nobody)
    return bench.asked - before
  }
  for (let sender = 0; sender <= MAX_NOTE_KEYS; sender++) expect(await hear(sender)).toBe(1)
  expect([await hear(MAX_NOTE_KEYS), await hear(1), await hear(0)]).toEqual([0, 0, 1])
})

it('4,096 plain keysends that were read are not shown again; one before them is, where the node tells it again', async () => {
  const backend = new ScriptedBackend()
  const endpoint = await createEndpoint({ backend, keysends: true })
  const feed = endpoint.keysends()
  const tell = (i: number): void =>
    backend.emit({ type: 'keysend', records: [], amountMsat: 1_000n, hash: numbered(i), settleIndex: BigInt(i + 1) })
  for (let i = 0; i <= MAX_KEYSENDS_TAKEN; i++) {
    tell(i)
    await feed.next()
  }
  const unread: number[] = []
  for (const i of [MAX_KEYSENDS_TAKEN, 1, 0]) {
    tell(i)
    unread.push(endpoint.stats.messagesUnread)
  }
  expect(unread).toEqual([0, 0, 1])
  await endpoint.close()
})
