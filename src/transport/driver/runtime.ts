import { type Clock, wallTime } from '../../floor/clock.ts'
import type { Entropy } from '../../floor/entropy.ts'
import type { Tracer } from '../../medium/trace.ts'
import type { RandomBytes } from '../connection/interface.ts'
import { KeysockError, messageOf } from '../errors.ts'
import type { LogFields, Logger } from '../logger.ts'
import type { Store, StoreChange } from '../store/store.ts'
import { Deadlines } from './deadlines.ts'

export interface RuntimeOptions {
  readonly clock: Clock
  readonly entropy: Entropy
  readonly logger: Logger
  readonly store: Pick<Store, 'write'>
  /** Hears what happens; undefined: nobody does. */
  readonly tracer?: Tracer | undefined
  /** Something that a person should know. */
  readonly warn: (code: string, message: string) => void
  /** The store cannot go on: everything ends. */
  readonly fail: (error: KeysockError) => void
}

/** What every part of a driver stands on: time, chance, deadlines, log and store, and whether all of it has stopped. */
export class Runtime {
  readonly deadlines: Deadlines
  /** `length` unpredictable bytes. One function for all connections. */
  readonly random: RandomBytes
  readonly tracer: Tracer | undefined
  readonly #options: RuntimeOptions
  #isStopped = false
  #holds = 0

  constructor(options: RuntimeOptions) {
    this.#options = options
    this.tracer = options.tracer
    this.deadlines = new Deadlines(options.clock)
    this.random = (length) => options.entropy.bytes(length)
  }

  /** Milliseconds of the endpoint's clock. */
  now(): number {
    return this.#options.clock.now()
  }

  /** Milliseconds since 1970, UTC, whole ones; see `Clock.wall`. */
  wallNow(): number {
    return wallTime(this.#options.clock)
  }

  /** Calls back in a later turn of the event loop, also where all has stopped; the result cancels that. */
  soon(callback: () => void): () => void {
    const { clock } = this.#options
    return clock.soon?.(callback) ?? clock.schedule(clock.now(), callback, { ref: true })
  }

  /** Once true, nothing is sent, received or told any more. */
  get isStopped(): boolean {
    return this.#isStopped
  }

  stop(): void {
    this.#isStopped = true
  }

  /** Counts what keeps the process alive: whoever adds 1 says -1 later. */
  countHold(change: 1 | -1): void {
    this.#holds += change
    this.deadlines.hold(this.#holds > 0)
  }

  /**
   * Resolves when the changes are on disk. A store that fails ends the endpoint.
   * @throws KeysockError ERR_KEYSOCK_STORE
   */
  async store(changes: readonly StoreChange[]): Promise<void> {
    try {
      await this.#options.store.write(changes)
    } catch (error) {
      const failure = new KeysockError('ERR_KEYSOCK_STORE', messageOf(error), { cause: error })
      if (!this.#isStopped) this.#options.fail(failure)
      throw failure
    }
  }

  /** Stores changes that nothing waits for; a store that fails ends the endpoint, so its error is not needed here. */
  storeLater(changes: readonly StoreChange[]): void {
    if (changes.length > 0) this.store(changes).catch(() => undefined)
  }

  warn(code: string, message: string): void {
    if (this.#isStopped) return
    this.#options.logger.warn?.({ code }, message)
    this.#options.warn(code, message)
  }

  info(fields: LogFields, message: string): void {
    this.#options.logger.info?.(fields, message)
  }

  debug(fields: LogFields, message: string): void {
    this.#options.logger.debug?.(fields, message)
  }
}
