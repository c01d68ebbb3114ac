import type { BackendEvent } from '../../backends/backend.ts'
import type { Arrival } from '../../medium/arrival.ts'
import { Code } from '../../wire/errors.ts'
import { type OfferDecision, refusal } from './held-offers.ts'

export type KeysendEvent = Extract<BackendEvent, { readonly type: 'keysend' }>

/** Who takes the messages of an endpoint (spec §18). */
export interface NoteTaker {
  /** A NOTE came. What becomes of it decides about its payment on the phantom lane. The promise never rejects. */
  receive(arrival: Arrival): OfferDecision | Promise<OfferDecision>
  /** Resolves when messages that are paid are stored; undefined where none waits for that. */
  decided(): Promise<void> | undefined
  /** A plain keysend settled. */
  receiveKeysend(keysend: KeysendEvent): void
  block(height: number): void
}

/** Leads from what arrives to what takes messages, which stands on the driver. */
export class NoteDoor {
  #taker: NoteTaker | undefined

  open(taker: NoteTaker): void {
    this.#taker = taker
  }

  receive(arrival: Arrival): OfferDecision | Promise<OfferDecision> {
    return this.#taker?.receive(arrival) ?? refusal(Code.NO_LISTENER)
  }

  decided(): Promise<void> | undefined {
    return this.#taker?.decided()
  }

  receiveKeysend(keysend: KeysendEvent): void {
    this.#taker?.receiveKeysend(keysend)
  }

  block(height: number): void {
    this.#taker?.block(height)
  }
}
