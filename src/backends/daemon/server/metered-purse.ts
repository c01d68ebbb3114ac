import { toHex } from '../../../floor/bytes.ts'
import type { Clock } from '../../../floor/clock.ts'
import type { DecidedOutcome } from '../../../medium/payment.ts'
import { PaymentMeter } from '../../../medium/payment-meter.ts'
import type { Purse } from './purse.ts'

interface UnderWay {
  readonly amountMsat: bigint
  readonly sinceMs: number
}

/** A purse that also counts what is paid and what comes in, for metrics. */
export class MeteredPurse implements Purse {
  readonly meter: PaymentMeter = new PaymentMeter()
  readonly #purse: Purse
  readonly #clock: Clock
  /** By payment hash; as many as the slots of programs let be under way. */
  readonly #underWay: Map<string, UnderWay> = new Map()
  #receivedMsat = 0n
  #refused = 0

  constructor(purse: Purse, clock: Clock) {
    this.#purse = purse
    this.#clock = clock
  }

  /** All that came in, msat, and payments that a cap did not let pass. */
  get counts(): { readonly receivedMsat: bigint; readonly refused: number } {
    return { receivedMsat: this.#receivedMsat, refused: this.#refused }
  }

  mayPay(publicKeyHex: string): boolean {
    return this.#purse.mayPay(publicKeyHex)
  }

  money(): ReturnType<Purse['money']> {
    return this.#purse.money()
  }

  async begin(asked: Parameters<Purse['begin']>[0]): Promise<string | undefined> {
    const refusal = await this.#purse.begin(asked)
    if (refusal !== undefined) {
      this.#refused++
      return refusal
    }
    const { hash, amountMsat } = asked.payment
    this.#underWay.set(toHex(hash), { amountMsat, sinceMs: this.#clock.now() })
    this.meter.started()
    return undefined
  }

  decided(hash: Uint8Array, outcome: DecidedOutcome): void {
    const key = toHex(hash)
    const payment = this.#underWay.get(key)
    // One of a former daemon, or one that was told before.
    if (payment !== undefined) {
      this.#underWay.delete(key)
      this.meter.decided(outcome, payment.amountMsat, this.#clock.now() - payment.sinceMs)
    }
    this.#purse.decided(hash, outcome)
  }

  received(income: Parameters<Purse['received']>[0]): void {
    this.#receivedMsat += income.amountMsat
    this.#purse.received(income)
  }

  nodeIsBehind(): void {
    this.#purse.nodeIsBehind()
  }
}
