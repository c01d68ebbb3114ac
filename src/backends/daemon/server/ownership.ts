/** Which program has which port, which connection and which reply path of the node. */
import { BoundedMap } from '../../../floor/bounded.ts'
import { toHex } from '../../../floor/bytes.ts'
import type { PathRequest, PathResult } from '../../../medium/reply-path.ts'
import type { Header } from '../../../wire/packets.ts'
import { type Backend, BackendError } from '../../backend.ts'
import { HOLD_MS, MAX_FREED_PORTS, MAX_KNOWN_CONNECTIONS, MAX_PORTS_PER_PROGRAM } from '../protocol/limits.ts'
import { isFromInitiator } from '../protocol/packet-header.ts'
import type { HidingStatus } from '../protocol/messages.ts'
import type { ProgramSession } from './program-session.ts'

/** The owners of ports, and which ports lost theirs a moment ago. */
export class PortOwners {
  readonly #owners = new Map<number, ProgramSession>()
  /** When the program of a port died, by port. */
  readonly #freedMs = new BoundedMap<number, number>(MAX_FREED_PORTS)
  readonly #startedMs: number

  constructor(startedMs: number) {
    this.#startedMs = startedMs
  }

  ownerOf(port: number): ProgramSession | undefined {
    return this.#owners.get(port)
  }

  /** False where another program has it. @throws BackendError 'bad-request' for more than the program's share */
  claim(port: number, session: ProgramSession): boolean {
    if (!session.ports.hasRoom() && !session.ports.has(port))
      throw new BackendError('bad-request', `a program listens on ${MAX_PORTS_PER_PROGRAM} ports at most`)
    const owner = this.#owners.get(port)
    if (owner !== undefined && owner !== session) return false
    this.#owners.set(port, session)
    this.#freedMs.delete(port)
    session.ports.add(port)
    return true
  }

  /** Its program gives it back: nothing waits for another program. */
  release(port: number, session: ProgramSession): void {
    if (session.ports.delete(port)) this.#owners.delete(port)
  }

  /** A program died: packets for its ports wait a while for it to come back. */
  vacate(session: ProgramSession, now: number): void {
    for (const port of session.ports) {
      session.ports.delete(port)
      this.#owners.delete(port)
      this.#freedMs.renew(port, now)
    }
  }

  /** Until when packets for a port that has no owner wait for one, ms. */
  holdUntil(port: number): number {
    return Math.max(this.#startedMs, this.#freedMs.get(port) ?? -Infinity) + HOLD_MS
  }
}

/** The owners of connections by one of their two ends: ids in hexadecimal. */
class EndOwners {
  readonly #owners = new BoundedMap<string, ProgramSession>(MAX_KNOWN_CONNECTIONS)

  /** An id that is used stays known for longer. */
  get(id: string): ProgramSession | undefined {
    const owner = this.#owners.get(id)
    if (owner?.isGone === false) this.#owners.renew(id, owner)
    return owner
  }

  /** An id that a living program has stays with it. */
  set(id: string, session: ProgramSession): void {
    const owner = this.#owners.get(id)
    if (owner === undefined || owner === session || owner.isGone) this.#owners.renew(id, session)
  }

  count(session: ProgramSession): number {
    let count = 0
    for (const owner of this.#owners.values()) if (owner === session) count += 1
    return count
  }
}

/** The owners of connections. A packet's kind tells the end that it is for (spec §3.5). */
export class ConnectionOwners {
  readonly #initiators = new EndOwners()
  readonly #responders = new EndOwners()

  /** The program that packets with this header are for; it may be gone. */
  ownerOf(header: Header): ProgramSession | undefined {
    if (header.cid === undefined) return undefined
    return this.#receivers(header).get(toHex(header.cid))
  }

  /** Packets with this header are for `session` from now on. */
  addReceiver(header: Header, session: ProgramSession): void {
    if (header.cid !== undefined) this.#receivers(header).set(toHex(header.cid), session)
  }

  /** `session` sends a packet with this header, so the answers are for it. */
  addSender(header: Header, session: ProgramSession): void {
    if (header.cid === undefined) return
    const senders = isFromInitiator(header) ? this.#initiators : this.#responders
    senders.set(toHex(header.cid), session)
  }

  /** A program attaches and names its connections. */
  adopt(
    session: ProgramSession,
    ids: { readonly initiators: readonly Uint8Array[]; readonly responders: readonly Uint8Array[] },
  ): void {
    for (const id of ids.initiators) this.#initiators.set(toHex(id), session)
    for (const id of ids.responders) this.#responders.set(toHex(id), session)
  }

  count(session: ProgramSession): number {
    return this.#initiators.count(session) + this.#responders.count(session)
  }

  #receivers(header: Header): EndOwners {
    return isFromInitiator(header) ? this.#responders : this.#initiators
  }
}

/** The owners of reply paths: each has its share, and nobody closes another's. */
export class PathOwners {
  readonly #backend: Pick<Backend, 'makePaths' | 'closePaths'>
  readonly #owners = new Map<string, ProgramSession>()
  #latest: { readonly made: PathResult; readonly candidates: number | undefined } | undefined

  constructor(backend: Pick<Backend, 'makePaths' | 'closePaths'>) {
    this.#backend = backend
  }

  ownerOf(pathId: string): ProgramSession | undefined {
    return this.#owners.get(pathId)
  }

  /** How the paths that were made last hide their maker; undefined: none was made, or the backend does not say. */
  get hiding(): HidingStatus | undefined {
    if (this.#latest?.made.guards === undefined) return undefined
    const { made, candidates } = this.#latest
    const { guards = [], fits } = made
    return { guards, ...(candidates === undefined ? {} : { candidates }), ...(fits === undefined ? {} : { fits }) }
  }

  /** What could not be told when they were made. */
  counted(pathIds: readonly string[], candidates: number): void {
    if (this.#latest?.made.paths.some(({ pathId }) => pathIds.includes(pathId)) !== true) return
    this.#latest = { made: this.#latest.made, candidates }
  }

  /** @throws BackendError 'bad-request' for more than the program's share; and as the backend's `makePaths` */
  async make(session: ProgramSession, request: PathRequest): Promise<PathResult> {
    const { paths } = session
    if (!paths.hasRoom(request.count))
      throw new BackendError('bad-request', `${paths.taken} paths are open; close some first`)
    paths.reserve(request.count)
    let made: PathResult
    try {
      made = await this.#backend.makePaths(request)
    } finally {
      paths.unreserve(request.count)
    }
    this.#latest = { made, candidates: made.candidates }
    const pathIds = made.paths.map(({ pathId }) => pathId)
    if (session.isGone) await this.#backend.closePaths(pathIds)
    else
      for (const pathId of pathIds) {
        paths.add(pathId)
        this.#owners.set(pathId, session)
      }
    return made
  }

  async close(session: ProgramSession, pathIds: readonly string[]): Promise<void> {
    const own = this.forget(session, pathIds)
    if (own.length > 0) await this.#backend.closePaths(own)
  }

  /** Takes these paths from the program. Returns those that it had, which have to be closed. */
  forget(session: ProgramSession, pathIds: Iterable<string>): readonly string[] {
    const own = [...pathIds].filter((pathId) => session.paths.delete(pathId))
    for (const pathId of own) this.#owners.delete(pathId)
    return own
  }
}
