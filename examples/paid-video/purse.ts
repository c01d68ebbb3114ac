/**
 * The money of a viewer: one cap over all its connections to publishers. Each connection gets a cap of its own
 * (`socket.maxCost`), and these never add up to more: keysock itself stops at them.
 */
import type { Socket } from 'keysock'

/** What a connection may spend, or has spent. */
interface Grant {
  socket: Socket | undefined
  /** Undefined: all that the others leave. */
  readonly wishMsat: bigint | undefined
  isOpen: boolean
}

export interface PurseView {
  readonly capMsat: bigint
  /** Gone for certain, fees of the network included. */
  readonly spentMsat: bigint
  readonly feesMsat: bigint
  /** Under way: it may come back. */
  readonly reservedMsat: bigint
  readonly leftMsat: bigint
}

/** Kept for the word that a connection leaves: without it the publisher would go on to ask for money, msat. */
const FAREWELL_MSAT = 4_000n
/** With less a connection could not pay for the first answers, and would wait for them in vain, msat. */
const LEAST_MSAT = 30_000n

export class Purse {
  #capMsat: bigint
  readonly #grants: Set<Grant> = new Set()
  /** Of connections that have ended, with no payment left to be decided. */
  #pastSpentMsat = 0n
  #pastFeesMsat = 0n

  constructor(capMsat: bigint) {
    this.#capMsat = capMsat
  }

  view(): PurseView {
    this.#settle()
    let spentMsat = this.#pastSpentMsat
    let feesMsat = this.#pastFeesMsat
    let reservedMsat = 0n
    for (const { socket } of this.#grants) {
      spentMsat += socket?.stats.paidMsat ?? 0n
      feesMsat += socket?.stats.feesMsat ?? 0n
      reservedMsat += socket?.stats.reservedMsat ?? 0n
    }
    const leftMsat = this.#capMsat - spentMsat - reservedMsat
    return { capMsat: this.#capMsat, spentMsat, feesMsat, reservedMsat, leftMsat: leftMsat > 0n ? leftMsat : 0n }
  }

  /** Sets the cap anew, not below what is spent or under way. What waited for it goes on. */
  setCap(msat: bigint): void {
    const { spentMsat, reservedMsat } = this.view()
    const least = spentMsat + reservedMsat
    this.#capMsat = msat > least ? msat : least
    this.#divide()
  }

  /**
   * Opens a connection that may spend `wishMsat`, or all that others leave. Undefined where the cap leaves less than
   * that, or too little to begin.
   *
   * @throws what `connect` throws
   */
  open(wishMsat: bigint | undefined, connect: (maxCost: bigint) => Socket): Socket | undefined {
    this.#settle()
    const grant: Grant = { socket: undefined, wishMsat, isOpen: true }
    const roomMsat = this.#roomFor(grant)
    const maxCost = wishMsat ?? roomMsat - FAREWELL_MSAT
    if (maxCost < LEAST_MSAT || roomMsat < maxCost) return undefined
    this.#grants.add(grant)
    this.#divide()
    const socket = this.#connected(grant, maxCost, connect)
    socket.once('close', () => {
      grant.isOpen = false
      this.#divide()
    })
    return socket
  }

  /** One that could not even begin leaves what was kept for it. */
  #connected(grant: Grant, maxCost: bigint, connect: (maxCost: bigint) => Socket): Socket {
    try {
      grant.socket = connect(maxCost)
      return grant.socket
    } catch (error) {
      this.#grants.delete(grant)
      this.#divide()
      throw error
    }
  }

  /** Lets a connection that takes the rest say that it leaves. */
  farewell(socket: Socket): void {
    const grant = [...this.#grants].find((one) => one.socket === socket)
    if (grant === undefined || grant.wishMsat !== undefined || socket.destroyed) return
    const roomMsat = this.#roomFor(grant)
    const msat = usedBy(grant) + FAREWELL_MSAT
    socket.maxCost = msat < roomMsat ? msat : roomMsat
  }

  /** Whether the connection that was stopped has more to spend than it thought: what others did not need. */
  refresh(): void {
    this.#divide()
  }

  /** What a connection may have in all. */
  #roomFor(grant: Grant): bigint {
    let roomMsat = this.#capMsat - this.#pastSpentMsat
    for (const other of this.#grants) {
      if (other === grant) continue
      const usedMsat = usedBy(other)
      // One that takes the rest gives way; what it used stays used.
      const isFixed = other.isOpen && other.wishMsat !== undefined && other.wishMsat > usedMsat
      roomMsat -= isFixed ? other.wishMsat : usedMsat
    }
    return roomMsat
  }

  /** Gives the latest connection that takes the rest what the rest now is; those before it get nothing more. */
  #divide(): void {
    const takers = [...this.#grants].filter(({ wishMsat, isOpen }) => wishMsat === undefined && isOpen)
    for (const grant of takers) {
      const { socket } = grant
      if (socket === undefined || socket.destroyed) continue
      const msat = grant === takers.at(-1) ? this.#roomFor(grant) - FAREWELL_MSAT : usedBy(grant)
      const maxCost = msat > 0n ? msat : 0n
      if (socket.maxCost !== maxCost) socket.maxCost = maxCost
    }
  }

  /** Forgets connections of which nothing is left to be decided. */
  #settle(): void {
    for (const grant of this.#grants) {
      if (grant.isOpen || grant.socket === undefined || grant.socket.stats.reservedMsat > 0n) continue
      this.#pastSpentMsat += grant.socket.stats.paidMsat
      this.#pastFeesMsat += grant.socket.stats.feesMsat
      this.#grants.delete(grant)
    }
  }
}

function usedBy({ socket }: Grant): bigint {
  return socket === undefined ? 0n : socket.stats.paidMsat + socket.stats.reservedMsat
}
