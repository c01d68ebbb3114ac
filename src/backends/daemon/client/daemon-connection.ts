import type { Duplex } from 'node:stream'
import { BackOff } from '../../../floor/back-off.ts'
import type { Clock } from '../../../floor/clock.ts'
import { BackendError } from '../../backend.ts'
import { ANSWER_MS, DAEMON_RECONNECT, DETACH_MS, GREETING_MS } from '../protocol/limits.ts'
import type { AttachRequest, AttachResult, CallName, Calls, SentEvent } from '../protocol/messages.ts'
import { daemonAway, RpcClient } from './rpc-client.ts'

export interface DaemonConnectionOptions {
  readonly clock: Clock
  open(): Promise<Duplex>
  /** What this program says of itself. */
  describe(isBack: boolean): AttachRequest
  /** @throws BackendError where the program cannot use this daemon */
  check(attached: AttachResult): void
  /** It is attached: calls may follow. */
  attached(attached: AttachResult, isBack: boolean): void
  /** None comes before `attached` has returned. */
  event(event: SentEvent): void
  /** The attachment ended; it is made again. */
  lost(why: string): void
  /** The daemon cannot be attached to for a reason that waiting does not mend: once each time that it is away. */
  hindered(error: BackendError): void
}

/** A program's attachment to its daemon: made again with growing pauses whenever it ends (spec/daemon.md §4.5). */
export class DaemonConnection {
  readonly #options: DaemonConnectionOptions
  #client: RpcClient | undefined
  /** The one that is asked for the daemon's status. */
  #probed: RpcClient | undefined
  #isStopped = false
  readonly #backOff = new BackOff(DAEMON_RECONNECT)
  #hasWarned = false
  #cancelRetry: (() => void) | undefined
  /** Calls that wait for the daemon to be back. */
  readonly #waiting = new Set<() => void>()

  constructor(options: DaemonConnectionOptions) {
    this.#options = options
  }

  get isAttached(): boolean {
    return this.#client?.isOpen === true
  }

  /** Attaches for the first time. @throws BackendError, or what `open` does */
  start(): Promise<AttachResult> {
    return this.#attach(false)
  }

  /** Resolves when the daemon has let go of what this program had: another process may start then. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelRetry?.()
    this.#wake()
    const client = this.#client
    this.#client = undefined
    if (client?.isOpen === true) await this.#detach(client)
  }

  /** Any call but a payment, which may take hours. @throws BackendError as the daemon's, or 'offline' */
  async call<Name extends Exclude<CallName, 'pay'>>(
    call: Name,
    argument: Calls[Name]['argument'],
  ): Promise<Calls[Name]['result']> {
    const client = this.#client
    if (client === undefined) throw daemonAway()
    const cancel = this.#watch(client)
    try {
      return await client.call(call, argument)
    } finally {
      cancel()
    }
  }

  /**
   * Undefined where the daemon is away: it was not told of the payment.
   *
   * @throws BackendError where nobody knows whether it was told
   */
  pay(payment: Calls['pay']['argument']): Promise<Calls['pay']['result']> | undefined {
    return this.#client?.isOpen === true ? this.#client.call('pay', payment) : undefined
  }

  /** Resolves when it is attached again, or was stopped. */
  untilBack(): Promise<void> {
    if (this.#client !== undefined || this.#isStopped) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.add(resolve)
    })
  }

  async #attach(isBack: boolean): Promise<AttachResult> {
    const stream = await this.#options.open()
    // Events that come together with the answer are handed on after it.
    const early: SentEvent[] = []
    let receive = (event: SentEvent): void => void early.push(event)
    const client = new RpcClient(stream, {
      event: (event) => receive(event),
      closed: (why) => this.#closed(client, why),
    })
    const cancelGreeting = this.#after(GREETING_MS, () => client.close('it does not answer'))
    try {
      await client.greet()
      const attached = await client.call('attach', this.#options.describe(isBack))
      if (this.#isStopped) throw new BackendError('stopped', 'this backend was stopped; take a new one')
      this.#options.check(attached)
      this.#client = client
      this.#backOff.reset()
      this.#hasWarned = false
      this.#options.attached(attached, isBack)
      this.#wake()
      receive = (event) => this.#receive(client, event)
      for (const event of early) this.#receive(client, event)
      return attached
    } catch (error) {
      client.close('not attached')
      throw error
    } finally {
      cancelGreeting()
    }
  }

  #receive(client: RpcClient, event: SentEvent): void {
    if (this.#client === client) this.#options.event(event)
  }

  #closed(client: RpcClient, why: string): void {
    if (this.#isStopped || this.#client !== client) return
    this.#client = undefined
    this.#options.lost(why)
    this.#retry()
  }

  #retry(): void {
    this.#cancelRetry = this.#after(this.#backOff.next(), () => {
      this.#attach(true).catch((error: unknown) => {
        if (this.#isStopped || this.#client !== undefined) return
        this.#warn(error)
        this.#retry()
      })
    })
  }

  /** Another version of the protocol, or a socket that this user may not use. */
  #warn(error: unknown): void {
    if (!(error instanceof BackendError) || error.code === 'offline' || this.#hasWarned) return
    this.#hasWarned = true
    this.#options.hindered(error)
  }

  async #detach(client: RpcClient): Promise<void> {
    const cancel = this.#after(DETACH_MS, () => client.close('it does not answer'))
    try {
      await client.call('detach', undefined)
    } catch {
      // The connection ended, which is as good.
    } finally {
      cancel()
      client.close('this program stops')
    }
  }

  /** Asks for the daemon's status from time to time while a call takes long. Returns what ends that. */
  #watch(client: RpcClient): () => void {
    let cancel: () => void
    const arm = (): void => {
      cancel = this.#after(ANSWER_MS, () => {
        void this.#probe(client)
        arm()
      })
    }
    arm()
    return () => cancel()
  }

  /** A call may be slow at the node; where the status is not answered either, the daemon hangs. */
  async #probe(client: RpcClient): Promise<void> {
    if (this.#probed === client) return
    this.#probed = client
    const cancel = this.#after(GREETING_MS, () => client.close('it does not answer'))
    try {
      await client.call('status', undefined)
    } catch {
      // The connection ended, and with it the calls that wait.
    } finally {
      cancel()
      if (this.#probed === client) this.#probed = undefined
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }

  #after(ms: number, callback: () => void): () => void {
    const { clock } = this.#options
    return clock.schedule(clock.now() + ms, callback)
  }
}
