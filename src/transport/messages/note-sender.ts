import { sha256 } from '@noble/hashes/sha2.js'
import { BoundedMap } from '../../floor/bounded.ts'
import { fromHex, toHex } from '../../floor/bytes.ts'
import { DEFAULT_MAX_FEE_MSAT } from '../../medium/limits.ts'
import type { CustomRecord, Lane } from '../../medium/payment.ts'
import type { Destination, Route, RouteHint, RoutePreference } from '../../medium/route.ts'
import { recordEquivalent } from '../../wire/bolt4/onion-size.ts'
import { areForeign } from '../../wire/bolt4/payload.ts'
import { KEY_BYTES, paymentHash } from '../../wire/keys.ts'
import {
  type Content,
  type Letter,
  makeNote,
  MAX_NOTE_NUMBER,
  noteAttempt,
  NOTE_ID_BYTES,
  type NoteKeys,
  notePreimage,
  noteRoom,
  senderKeys,
} from '../../wire/notes.ts'
import { ephemeralSecret } from '../connection/opening.ts'
import type { Driver } from '../driver/driver.ts'
import { invalidOption, KeysockError } from '../errors.ts'
import type { PaidNote } from '../store/store.ts'
import { FEE_SHARE, LINKED_MS, MAX_COPIED_MSAT, MAX_LINKED, ROUTES_ASKED } from './limits.ts'
import { type AttemptPayment, PaymentRun } from './payment-run.ts'
import { SentAttempts, type SentNotes } from './sent-notes.ts'

/** Where a message goes, checked. */
export interface NoteTarget {
  readonly publicKey: Uint8Array
  readonly publicKeyHex: string
  readonly hints: readonly RouteHint[]
  readonly port: number
}

/** How, checked. */
export interface NoteOrder {
  readonly target: NoteTarget
  readonly lane: Lane
  readonly bytes: Uint8Array
  readonly amountMsat: bigint
  readonly maxFeeMsat: bigint
  readonly prefer: RoutePreference
  /** 16 bytes of the application; undefined: drawn at random. */
  readonly id: Uint8Array | undefined
  /** A hash that the receiver issued. */
  readonly hash: Uint8Array | undefined
  /** The receiver may tell that this sender's messages are one's. */
  readonly isLinkable: boolean
  readonly untilMs: number
  readonly signal: AbortSignal | undefined
}

/** A message that went through. */
export interface SentNoteResult {
  readonly id: Uint8Array
  readonly paid: PaidNote
  readonly attempts: number
}

/** Brings bytes that a payment has no room for to the receiver, as a stream, before the payment. */
export type BringContent = (id: Uint8Array, content: Content) => Promise<void>

interface Linked {
  readonly keys: NoteKeys
  readonly sinceMs: number
  next: number
}

export interface NoteSenderParts {
  readonly driver: Pick<Driver, 'runtime' | 'node' | 'ledger' | 'payer'>
  readonly sent: SentNotes
  readonly prefer: RoutePreference
}

/** Sends messages and plain keysends, each as one payment (spec §18.6). */
export class NoteSender {
  readonly #parts: NoteSenderParts
  /** Ids that are being sent. */
  readonly #sending = new Set<string>()
  /** Keys under which messages to one node are linked, by node. */
  readonly #linked: BoundedMap<string, Linked> = new BoundedMap(MAX_LINKED)

  constructor(parts: NoteSenderParts) {
    this.#parts = parts
  }

  /** Asks for what a former process sent under ids of its application. */
  adopt(): void {
    const { sent, driver } = this.#parts
    for (const attempts of sent.all())
      for (const [attempt, hash] of attempts.open) {
        const amountMsat = driver.payer.watch(hash, (outcome) => {
          const stored =
            outcome.status === 'failed'
              ? attempts.failed(attempt)
              : attempts.went(attempt, {
                  lane: outcome.status === 'delivered' ? 'phantom' : 'node',
                  hash,
                  ...(outcome.status === 'delivered' && outcome.preimage !== undefined
                    ? { preimage: toHex(outcome.preimage) }
                    : {}),
                  amountMsat: amountMsat ?? 0n,
                  feeMsat: outcome.feeMsat,
                  route: [],
                })
          return stored
        })
        // It is stored in one piece with its end, so one that is not under way was never sent.
        if (amountMsat === undefined) driver.runtime.storeLater(attempts.failed(attempt))
      }
  }

  /** @throws KeysockError, or the signal's reason */
  async send(order: NoteOrder, bringContent: BringContent): Promise<SentNoteResult> {
    const { runtime } = this.#parts.driver
    const id = order.id ?? runtime.random(NOTE_ID_BYTES)
    const name = toHex(id)
    if (this.#sending.has(name)) throw new KeysockError('ERR_KEYSOCK_DUPLICATE', 'this id is being sent already')
    this.#sending.add(name)
    try {
      const attempts = this.#parts.sent.get(name, order.id !== undefined)
      // Sent before, by this process or a former one: it is not paid for again.
      const before = attempts.paid === undefined ? undefined : await this.#withPreimage(attempts.paid)
      const paid = before ?? (await this.#run(order, id, attempts, bringContent))
      return { id, paid, attempts: attempts.next }
    } finally {
      this.#sending.delete(name)
    }
  }

  /** A plain keysend, as wallets send it. @throws KeysockError, or the signal's reason */
  async sendKeysend(
    order: Omit<NoteOrder, 'lane' | 'bytes' | 'id' | 'hash' | 'isLinkable'> & {
      readonly records: readonly CustomRecord[]
    },
  ): Promise<{ readonly paid: PaidNote; readonly attempts: number }> {
    const { records, target } = order
    if (!areForeign(records)) throw invalidOption('a record has a type of 65536 or more, once, and not one of its own')
    const { runtime } = this.#parts.driver
    const attempts = new SentAttempts('', false)
    const run = new PaymentRun({
      ...this.#runParts(order),
      destination: { lane: 'node', publicKey: target.publicKey, hints: target.hints },
      port: 0,
      recordBytes: recordEquivalent(records),
      copies: false,
      isLocked: false,
      attempts,
      payment: () => ({ ...fresh(runtime.random(KEY_BYTES)), record: new Uint8Array(), records }),
      routes: [],
    })
    return { paid: await run.run(), attempts: attempts.next }
  }

  /** What a former process left in its account only says nothing of the preimage; the node may still know it. */
  async #withPreimage(paid: PaidNote): Promise<PaidNote> {
    if (paid.lane === 'node' || paid.preimage !== undefined) return paid
    const { backend } = this.#parts.driver.node
    const found = await backend.track(fromHex(paid.hash)).catch(() => undefined)
    if (found?.status !== 'delivered' || found.preimage === undefined) return paid
    return { ...paid, preimage: toHex(found.preimage) }
  }

  async #run(order: NoteOrder, id: Uint8Array, attempts: SentAttempts, bringContent: BringContent): Promise<PaidNote> {
    const { target, lane, bytes, hash } = order
    const { publicKey, hints, port } = target
    const destination: Destination = lane === 'node' ? { lane, publicKey, hints } : { lane, publicKey, hints }
    const routes = await this.#lookForRoutes(order, destination)
    const { keys, number } = this.#keysFor(order)
    const height = this.#parts.driver.node.blockHeight
    const head = { port, height, id, content: undefined, isLocked: hash !== undefined }
    const room = Math.max(-1, ...routes.map((route) => noteRoom(route.recordBytes, number, head)))
    let letter: Letter = { ...head, data: bytes }
    // spec §18.8: what no payment has room for goes as a stream, and its payment follows.
    if (routes.length > 0 && bytes.length > room) {
      const content = { sha256: sha256(bytes), length: bytes.length }
      await bringContent(id, content)
      letter = { ...head, content, data: new Uint8Array() }
    }
    const note = makeNote(keys, number, letter)
    const run = new PaymentRun({
      ...this.#runParts(order),
      destination,
      recordBytes: note.length,
      copies: lane === 'phantom' && hash === undefined && order.amountMsat <= MAX_COPIED_MSAT,
      isLocked: hash !== undefined,
      attempts,
      payment: (attempt, failedBelow) => {
        const record = noteAttempt(note, attempt, failedBelow)
        if (hash !== undefined) return { hash, record, isLocked: true, settledWith: undefined }
        if (lane === 'node') return { ...fresh(this.#parts.driver.runtime.random(KEY_BYTES)), record }
        const settledWith = notePreimage(keys, number, attempt)
        return { hash: paymentHash(settledWith), record, settledWith }
      },
      routes,
    })
    return await run.run()
  }

  #runParts({
    target,
    amountMsat,
    maxFeeMsat,
    prefer,
    untilMs,
    signal,
  }: Omit<NoteOrder, 'lane' | 'bytes' | 'id' | 'hash' | 'isLinkable'>): Pick<
    ConstructorParameters<typeof PaymentRun>[0],
    'driver' | 'peer' | 'port' | 'amountMsat' | 'maxFeeMsat' | 'prefer' | 'untilMs' | 'signal'
  > {
    const { driver } = this.#parts
    return { driver, peer: target.publicKeyHex, port: target.port, amountMsat, maxFeeMsat, prefer, untilMs, signal }
  }

  /** Whether the bytes fit is known by the routes. None: `PaymentRun` says why. */
  async #lookForRoutes(
    { amountMsat, maxFeeMsat, prefer }: NoteOrder,
    destination: Destination,
  ): Promise<readonly Route[]> {
    const { backend } = this.#parts.driver.node
    const asked = amountMsat > 0n ? amountMsat : 1n
    try {
      return await backend.findRoutes({ destination, amountMsat: asked, maxFeeMsat, prefer, count: ROUTES_ASKED })
    } catch {
      return []
    }
  }

  #keysFor({ target, isLinkable }: NoteOrder): { readonly keys: NoteKeys; readonly number: number } {
    const { runtime } = this.#parts.driver
    const now = runtime.now()
    const known = isLinkable ? this.#linked.get(target.publicKeyHex) : undefined
    if (known !== undefined && known.next <= MAX_NOTE_NUMBER && now - known.sinceMs < LINKED_MS)
      return { keys: known.keys, number: known.next++ }
    const keys = senderKeys(target.publicKey, ephemeralSecret(runtime.random))
    if (isLinkable) this.#linked.renew(target.publicKeyHex, { keys, sinceMs: now, next: 1 })
    return { keys, number: 0 }
  }
}

/** A keysend's preimage, new for each attempt (spec §2.2), and its hash. */
function fresh(
  preimage: Uint8Array,
): Pick<AttemptPayment, 'hash' | 'preimage' | 'settledWith'> & { readonly preimage: Uint8Array } {
  return { hash: paymentHash(preimage), preimage, settledWith: preimage }
}

/** `maxFee` where nobody says: that of a packet, or a hundredth of the amount. */
export function defaultMaxFeeMsat(amountMsat: bigint, ofEndpoint: bigint = DEFAULT_MAX_FEE_MSAT): bigint {
  const share = amountMsat / FEE_SHARE
  return share > ofEndpoint ? share : ofEndpoint
}

/** The preimage of a payment as bytes. */
export function preimageOf({ preimage }: PaidNote): Uint8Array | undefined {
  return preimage === undefined ? undefined : fromHex(preimage)
}
