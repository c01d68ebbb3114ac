import { equalBytes } from '../../floor/bytes.ts'
import type { Arrival } from '../../medium/arrival.ts'
import { Code } from '../../wire/errors.ts'
import type { Letter } from '../../wire/notes.ts'
import { type AccountParty, NOBODY } from '../account/entry.ts'
import { refusal, type OfferDecision } from '../driver/held-offers.ts'

/** A message as the account has it: nobody knows who sent it. */
export function partyOf(port: number): AccountParty {
  return { ...NOBODY, port, role: 'responder' }
}

/** One attempt that waits for its verdict. */
export interface WaitingAttempt {
  readonly arrival: Arrival
  readonly attempt: number
  /** What settles it; undefined: a hash of this side's, whose preimage the application has. */
  readonly preimage: Uint8Array | undefined
  readonly answer: (decision: OfferDecision) => void
}

/** Whether an offer still waits for its verdict. */
type IsHeld = (arrival: Arrival) => boolean

/**
 * A message whose payments wait on the phantom lane for what its application says: several attempts may, and one of
 * them at most is settled (spec §18.6).
 */
export class PendingNote {
  /** Port and id: by it the message is known. */
  readonly key: string
  readonly letter: Letter
  readonly data: Uint8Array
  /** Of the attempt that came first: what is shown, and what none that joins falls short of. */
  readonly first: Arrival
  readonly #isHeld: IsHeld
  #attempts: WaitingAttempt[] = []
  /**
   * 'waiting' for its application, 'shown' to it, 'deciding' while its word is being stored, 'over'.
   */
  #state: 'waiting' | 'shown' | 'deciding' | 'over' = 'waiting'

  constructor({ key, letter, data, first }: Pick<PendingNote, 'key' | 'letter' | 'data' | 'first'>, isHeld: IsHeld) {
    this.key = key
    this.letter = letter
    this.data = data
    this.first = first
    this.#isHeld = isHeld
  }

  get state(): 'waiting' | 'shown' | 'deciding' | 'over' {
    return this.#state
  }

  /** Attempts whose verdict would still be somebody's, the first one first. */
  get live(): readonly WaitingAttempt[] {
    return this.#attempts.filter(({ arrival }) => this.#isHeld(arrival)).toSorted((a, b) => a.attempt - b.attempt)
  }

  /** Whether an attempt pays what the first one does: its application says yes to that, whichever is settled. */
  isLike({ isLocked }: Letter, { amountMsat, hash }: Arrival): boolean {
    if (isLocked !== this.letter.isLocked || amountMsat < this.first.amountMsat) return false
    return !isLocked || equalBytes(hash, this.first.hash)
  }

  /** One more attempt; what becomes of it. */
  join(attempt: Omit<WaitingAttempt, 'answer'>): Promise<OfferDecision> {
    const { promise, resolve } = Promise.withResolvers<OfferDecision>()
    this.#attempts = [...this.live, { ...attempt, answer: resolve }]
    return promise
  }

  show(): void {
    this.#state = 'shown'
  }

  /** The application's word is being stored. */
  begin(): void {
    this.#state = 'deciding'
  }

  /** It was not as it was thought: the application may say something else. */
  reopen(): void {
    this.#state = 'shown'
  }

  /** `settled` is taken with this preimage, all others are turned down. */
  settle(settled: WaitingAttempt, preimage: Uint8Array): void {
    this.#state = 'over'
    for (const each of this.#attempts)
      each.answer(
        each === settled
          ? { reception: { action: 'settle', preimage }, paid: undefined, party: partyOf(this.letter.port) }
          : refusal(Code.DUPLICATE),
      )
    this.#attempts = []
  }

  refuse(code: number): void {
    this.#state = 'over'
    for (const { answer } of this.#attempts) answer(refusal(code))
    this.#attempts = []
  }
}
