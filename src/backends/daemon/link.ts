import type { Duplex } from 'node:stream'
import type { Clock } from '../../floor/clock.ts'
import { BackendError } from '../backend.ts'
import { ANSWER_MS, DETACH_MS, GREETING_MS, RECONNECT_MAX_MS, RECONNECT_MS } from './bounds.ts'
import { Calling } from './calling.ts'
import type { Attach, Attached, CallName, Calls } from './calls.ts'
import type { SentEvent } from './values.ts'

export interface LinkNeeds {
  readonly clock: Clock
  open(): Promise<Duplex>
  /** What this program says of itself. */
  describe(isBack: boolean): Attach
  /** @throws BackendError where this daemon will not do */
  check(attached: Attached): void
  /** It is attached: calls may follow. */
  attached(attached: Attached, isBack: boolean): void
  /** Nothing is told before `attached` has returned. */
  event(event: SentEvent): void
  /** The attachment ended; it is made again. */
  lost(why: string): void
  /** What waiting does not mend keeps the daemon from being attached to: told once each time that it is away. */
  hindered(error: BackendError): void
}

/** A program's attachment to its daemon: made again with growing pauses whenever it ends (spec/daemon.md §4.5). */
export class Link {
  readonly #needs: LinkNeeds
  #calling: Calling | undefined
  /** The one that is asked how it is. */
  #probed: Calling | undefined
  #isStopped = false
  #retryMs = RECONNECT_MS
  #hasComplained = false
  #cancelRetry: (() => void) | undefined
  /** Calls that wait for the daemon to be back. */
  readonly #waiting = new Set<() => void>()

  constructor(needs: LinkNeeds) {
    this.#needs = needs
  }

  get isAttached(): boolean {
    return this.#calling?.isOpen === true
  }

  /** Attaches for the first time. @throws BackendError, or what `open` does */
  start(): Promise<Attached> {
    return this.#attach(false)
  }

  /** What it had is let go of before another process may start. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelRetry?.()
    this.#wake()
    const calling = this.#calling
    this.#calling = undefined
    if (calling?.isOpen === true) await this.#detach(calling)
  }

  /** A call that has an answer in foreseeable time. @throws BackendError as the daemon's, or 'offline' */
  async call<Name extends Exclude<CallName, 'pay'>>(
    call: Name,
    argument: Calls[Name]['argument'],
  ): Promise<Calls[Name]['result']> {
    const calling = this.#calling
    if (calling === undefined)
      throw new BackendError('offline', 'the daemon is away', { advice: "wait for 'online'", away: 'daemon' })
    const cancel = this.#watch(calling)
    try {
      return await calling.call(call, argument)
    } finally {
      cancel()
    }
  }

  /** Undefined where the daemon is away: it was not told of the payment. @throws BackendError where nobody knows whether it was */
  pay(payment: Calls['pay']['argument']): Promise<Calls['pay']['result']> | undefined {
    return this.#calling?.isOpen === true ? this.#calling.call('pay', payment) : undefined
  }

  /** Resolves when it is attached again, or was stopped. */
  untilBack(): Promise<void> {
    if (this.#calling !== undefined || this.#isStopped) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.add(resolve)
    })
  }

  async #attach(isBack: boolean): Promise<Attached> {
    const stream = await this.#needs.open()
    // Events that come with the answer are told when what it says has been.
    const early: SentEvent[] = []
    let take = (event: SentEvent): void => void early.push(event)
    const calling = new Calling(stream, {
      event: (event) => take(event),
      closed: (why) => this.#closed(calling, why),
    })
    const cancelGreeting = this.#after(GREETING_MS, () => calling.close('it does not answer'))
    try {
      await calling.greet()
      const attached = await calling.call('attach', this.#needs.describe(isBack))
      if (this.#isStopped) throw new BackendError('stopped', 'this backend was stopped; take a new one')
      this.#needs.check(attached)
      this.#calling = calling
      this.#retryMs = RECONNECT_MS
      this.#hasComplained = false
      this.#needs.attached(attached, isBack)
      this.#wake()
      take = (event) => this.#take(calling, event)
      for (const event of early) this.#take(calling, event)
      return attached
    } catch (error) {
      calling.close('not attached')
      throw error
    } finally {
      cancelGreeting()
    }
  }

  #take(calling: Calling, event: SentEvent): void {
    if (this.#calling === calling) this.#needs.event(event)
  }

  #closed(calling: Calling, why: string): void {
    if (this.#isStopped || this.#calling !== calling) return
    this.#calling = undefined
    this.#needs.lost(why)
    this.#retry()
  }

  #retry(): void {
    this.#cancelRetry = this.#after(this.#retryMs, () => {
      this.#attach(true).catch((error: unknown) => {
        if (this.#isStopped || this.#calling !== undefined) return
        this.#complain(error)
        this.#retry()
      })
    })
    this.#retryMs = Math.min(2 * this.#retryMs, RECONNECT_MAX_MS)
  }

  /** Another version, a mode that shuts this user out. */
  #complain(error: unknown): void {
    if (!(error instanceof BackendError) || error.code === 'offline' || this.#hasComplained) return
    this.#hasComplained = true
    this.#needs.hindered(error)
  }

  async #detach(calling: Calling): Promise<void> {
    const cancel = this.#after(DETACH_MS, () => calling.close('it does not answer'))
    try {
      await calling.call('detach', undefined)
    } catch {
      // The connection ended, which is as good.
    } finally {
      cancel()
      calling.close('this program stops')
    }
  }

  /** Looks after a call, as long as it takes. Returns what ends that. */
  #watch(calling: Calling): () => void {
    let cancel: () => void
    const arm = (): void => {
      cancel = this.#after(ANSWER_MS, () => {
        void this.#probe(calling)
        arm()
      })
    }
    arm()
    return () => cancel()
  }

  /** The call may be slow at the node; the daemon hangs where it does not say how it is either. */
  async #probe(calling: Calling): Promise<void> {
    if (this.#probed === calling) return
    this.#probed = calling
    const cancel = this.#after(GREETING_MS, () => calling.close('it does not answer'))
    try {
      await calling.call('status', undefined)
    } catch {
      // The connection ended, which those whose calls wait are told.
    } finally {
      cancel()
      if (this.#probed === calling) this.#probed = undefined
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }

  #after(ms: number, callback: () => void): () => void {
    const { clock } = this.#needs
    return clock.schedule(clock.now() + ms, callback)
  }
}
