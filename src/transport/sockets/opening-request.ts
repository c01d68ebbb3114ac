import type { Lane } from '../../medium/payment.ts'
import { APPLICATION_CODES, Code } from '../../wire/errors.ts'
import type { OpeningDecision, OpeningFacts } from '../driver/connection-handle.ts'
import { invalidOption, kindOf } from '../errors.ts'

/** A listener of 'opening': what it returns is waited for where it is a promise. */
type OpeningListener = (request: OpeningRequest) => unknown

/**
 * Somebody opens a connection: what the listeners of 'opening' decide on, at once or with the promise that they return
 * (spec §6.14). Who does not refuse agrees. On the phantom lane a refused caller keeps its money.
 */
export class OpeningRequest {
  /** The port that it is for. */
  readonly port: number
  /** 'phantom': nothing is paid yet; 'node': the money has come, and a refusal does not give it back. */
  readonly lane: Lane
  /** What comes with the opening, msat. */
  readonly amountMsat: bigint
  /** Bytes of the caller's stream that come with it. */
  readonly bytes: number
  /** The caller's public key, where it connects with `identify: 'open'`. */
  readonly remoteAddress: string | undefined
  /** Connections that the server has. */
  readonly connections: number
  /** Other openings that are being decided on. */
  readonly waiting: number
  /** Connections that the server took a second: over the last minute, the older the less. */
  readonly openingsPerSecond: number
  readonly #isOpen: () => boolean
  #isDecided = false
  #decision: OpeningDecision
  #whenDecided: (() => void) | undefined

  /** @internal The event 'opening' of a server brings them. */
  constructor(facts: OpeningFacts) {
    this.port = facts.port
    this.lane = facts.lane
    this.amountMsat = facts.amountMsat
    this.bytes = facts.bytes
    this.remoteAddress = facts.remoteAddress
    this.connections = facts.connections
    this.waiting = facts.waiting
    this.openingsPerSecond = facts.openingsPerSecond
    this.#isOpen = facts.isOpen
  }

  /** Takes the connection at once, whatever another listener would say. False: it was decided already, or too late. */
  accept(): boolean {
    return this.#decide(undefined)
  }

  /**
   * Turns the caller down: its connect fails with ECONNREFUSED and the code, as `error.peerCode`. `reason` is for
   * people, 128 bytes at most, and does not reach a caller on the phantom lane. False: it was decided already, or too
   * late.
   *
   * @param code of the application: 256 to 16,777,215; default DENIED (18)
   * @throws KeysockError ERR_KEYSOCK_INVALID_OPTION
   */
  refuse(reason = '', code: number = Code.DENIED): boolean {
    if (typeof reason !== 'string') throw invalidOption(`the reason of a refusal must be text; got ${kindOf(reason)}`)
    const { first, last } = APPLICATION_CODES
    const isOwn = Number.isInteger(code) && code >= first && code <= last
    if (!isOwn && code !== Code.DENIED) {
      throw invalidOption(`the code of a refusal must be from ${first} to ${last}; got ${String(code)}`)
    }
    return this.#decide({ code, reason })
  }

  /** @internal Asks listeners in their order until one of them decides, then waits for the promises of the others. */
  ask(listeners: readonly OpeningListener[], server: unknown): OpeningDecision | Promise<OpeningDecision> {
    const promises: Promise<unknown>[] = []
    try {
      for (const listener of listeners) {
        const answer: unknown = Reflect.apply(listener, server, [this])
        if (this.#isDecided) return this.#decision
        if (answer instanceof Promise) promises.push(answer)
      }
    } catch (error) {
      this.#failed(error)
    }
    if (promises.length === 0) this.#decide(undefined)
    if (this.#isDecided) return this.#decision
    Promise.all(promises).then(
      () => this.#decide(undefined),
      (error: unknown) => this.#failed(error),
    )
    return new Promise((resolve) => {
      this.#whenDecided = () => resolve(this.#decision)
    })
  }

  /** A listener has thrown: nobody is let in by that, and it ends the process, as from any other event. */
  #failed(error: unknown): void {
    this.#decide({ code: Code.INTERNAL, reason: '' })
    process.nextTick(() => {
      throw error
    })
  }

  #decide(decision: OpeningDecision): boolean {
    if (this.#isDecided || !this.#isOpen()) return false
    this.#isDecided = true
    this.#decision = decision
    this.#whenDecided?.()
    return true
  }
}
