import { BackOff } from '../../floor/back-off.ts'
import type { Clock } from '../../floor/clock.ts'
import type { BackendEvent } from '../backend.ts'
import { HEIGHT_POLL_MS, LOOK_AGAIN_MS, NODE_RECONNECT } from './limits.ts'
import { asBackendError, isAway, isCertificate, Status, whyAway, type RpcError } from './rpc/errors.ts'
import { type LndClient } from './rpc/client.ts'
import type { Invoices } from './payments/invoices.ts'
import type { Payments } from './payments/payments.ts'
import type { PhantomLane } from './phantom/phantom-lane.ts'

export interface LivenessNeeds {
  readonly client: LndClient
  readonly clock: Clock
  emit(event: BackendEvent): void
  readonly payments: Payments
  readonly invoices: Invoices
  readonly phantom: PhantomLane
  /** Reads the node's certificate again; whether it is another than before. @throws BackendError */
  reread(): boolean
}

/**
 * Knows whether the node answers, and its height, by polling getInfo: nothing else tells without further
 * permissions. When the node comes back, streams are opened first, then lost payments are asked for.
 */
export class Liveness {
  readonly #needs: LivenessNeeds
  #height: number
  #isOnline = true
  #stopped = false
  #asking = false
  #looking = false
  /** A person was warned that `#lookAround` fails, and it has not worked since. */
  #warned = false
  readonly #retry = new BackOff(NODE_RECONNECT)
  #cancel: (() => void) | undefined

  constructor(needs: LivenessNeeds, height: number) {
    this.#needs = needs
    this.#height = height
  }

  get height(): number {
    return this.#height
  }

  get isOnline(): boolean {
    return this.#isOnline
  }

  start(): void {
    this.#askIn(HEIGHT_POLL_MS)
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  /** A call or a stream broke: the node is asked at once, and nothing is sent before it has answered. */
  suspect(error: unknown): void {
    if (this.#stopped || error === undefined || !isAway(error) || !this.#isOnline) return
    if ((error as RpcError).code === Status.unavailable) this.#wentAway(error)
    if (!this.#asking) this.#askIn(0)
  }

  #askIn(ms: number): void {
    if (this.#stopped) return
    this.#cancel?.()
    this.#cancel = this.#needs.clock.schedule(this.#needs.clock.now() + ms, () => {
      this.#asking = true
      void this.#ask().finally(() => {
        this.#asking = false
      })
    })
  }

  async #ask(): Promise<void> {
    try {
      const info = await this.#needs.client.call('getInfo', {})
      if (this.#stopped) return
      this.#heightIs(info.block_height)
      if (!this.#isOnline) this.#cameBack()
      this.#retry.reset()
      this.#askIn(HEIGHT_POLL_MS)
      void this.#lookAround()
    } catch (error) {
      if (this.#stopped) return
      if (isAway(error)) this.#wentAway(error)
      if (isAway(error) && isCertificate((error as RpcError).details ?? '')) this.#reread()
      const retryMs = this.#retry.next()
      this.#askIn(isAway(error) ? retryMs : HEIGHT_POLL_MS)
    }
  }

  /**
   * What can wait a little: lost payments and paths that no longer lead here. One at a time: it may take longer than a
   * poll.
   */
  async #lookAround(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    const { payments, phantom } = this.#needs
    try {
      if (payments.lost > 0) await payments.resolveLost()
      await phantom.checkPaths()
      this.#warned = false
    } catch (error) {
      this.#lookFailed(error)
    } finally {
      this.#looking = false
    }
  }

  #lookFailed(error: unknown): void {
    if (this.#stopped) return
    // Another connection to the same node may take longer to come back.
    if (isAway(error)) return this.#askIn(LOOK_AGAIN_MS)
    if (this.#warned) return
    this.#warned = true
    const { message } = asBackendError(error)
    this.#needs.emit({
      type: 'warning',
      code: 'node-call',
      message: `payments and paths cannot be looked after: ${message}`,
    })
  }

  /** lnd makes a new certificate when its old one has expired, and when a person removes it. */
  #reread(): void {
    try {
      if (!this.#needs.reread()) return
    } catch {
      return // lnd is writing it, or it is gone: 'offline' has said that the old one does not do
    }
    this.#needs.emit({
      type: 'warning',
      code: 'certificate-renewed',
      message: 'lnd has another TLS certificate than before: it was read again from its file, and is used from now on',
    })
  }

  #heightIs(height: number): void {
    if (height === this.#height) return
    this.#height = height
    this.#needs.phantom.block(height)
    this.#needs.emit({ type: 'block', height })
  }

  #wentAway(error: unknown): void {
    if (!this.#isOnline) return
    this.#isOnline = false
    this.#retry.reset()
    this.#needs.payments.loseSight()
    this.#needs.invoices.drop()
    const { details = 'lnd does not answer' } = error as RpcError
    this.#needs.emit({ type: 'offline', detail: isCertificate(details) ? whyAway(details) : details })
  }

  #cameBack(): void {
    this.#isOnline = true
    // The interceptor first: lnd lets go of held HTLCs about a second after its RPC answers.
    this.#needs.phantom.online()
    this.#needs.invoices.open()
    this.#needs.emit({ type: 'online', detail: 'lnd answers again' })
  }
}
