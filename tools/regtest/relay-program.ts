import type { LndNode } from './lnd-node.ts'
import { told, until } from './until.ts'

/** What becomes of a payment that a relay is to pass on. */
export type RelayVerdict = 'pass' | 'hold' | 'fail'

/** A payment that a relay is to pass on. */
export interface RelayedPayment {
  /** From 1 on, in the order in which they came. */
  readonly number: number
  /** The channel over which it came, as lnd's RPC writes it. */
  readonly from: string
  /** How many of those that came over the same channel are under way at this relay, this one left out. */
  readonly pending: number
}

interface CircuitKey {
  readonly chan_id: string
  readonly htlc_id: string
}
interface RawForward {
  readonly incoming_circuit_key: CircuitKey
}
interface RawEvent {
  readonly event_type: string
  readonly incoming_channel_id: string
  readonly incoming_htlc_id: string
  /** Which of its kinds it is. */
  readonly event: string
}
interface Stream<Message> {
  on(event: 'data', listener: (message: Message) => void): unknown
  on(event: 'error', listener: (error: unknown) => void): unknown
  write(message: object): boolean
  cancel(): void
}
interface RawRouter {
  htlcInterceptor(request: object): Stream<RawForward>
  subscribeHtlcEvents(request: object): Stream<RawEvent>
}

/** Events after which a payment is no longer in the channel over which it came. */
const ENDS: ReadonlySet<string> = new Set(['settle_event', 'forward_fail_event', 'link_fail_event'])

/** A program at a relay that decides about each payment on its way, as those of operators do (circuitbreaker). */
export class RelayProgram {
  /** How many came. */
  seen = 0
  /** How many were failed by its word. */
  failed = 0
  readonly #decide: (payment: RelayedPayment) => RelayVerdict
  readonly #forwards: Stream<RawForward>
  readonly #events: Stream<RawEvent>
  /** Payments under way, by the channel over which they came. */
  readonly #pending: Map<string, Set<string>> = new Map()
  readonly #held: Map<string, CircuitKey> = new Map()
  #isReady = false
  #end: string | undefined

  private constructor(node: LndNode, decide: (payment: RelayedPayment) => RelayVerdict) {
    this.#decide = decide
    const router = node.lnd.router as RawRouter
    this.#events = router.subscribeHtlcEvents({})
    this.#events.on('data', (event) => this.#ended(event))
    this.#forwards = router.htlcInterceptor({})
    this.#forwards.on('data', (forward) => this.#came(forward))
    for (const stream of [this.#events, this.#forwards])
      stream.on('error', (error) => (this.#end ??= `the program at ${node.name} ended: ${told(error)}`))
  }

  /** Decides about what comes from now on. One that lnd offers before its events are told is not counted right. */
  static async attach(node: LndNode, decide: (payment: RelayedPayment) => RelayVerdict): Promise<RelayProgram> {
    const program = new RelayProgram(node, decide)
    const ready = (): true | undefined => program.#isReady || undefined
    await until(`the program at ${node.name} sees its payments`, ready, { hopeless: () => program.#end })
    return program
  }

  /** How many it holds. */
  get held(): number {
    return this.#held.size
  }

  /** Lets what it holds go on, late, and decides about what comes as before. */
  release(): void {
    const held = [...this.#held.values()]
    this.#held.clear()
    for (const key of held) this.#answer(key, 'RESUME')
  }

  /** From now on payments pass by themselves. lnd fails what was held. */
  close(): void {
    this.#end ??= 'it was closed'
    this.#forwards.cancel()
    this.#events.cancel()
  }

  #came({ incoming_circuit_key: key }: RawForward): void {
    const under = this.#pending.get(key.chan_id) ?? new Set()
    this.#pending.set(key.chan_id, under)
    const verdict = this.#decide({ number: ++this.seen, from: key.chan_id, pending: under.size })
    if (verdict === 'fail') {
      this.failed++
      this.#answer(key, 'FAIL')
      return
    }
    under.add(key.htlc_id)
    if (verdict === 'hold') this.#held.set(`${key.chan_id} ${key.htlc_id}`, key)
    else this.#answer(key, 'RESUME')
  }

  #ended({ event, event_type: type, incoming_channel_id: from, incoming_htlc_id: id }: RawEvent): void {
    if (event === 'subscribed_event') this.#isReady = true
    if (type === 'FORWARD' && ENDS.has(event)) this.#pending.get(from)?.delete(id)
  }

  #answer(key: CircuitKey, action: 'RESUME' | 'FAIL'): void {
    this.#forwards.write({ incoming_circuit_key: key, action })
  }
}
