import type { MoneyStatus } from '../protocol/messages.ts'
import type { DecidedOutcome, Payment } from '../../../medium/payment.ts'

/** A payment that a program asks for, with what is known of it. */
interface AskedPayment {
  /** The name of the program; '' for one without. */
  readonly program: string
  readonly payment: Payment
  /** The public key that it goes to, in hexadecimal; '' over a blinded path. */
  readonly peer: string
  /** The fee at most, msat. */
  readonly feeMsat: bigint
  readonly channels: readonly string[]
}

/** Money that came in. */
interface DaemonIncome {
  readonly amountMsat: bigint
  /** Of which program; '' for one without a name; undefined: no program took it. */
  readonly program: string | undefined
  /** The id of the connection in hexadecimal, and its port, where they are known. */
  readonly connection?: string
  readonly port?: number
  /** Node lane. */
  readonly settleIndex?: bigint
}

/** Who looks after the money of all programs: caps, and the account. */
export interface Purse {
  /** Whether the policy lets programs pay to this key. */
  mayPay(publicKeyHex: string): boolean
  money(): MoneyStatus
  /** Before a payment is made. Resolves when it may be; with words why it may not be. */
  begin(asked: AskedPayment): Promise<string | undefined>
  /** What became of a payment, also of one that a former daemon made; 'unknown' is not told. */
  decided(hash: Uint8Array, outcome: DecidedOutcome): void
  received(income: DaemonIncome): void
  /** The node was restored from an older state: what comes in has settle indices that came before. */
  nodeIsBehind(): void
}
