/** The vectors of messages, read as another implementation would read them, and run against a receiver. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { codeName, ProtocolError } from '../../src/wire/errors.ts'
import { ecdh, paymentHash } from '../../src/wire/keys.ts'
import {
  type Letter,
  makeNote,
  noteAttempt,
  noteHeader,
  noteKeys,
  notePreimage,
  openNote,
  senderKeys,
} from '../../src/wire/notes.ts'
import { Contents } from '../../src/transport/messages/contents.ts'
import { Inbox } from '../../src/transport/messages/inbox.ts'
import { MessagePorts } from '../../src/transport/messages/message-ports.ts'
import { NoteReceiver, type NoteReceiverParts } from '../../src/transport/messages/note-receiver.ts'
import { SeenNotes } from '../../src/transport/messages/seen-notes.ts'

interface File {
  readonly receiverSecret: string
  readonly receiverKey: string
  readonly ephemeralSecret: string
  readonly ephemeral: string
  readonly key: string
  readonly associated: string
  readonly settle: string
  readonly height: number
  readonly port: number
  readonly id: string
  readonly valid: readonly {
    readonly name: string
    readonly number: number
    readonly attempt: number
    readonly failed: number
    readonly letter: string
    readonly isLocked: boolean
    readonly packet: string
    readonly preimage: string | null
    readonly hash: string | null
  }[]
  readonly invalid: readonly { readonly name: string; readonly error: string; readonly packet: string }[]
  readonly attempts: readonly {
    readonly name: string
    readonly steps: readonly {
      readonly attempt: number
      readonly failed: number
      readonly says: 'accept' | 'refuse' | null
      readonly verdict: string
    }[]
  }[]
}

const file = JSON.parse(readFileSync(new URL('../../spec/vectors/messages.json', import.meta.url), 'utf8')) as File
const receiverKey = fromHex(file.receiverKey)
const sender = senderKeys(receiverKey, fromHex(file.ephemeralSecret))
const receiver = noteKeys(
  receiverKey,
  fromHex(file.ephemeral),
  ecdh(fromHex(file.receiverSecret), fromHex(file.ephemeral)),
)

it('both ends come to the keys of messages.json', () => {
  for (const keys of [sender, receiver])
    expect({
      ephemeral: toHex(keys.ephemeral),
      key: toHex(keys.key),
      associated: toHex(keys.associated),
      settle: toHex(keys.settle),
    }).toEqual({ ephemeral: file.ephemeral, key: file.key, associated: file.associated, settle: file.settle })
})

describe('a NOTE', () => {
  it.each(file.valid)('is opened: $name', ({ packet, attempt, failed, number, isLocked, preimage, hash }) => {
    const record = fromHex(packet)
    const header = noteHeader(record)
    expect(header).toMatchObject({ attempt, failedBelow: failed, number })
    const letter = openNote(record, header, receiver)
    expect(letter).toMatchObject({ port: file.port, height: file.height, isLocked })
    expect(toHex((letter as Letter).id)).toBe(file.id)
    if (preimage === null) return
    expect(toHex(notePreimage(receiver, number, attempt))).toBe(preimage)
    expect(toHex(paymentHash(fromHex(preimage)))).toBe(hash)
  })

  it.each(file.valid.filter(({ name }) => !name.includes('odd')))(
    'is made: $name',
    ({ packet, attempt, failed, number }) => {
      const record = fromHex(packet)
      const letter = openNote(record, noteHeader(record), receiver) as Letter
      expect(toHex(noteAttempt(makeNote(sender, number, letter), attempt, failed))).toBe(packet)
    },
  )

  it.each(file.invalid)('is turned down: $name', ({ packet, error }) => {
    expect(errorOf(fromHex(packet))).toBe(error)
  })
})

/** The name of the code with which it is turned down, 'tag', or undefined. */
function errorOf(record: Uint8Array): string | undefined {
  try {
    return openNote(record, noteHeader(record), receiver) === undefined ? 'tag' : undefined
  } catch (error) {
    if (error instanceof ProtocolError) return codeName(error.code)
    throw error
  }
}

describe('attempts under one id', () => {
  it.each(file.attempts)('$name', async ({ steps }) => {
    const { notes, says } = receiverOf()
    const letter: Letter = {
      port: file.port,
      height: file.height,
      id: fromHex(file.id),
      content: undefined,
      isLocked: false,
      data: new Uint8Array(1),
    }
    const note = makeNote(sender, 0, letter)
    for (const { attempt, failed, says: word, verdict } of steps) {
      const hash = paymentHash(notePreimage(sender, 0, attempt))
      const record = noteAttempt(note, attempt, failed)
      const decision = notes.receive({ lane: 'phantom', record, amountMsat: 1n, hash })
      if (word !== null) await says(word)
      const { reception } = await decision
      const got = reception.action === 'refuse' ? codeName(reception.code) : reception.action
      expect(got).toBe(verdict)
    }
  })
})

/** A receiver whose application says what it is told to about the next message. */
function receiverOf(): { readonly notes: NoteReceiver; readonly says: (word: 'accept' | 'refuse') => Promise<void> } {
  const ports = new MessagePorts()
  const driver = {
    runtime: { isStopped: false, now: () => 0, store: async () => undefined, storeLater: () => undefined },
    node: {
      publicKey: receiverKey,
      blockHeight: file.height,
      backend: { sharedSecret: async (point: Uint8Array) => ecdh(fromHex(file.receiverSecret), point) },
    },
    agreements: { enter: () => 'now', leave: () => undefined },
    offers: { isHeld: () => true },
    counts: { stray: () => undefined },
    accountant: { received: () => undefined },
  } as unknown as NoteReceiverParts['driver']
  const stored = { floor: 0, seen: new Map(), letters: new Map(), lastSerial: 0 }
  const notes = new NoteReceiver({
    driver,
    ports,
    seen: new SeenNotes(stored, () => file.height),
    inbox: new Inbox(stored),
    contents: new Contents(),
  })
  let offered = Promise.withResolvers<Parameters<NoteReceiver['accept']>[0]>()
  ports.set(file.port, {
    takes: 'asked',
    maxBytes: 1_000,
    added: () => undefined,
    offer: (pending) => {
      offered.resolve(pending)
      return true
    },
  })
  const says = async (word: 'accept' | 'refuse'): Promise<void> => {
    const pending = await offered.promise
    offered = Promise.withResolvers()
    await notes.show(pending)
    if (word === 'accept') await notes.accept(pending)
    else await notes.refuse(pending, 300)
  }
  return { notes, says }
}
