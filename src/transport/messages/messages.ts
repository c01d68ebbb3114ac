import { BoundedSet } from '../../floor/bounded.ts'
import { toHex } from '../../floor/bytes.ts'
import type { Arrival } from '../../medium/arrival.ts'
import type { RoutePreference } from '../../medium/route.ts'
import type { Content } from '../../wire/notes.ts'
import type { Driver } from '../driver/driver.ts'
import type { OfferDecision } from '../driver/held-offers.ts'
import type { KeysendEvent, NoteTaker } from '../driver/note-door.ts'
import type { StoredNotes } from '../store/store.ts'
import { Contents } from './contents.ts'
import { Inbox } from './inbox.ts'
import { KeysendFeed } from './keysends.ts'
import { KEYSEND_PORT } from './letters.ts'
import { MAX_KEYSENDS_TAKEN } from './limits.ts'
import { type FeedParts, Mailbox, MessageFeed } from './message-feed.ts'
import { MessagePorts, type MessageReader } from './message-ports.ts'
import { NodeProbe, type ProbeOrder, type ProbeResult } from './node-probe.ts'
import { NoteReceiver } from './note-receiver.ts'
import { NoteSender } from './note-sender.ts'
import { SeenNotes } from './seen-notes.ts'
import { SentNotes } from './sent-notes.ts'

const NOTHING: StoredNotes = { floor: 0, seen: new Map(), letters: new Map(), lastSerial: 0, sent: new Map() }

/** What a port of messages needs of its endpoint. */
export interface PortClaim {
  readonly maxBytes: number
  readonly claimed: Promise<number>
  readonly release: () => void
}

/** All messages of an endpoint: what comes, what waits, what goes (spec §18). */
export class Messages implements NoteTaker {
  readonly sender: NoteSender
  readonly #driver: Driver
  readonly #ports = new MessagePorts()
  readonly #seen: SeenNotes
  readonly #inbox: Inbox
  readonly #contents = new Contents()
  readonly #receiver: NoteReceiver
  readonly #keysendFeeds = new Set<KeysendFeed>()
  /** Hashes of those that this process took in, read or not. */
  readonly #keysendsTaken = new BoundedSet<string>(MAX_KEYSENDS_TAKEN)

  constructor(driver: Driver, stored: StoredNotes | undefined, prefer: RoutePreference) {
    this.#driver = driver
    const notes = stored ?? NOTHING
    this.#seen = new SeenNotes(notes, () => driver.node.blockHeight)
    this.#inbox = new Inbox(notes)
    this.#receiver = new NoteReceiver({
      driver,
      ports: this.#ports,
      seen: this.#seen,
      inbox: this.#inbox,
      contents: this.#contents,
    })
    this.sender = new NoteSender({ driver, sent: new SentNotes(notes.sent), prefer })
    this.sender.adopt()
    driver.notes.open(this)
  }

  get counts(): { readonly messagesUnread: number; readonly messagesOffered: number; readonly messagesSeen: number } {
    return {
      messagesUnread: this.#inbox.size,
      messagesOffered: this.#receiver.pending,
      messagesSeen: this.#seen.size,
    }
  }

  /** Asks whether a node is there, at no cost (spec §18.11). @throws KeysockError, or the signal's reason */
  probe(order: Omit<ProbeOrder, 'driver'>): Promise<ProbeResult> {
    return new NodeProbe({ ...order, driver: this.#driver }).run()
  }

  // ---- What comes ----------------------------------------------------------------------------------------

  receive(arrival: Arrival): OfferDecision | Promise<OfferDecision> {
    return this.#receiver.receive(arrival)
  }

  decided(): Promise<void> | undefined {
    return this.#receiver.decided()
  }

  receiveKeysend({ records, amountMsat, hash }: KeysendEvent): void {
    const { runtime } = this.#driver
    const message = { port: KEYSEND_PORT, id: toHex(hash), data: new Uint8Array(), records, amountMsat, hash }
    // One that is told again after a crash was stored with its index, or not at all.
    if (this.#keysendsTaken.has(message.id) || this.#inbox.has(KEYSEND_PORT, message.id)) return
    const added = this.#inbox.add({ ...message, lane: 'node' }, this.#keysendFeeds.size > 0)
    if (added === undefined) {
      return runtime.warn('ERR_KEYSOCK_MESSAGES_FULL', 'a plain keysend was dropped: too many wait to be read')
    }
    this.#keysendsTaken.add(message.id)
    runtime.storeLater([added.change])
    this.#inbox.show(added.serial)
    for (const feed of this.#keysendFeeds) feed.added()
  }

  block(height: number): void {
    this.#driver.runtime.storeLater(this.#seen.block(height))
  }

  // ---- Who reads -----------------------------------------------------------------------------------------

  feed(port: number, claim: PortClaim): MessageFeed {
    return this.#read(port, claim, (parts) => new MessageFeed(port, parts))
  }

  mailbox(port: number, claim: PortClaim): Mailbox {
    return this.#read(port, claim, (parts) => new Mailbox(port, parts))
  }

  /** `release`: what kept the process alive for it lets go. */
  keysends(release: () => void): KeysendFeed {
    const feed: KeysendFeed = new KeysendFeed(this.#driver.runtime, this.#inbox, () => {
      this.#keysendFeeds.delete(feed)
      release()
    })
    this.#keysendFeeds.add(feed)
    return feed
  }

  /** A content came for a message whose payment follows. */
  keepContent(port: number, id: Uint8Array, content: Content, bytes: Uint8Array): void {
    this.#contents.keep(this.#driver.runtime.now(), `${port}/${toHex(id)}`, content, bytes)
  }

  /** Whether a message with this id was shown or taken already. */
  isKnown(port: number, id: Uint8Array): boolean {
    return this.#seen.fateOf(`${port}/${toHex(id)}`) !== undefined
  }

  /** Ends all reading: the endpoint closes. */
  close(): void {
    for (const feed of this.#keysendFeeds) feed.close()
  }

  #read<Reader extends MessageReader>(port: number, claim: PortClaim, make: (parts: FeedParts) => Reader): Reader {
    const reader: Reader = make({
      runtime: this.#driver.runtime,
      inbox: this.#inbox,
      receiver: this.#receiver,
      maxBytes: claim.maxBytes,
      claimed: claim.claimed,
      release: () => {
        this.#ports.delete(port, reader)
        claim.release()
      },
    })
    this.#ports.set(port, reader)
    return reader
  }
}
