import type { DecodedHeader } from '../../wire/packets.ts'
import type { Clock } from '../../floor/clock.ts'
import type { Agreements, ReadPort } from './agreements.ts'
import { MAX_HELD_OPENS, MAX_RECENT, MAX_WAITING } from './bounds.ts'
import { headerOf, type Connections, type Owner } from './connections.ts'
import type { PortTable } from './port-table.ts'
import type { Arrival } from './values.ts'

/** A program, as arrivals know it. */
export interface Receiver extends Owner {
  /** In hexadecimal: names the process, whenever it attaches. */
  readonly session: string
  receive(arrival: Arrival): void
}

export interface ArrivalsNeeds<Client extends Receiver> {
  readonly clock: Clock
  readonly agreements: Pick<Agreements, 'portOf'>
  readonly connections: Connections<Client>
  readonly ports: PortTable<Client>
  /** Every program that is attached, without the one that takes the rest. */
  everyone(): Iterable<Client>
  /** Takes OPENs for ports that nobody has, to refuse them. */
  rest(): Client | undefined
  /** This index and all before it were handed on, or are kept. */
  passed(settleIndex: bigint): void
}

interface Entry {
  readonly arrival: Arrival
  readonly header: DecodedHeader | undefined
  /** OPENs only, once it is known. */
  port: ReadPort
  isReady: boolean
  /** The session that it was handed to. */
  to: string | undefined
  /** An OPEN that nobody may have any more: refused, or dropped. */
  isOver: boolean
}

interface Held {
  readonly entry: Entry
  readonly port: number
  readonly cancel: () => void
}

/**
 * Node lane: from one invoice stream to the programs that packets are for. Handed on in the order of their
 * settle index; the latest are kept for a program that comes back (spec/daemon.md §6).
 */
export class Arrivals<Client extends Receiver> {
  readonly #needs: ArrivalsNeeds<Client>
  /** What waits behind an OPEN whose port is being found out. */
  readonly #waiting: Entry[] = []
  readonly #recent: Entry[] = []
  readonly #held = new Set<Held>()
  /** Up to here a former daemon has handed on everything. */
  readonly #oldIndex: bigint
  #settleIndex: bigint
  #strays = 0

  constructor(needs: ArrivalsNeeds<Client>, settleIndex: bigint | undefined) {
    this.#needs = needs
    this.#oldIndex = settleIndex ?? 0n
    this.#settleIndex = settleIndex ?? 0n
  }

  /** The last one that was handed on. */
  get settleIndex(): bigint {
    return this.#settleIndex
  }

  get counts(): { readonly held: number; readonly recent: number; readonly strays: number } {
    return { held: this.#held.size, recent: this.#recent.length, strays: this.#strays }
  }

  take(arrival: Arrival): void {
    const { record } = arrival
    const header = headerOf(record)
    const entry: Entry = { arrival, header, port: undefined, isReady: true, to: undefined, isOver: false }
    this.#waiting.push(entry)
    if (header?.header.kind === 'open' && this.#livingOwner(header) === undefined) {
      entry.isReady = false
      void this.#needs.agreements.portOf(record, header, 'node').then((port) => {
        entry.port = port
        entry.isReady = true
        this.#handOn()
      })
    }
    // The node hangs: an OPEN whose port it does not help to find is sent again by its initiator.
    const [first] = this.#waiting
    if (this.#waiting.length > MAX_WAITING && first !== undefined) first.isReady = true
    this.#handOn()
  }

  /** A program is there, and has told its ports and connections. `after`: what it has had. */
  attached(client: Client, after: bigint, isBack: boolean): void {
    for (const entry of this.#recent) {
      if (entry.arrival.settleIndex <= after || !this.#isFor(client, entry, isBack)) continue
      this.#drop(entry)
      if (entry.header?.header.kind === 'open') this.#needs.connections.receives(entry.header.header, client)
      this.#give(client, entry)
    }
  }

  /** What waited for this port goes to the program that has it now. */
  claimed(port: number, client: Client): void {
    for (const held of this.#held) {
      if (held.port !== port) continue
      this.#release(held)
      this.#open(held.entry, client)
    }
  }

  stop(): void {
    for (const held of this.#held) this.#release(held)
  }

  #handOn(): void {
    for (let entry = this.#waiting[0]; entry?.isReady === true; entry = this.#waiting[0]) {
      this.#waiting.shift()
      this.#recent.push(entry)
      if (this.#recent.length > MAX_RECENT) this.#recent.shift()
      this.#dispatch(entry)
      const { settleIndex } = entry.arrival
      if (settleIndex <= this.#settleIndex) continue
      this.#settleIndex = settleIndex
      this.#needs.passed(settleIndex)
    }
  }

  #dispatch(entry: Entry): void {
    const header = entry.header?.header
    const owner = header === undefined ? undefined : this.#needs.connections.ownerOf(header)
    if (owner?.isGone === false) return this.#give(owner, entry)
    if (header?.kind === 'open') return this.#findListener(entry)
    if (entry.arrival.settleIndex <= this.#oldIndex) return
    // Its program is gone, so the other side has no one to talk to.
    if (owner !== undefined) return this.#stray()
    // Nobody can tell whose it is, so everyone gets it, as everyone would who had the node alone.
    let count = 0
    for (const client of this.#needs.everyone()) {
      client.receive(entry.arrival)
      count += 1
    }
    if (count !== 1) this.#stray()
  }

  #findListener(entry: Entry): void {
    const { port } = entry
    if (typeof port !== 'number') {
      entry.isOver = true
      return this.#stray()
    }
    // A former daemon had it handed on or refused. It is kept for a program that says it did not get it.
    if (entry.arrival.settleIndex <= this.#oldIndex) return
    const client = this.#needs.ports.get(port)
    if (client !== undefined) return this.#open(entry, client)
    const untilMs = this.#needs.ports.holdUntil(port)
    if (untilMs <= this.#needs.clock.now() || this.#held.size >= MAX_HELD_OPENS) return this.#refuse(entry)
    const held: Held = {
      entry,
      port,
      cancel: this.#needs.clock.schedule(untilMs, () => {
        this.#held.delete(held)
        this.#refuse(entry)
      }),
    }
    this.#held.add(held)
  }

  #refuse(entry: Entry): void {
    entry.isOver = true
    const rest = this.#needs.rest()
    if (rest === undefined) this.#stray()
    else this.#open(entry, rest)
  }

  #open(entry: Entry, client: Client): void {
    if (entry.header !== undefined) this.#needs.connections.receives(entry.header.header, client)
    this.#give(client, entry)
  }

  #give(client: Client, entry: Entry): void {
    entry.to = client.session
    client.receive(entry.arrival)
  }

  /** Whether a program that attaches gets what it has not seen of what is kept. */
  #isFor(client: Client, entry: Entry, isBack: boolean): boolean {
    if (entry.to !== undefined) return entry.to === client.session
    const header = entry.header?.header
    if (header?.kind === 'open') {
      const isHeld = [...this.#held].some((held) => held.entry === entry)
      const isListener = typeof entry.port === 'number' && this.#needs.ports.get(entry.port) === client
      return isListener && !entry.isOver && (isHeld || isBack)
    }
    const owner = header === undefined ? undefined : this.#needs.connections.ownerOf(header)
    return owner === undefined || owner === client
  }

  #livingOwner({ header }: DecodedHeader): Client | undefined {
    const owner = this.#needs.connections.ownerOf(header)
    return owner?.isGone === false ? owner : undefined
  }

  #drop(entry: Entry): void {
    for (const held of this.#held) if (held.entry === entry) this.#release(held)
  }

  #release(held: Held): void {
    this.#held.delete(held)
    held.cancel()
  }

  #stray(): void {
    this.#strays += 1
  }
}
