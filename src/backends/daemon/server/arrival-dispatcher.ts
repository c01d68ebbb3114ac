import { BoundedSet } from '../../../floor/bounded.ts'
import { toHex } from '../../../floor/bytes.ts'
import type { Clock } from '../../../floor/clock.ts'
import type { DecodedHeader } from '../../../wire/packets.ts'
import { MAX_HELD_OPENS, MAX_RECENT_ARRIVALS, MAX_WAITING_ARRIVALS } from '../protocol/limits.ts'
import { isNote } from '../../../wire/notes.ts'
import type { ArrivalEvent, KeysendEvent } from '../protocol/messages.ts'
import { headerOf } from '../protocol/packet-header.ts'
import type { KeyAgreements, PortOfOpen } from './key-agreements.ts'
import type { ConnectionOwners, PortOwners } from './ownership.ts'
import type { Purse } from './purse.ts'
import type { ProgramSession, ProgramSessions } from './program-session.ts'

export interface ArrivalDispatcherOptions {
  readonly clock: Clock
  readonly agreements: Pick<KeyAgreements, 'portOf' | 'portOfNote' | 'waiting'>
  readonly connections: ConnectionOwners
  readonly ports: PortOwners
  readonly sessions: ProgramSessions
  /** Up to here a former daemon has handed on everything. */
  readonly settleIndex: bigint | undefined
  /** This index and all before it were handed on, or are kept. */
  readonly passed: (settleIndex: bigint) => void
  readonly purse?: Purse | undefined
}

interface Entry {
  readonly arrival: ArrivalEvent | KeysendEvent
  /** What says its port to its receiver only: an OPEN, or a message (spec §18). */
  readonly sealed: 'open' | 'note' | undefined
  readonly header: DecodedHeader | undefined
  /** Of an OPEN or a message, once it is known. */
  port: PortOfOpen
  isReady: boolean
  /** An OPEN that waits for its turn to be read: the line goes on without it. 'passed': it did so. */
  aside: 'waits' | 'passed' | undefined
  /** The process that it was handed to. */
  to: string | undefined
  /** Its money is in the account. */
  isCounted: boolean
  /** An OPEN that no program gets any more: it was refused, or dropped. */
  isOver: boolean
}

interface HeldOpen {
  readonly port: number
  readonly cancel: () => void
}

/** A plain keysend has none. */
const NO_RECORD = new Uint8Array()

/**
 * Node lane: hands on what settles to the programs that packets are for, in the order of the settle index. The latest
 * are kept for a program that comes back (spec/daemon.md §6).
 */
export class ArrivalDispatcher {
  readonly #options: ArrivalDispatcherOptions
  /** What waits behind an OPEN whose port is being found out. */
  readonly #waiting: Entry[] = []
  readonly #recent = new BoundedSet<Entry>(MAX_RECENT_ARRIVALS)
  /** OPENs that wait for their port to be claimed. */
  readonly #held = new Map<Entry, HeldOpen>()
  /** The settle index of what programs had when they attached, where they said so. */
  readonly #had = new WeakMap<ProgramSession, bigint>()
  /** Up to here a former daemon has handed on everything. */
  readonly #oldIndex: bigint
  #settleIndex: bigint
  #strays = 0

  constructor(options: ArrivalDispatcherOptions) {
    this.#options = options
    this.#oldIndex = this.#settleIndex = options.settleIndex ?? 0n
  }

  /** The settle index of the last one that was handed on. */
  get settleIndex(): bigint {
    return this.#settleIndex
  }

  get counts(): { readonly held: number; readonly recent: number; readonly strays: number } {
    return { held: this.#held.size, recent: this.#recent.size, strays: this.#strays }
  }

  handle(arrival: ArrivalEvent | KeysendEvent): void {
    const record = arrival.type === 'arrival' ? arrival.record : NO_RECORD
    const isMessage = isNote(record)
    const header = isMessage ? undefined : headerOf(record)
    const sealed = isMessage ? 'note' : header?.header.kind === 'open' ? 'open' : undefined
    const entry: Entry = {
      arrival,
      sealed,
      header,
      port: undefined,
      isReady: true,
      aside: undefined,
      to: undefined,
      isCounted: false,
      isOver: false,
    }
    this.#waiting.push(entry)
    if (isMessage || (sealed === 'open' && header !== undefined && this.#livingOwner(header) === undefined)) {
      entry.isReady = false
      const { agreements } = this.#options
      const found =
        header === undefined ? agreements.portOfNote(record, 'node') : agreements.portOf(record, header, 'node')
      // spec/daemon.md §6.2: it may wait for seconds, and holds nobody up meanwhile.
      entry.isReady = agreements.waiting > 0
      if (entry.isReady) entry.aside = 'waits'
      void found.then((port) => {
        const isPassed = entry.aside === 'passed'
        entry.port = port
        entry.isReady = true
        entry.aside = undefined
        if (isPassed) this.#dispatch(entry)
        else this.#handOn()
      })
    }
    // The node hangs: an OPEN whose port cannot be found without it is sent again by its initiator.
    const [first] = this.#waiting
    if (this.#waiting.length > MAX_WAITING_ARRIVALS && first !== undefined) first.isReady = true
    this.#handOn()
  }

  /** A program has attached, with its ports and connections. `after`: the settle index of what it has had. */
  attached(session: ProgramSession, after: bigint, isBack: boolean): void {
    this.#had.set(session, after)
    for (const entry of this.#recent) {
      if (entry.arrival.settleIndex <= after || !this.#isFor(session, entry, isBack)) continue
      this.#release(entry)
      if (entry.header?.header.kind === 'open') this.#options.connections.addReceiver(entry.header.header, session)
      this.#give(session, entry)
    }
  }

  /** What waited for this port goes to the program that has it now. */
  claimed(port: number, session: ProgramSession): void {
    for (const [entry, held] of this.#held) {
      if (held.port !== port) continue
      this.#release(entry)
      this.#open(entry, session)
    }
    // Messages that were paid before anybody listened there.
    for (const entry of this.#recent)
      if (entry.sealed === 'note' && entry.port === port && entry.to === undefined && this.#lacks(session, entry))
        this.#give(session, entry)
  }

  stop(): void {
    for (const entry of this.#held.keys()) this.#release(entry)
  }

  #handOn(): void {
    for (let entry = this.#waiting[0]; entry?.isReady === true; entry = this.#waiting[0]) {
      this.#waiting.shift()
      this.#recent.add(entry)
      this.#dispatch(entry)
      const { settleIndex } = entry.arrival
      if (settleIndex <= this.#settleIndex) continue
      this.#settleIndex = settleIndex
      this.#options.passed(settleIndex)
    }
  }

  #dispatch(entry: Entry): void {
    if (entry.arrival.type === 'keysend') return this.#tellKeysend(entry)
    const header = entry.header?.header
    const owner = header === undefined ? undefined : this.#options.connections.ownerOf(header)
    if (owner?.isGone === false) return this.#give(owner, entry)
    if (entry.aside !== undefined) entry.aside = 'passed'
    else if (entry.sealed !== undefined) this.#findListener(entry)
    if (entry.sealed !== undefined) return
    if (entry.arrival.settleIndex <= this.#oldIndex) return
    // Its program is gone, so the other side has no one to talk to.
    if (owner !== undefined) return this.#stray(entry)
    // Nobody can tell which program it is for, so all get it, as each would that had the node alone.
    const all = [...this.#options.sessions.programs()]
    for (const session of all) session.emit(entry.arrival)
    const [only] = all
    if (only !== undefined && all.length === 1) this.#count(entry, only)
    else this.#stray(entry)
  }

  /** Plain keysends go to all programs that asked for them. */
  #tellKeysend({ arrival }: Entry): void {
    if (arrival.settleIndex <= this.#oldIndex) return
    for (const session of this.#options.sessions.programs()) if (session.keysends) session.emit(arrival)
  }

  #findListener(entry: Entry): void {
    const { port } = entry
    if (typeof port !== 'number') {
      entry.isOver = true
      return this.#stray(entry)
    }
    const session = this.#options.ports.ownerOf(port)
    // A former daemon has handed it on or refused it. It is kept for a program that says that it did not get it.
    if (entry.arrival.settleIndex <= this.#oldIndex) {
      if (entry.sealed === 'note' && session !== undefined && this.#lacks(session, entry)) this.#give(session, entry)
      return
    }
    if (session !== undefined) return this.#open(entry, session)
    const untilMs = this.#options.ports.holdUntil(port)
    if (untilMs <= this.#options.clock.now() || this.#held.size >= MAX_HELD_OPENS) return this.#refuse(entry)
    const cancel = this.#options.clock.schedule(untilMs, () => {
      this.#held.delete(entry)
      this.#refuse(entry)
    })
    this.#held.set(entry, { port, cancel })
  }

  #refuse(entry: Entry): void {
    // Nobody can refuse what was paid: it waits among the latest until a program listens there.
    if (entry.sealed === 'note') return this.#stray(entry)
    entry.isOver = true
    const { refuser } = this.#options.sessions
    if (refuser === undefined) this.#stray(entry)
    else this.#open(entry, refuser)
  }

  #open(entry: Entry, session: ProgramSession): void {
    if (entry.header !== undefined) this.#options.connections.addReceiver(entry.header.header, session)
    this.#give(session, entry)
  }

  #give(session: ProgramSession, entry: Entry): void {
    entry.to = session.processId
    this.#count(entry, session)
    session.emit(entry.arrival)
  }

  /** spec/daemon.md §6.4: who had a message of a former daemon's time is unknown, but to a program that says so. */
  #lacks(session: ProgramSession, { arrival: { settleIndex } }: Entry): boolean {
    const had = this.#had.get(session)
    return settleIndex > this.#oldIndex || (had !== undefined && settleIndex > had)
  }

  /** Whether a program that attaches gets what it has not seen of what is kept. */
  #isFor(session: ProgramSession, entry: Entry, isBack: boolean): boolean {
    if (entry.arrival.type === 'keysend') return session.keysends
    if (entry.to !== undefined) return entry.to === session.processId
    const header = entry.header?.header
    if (entry.sealed !== undefined) {
      const isListener = typeof entry.port === 'number' && this.#options.ports.ownerOf(entry.port) === session
      if (entry.sealed === 'note') return isListener
      return isListener && !entry.isOver && (this.#held.has(entry) || isBack)
    }
    const owner = header === undefined ? undefined : this.#options.connections.ownerOf(header)
    return owner === undefined || owner === session
  }

  #livingOwner({ header }: DecodedHeader): ProgramSession | undefined {
    const owner = this.#options.connections.ownerOf(header)
    return owner?.isGone === false ? owner : undefined
  }

  /** An OPEN stops waiting for its port to be claimed. */
  #release(entry: Entry): void {
    this.#held.get(entry)?.cancel()
    this.#held.delete(entry)
  }

  #stray(entry: Entry): void {
    this.#strays += 1
    this.#count(entry, undefined)
  }

  /** The money that came with it, once: what it is handed to later on changes nothing. */
  #count(entry: Entry, session: ProgramSession | undefined): void {
    if (entry.isCounted) return
    entry.isCounted = true
    const { arrival, header, port } = entry
    const { amountMsat, settleIndex } = arrival
    const cid = header?.header.cid
    this.#options.purse?.received({
      amountMsat,
      settleIndex,
      program: session?.program,
      ...(cid === undefined ? {} : { connection: toHex(cid) }),
      ...(typeof port === 'number' ? { port } : {}),
    })
  }
}
