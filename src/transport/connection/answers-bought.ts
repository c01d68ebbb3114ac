import { AHEAD_FACTOR, ANSWERS_KEPT_PAID, FIRST_ANSWERS_AHEAD, MAX_AHEAD_PACKETS, SPARE_PACKETS } from './limits.ts'
import { Service } from './service.ts'

/** What a COST says, and how things stand when it comes. */
interface Cost {
  readonly nowMs: number
  readonly dueMsat: bigint
  readonly isComplete: boolean
  readonly settledMsat: bigint
}

/** What an initiator pays for the packets that answer it, as the responder says what they cost (spec §12.11). */
export class AnswersBought {
  /** What it pays at most for each. */
  readonly #maxMsat: bigint
  /** Packets of the responder's that brought something new of the stream, and others; own ones that ask for one. */
  #useful = 0
  #others = 0
  #asking = 0
  #dueMsat = 0n
  /** What counts as paid, and the responder says that it has not read (spec §12.6): for answers it is not paid. */
  #deniedMsat = 0n
  readonly #service = new Service()

  constructor(maxMsat: bigint) {
    this.#maxMsat = maxMsat
  }

  /** The responder has said what they cost. */
  get isAsked(): boolean {
    return this.#dueMsat > 0n
  }

  /** A packet of the responder's came, for the first time. */
  came(isUseful: boolean): void {
    if (!isUseful) {
      this.#others++
      return
    }
    this.#useful++
    this.#service.came()
  }

  /** A packet goes that asks for an answer. */
  asks(): void {
    this.#asking++
  }

  /** So much of what counts as paid has not come, says the responder. */
  denied(msat: bigint): void {
    this.#deniedMsat += msat
  }

  /** What all of them shall have cost by now; a lower sum than before says nothing. True: unserved for long. */
  billed({ nowMs, dueMsat, isComplete, settledMsat }: Cost): boolean {
    if (dueMsat > this.#dueMsat) this.#dueMsat = dueMsat
    const allowedMsat = this.#allowedMsat(isComplete)
    return this.#service.billed(nowMs, this.#askedMsat > allowedMsat && settledMsat >= allowedMsat)
  }

  // Those that brought nothing are not paid for without bound.
  get #count(): number {
    const spare = SPARE_PACKETS + Math.floor(this.#useful / AHEAD_FACTOR)
    return this.#useful + Math.min(this.#others, spare + this.#asking)
  }

  /** The most that it pays by now: for those that came, and for a stretch ahead. */
  #allowedMsat(isComplete: boolean): bigint {
    const count = this.#count
    const ahead = Math.min(Math.max(AHEAD_FACTOR * count, FIRST_ANSWERS_AHEAD), MAX_AHEAD_PACKETS)
    return this.#maxMsat * BigInt(count + (isComplete ? FIRST_ANSWERS_AHEAD : ahead))
  }

  /** What should be paid by now. `isComplete`: all of the responder's stream is here. */
  targetMsat(isComplete: boolean): bigint {
    const allowedMsat = this.#allowedMsat(isComplete)
    const askedMsat = this.#askedMsat
    return askedMsat < allowedMsat ? askedMsat : allowedMsat
  }

  // Whoever denies what it got gains nothing that it could not ask for: all of it stays within what is allowed.
  get #askedMsat(): bigint {
    return this.#dueMsat === 0n ? 0n : this.#dueMsat + this.#deniedMsat
  }

  /** Whether a packet has to go for that alone: at once for what was asked, else when it is worth a payment. */
  isDue(isComplete: boolean, paidMsat: bigint): boolean {
    const targetMsat = this.targetMsat(isComplete)
    const owedMsat = targetMsat - paidMsat
    if (owedMsat <= 0n) return false
    return targetMsat === this.#askedMsat || owedMsat >= this.#maxMsat * BigInt(FIRST_ANSWERS_AHEAD)
  }

  /** What has to be paid before one more can come, as far as this side can tell. */
  neededMsat(isComplete: boolean, paidMsat: bigint): bigint {
    const owedMsat = this.targetMsat(isComplete) - paidMsat
    return owedMsat < this.#maxMsat ? owedMsat : this.#maxMsat
  }

  /** What the next answer lacks, where each is expected to cost so much and some are to be left after it. */
  lackingMsat(answerMsat: bigint, paidMsat: bigint): bigint {
    const lackingMsat = answerMsat * BigInt(this.#count + ANSWERS_KEPT_PAID) - paidMsat
    if (lackingMsat <= 0n) return 0n
    return lackingMsat < answerMsat ? lackingMsat : answerMsat
  }

  /** What the next answer costs, as far as it may be paid whatever else was. */
  answerMsat(answerMsat: bigint, paidMsat: bigint): bigint {
    const allowedMsat = this.#allowedMsat(false) - paidMsat
    return allowedMsat < answerMsat ? (allowedMsat > 0n ? allowedMsat : 0n) : answerMsat
  }
}
