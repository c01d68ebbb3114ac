/** Finding the receiver: the tries to connect to it, and what their silence says. */
import { type ConnectOptions, type Endpoint, KeysockError, type Socket } from '../../index.ts'
import { ConnectionLost } from './errors.ts'
import { AGAIN_TRY_MS, MAX_TRIES_AT_ONCE, RETRY_MAX_MS, RETRY_MS, SILENCE_SHARE } from './limits.ts'
import type { SendTarget } from './send-transfer.ts'
import type { Time } from './waiting.ts'

/**
 * What is known of a receiver that has not answered. unpaid: nothing could be sent, since no way is known, or nothing
 * may be spent. failing: no payment gets through. hanging: they have no outcome. unanswered: packets were delivered.
 */
export type Silence = 'unpaid' | 'failing' | 'hanging' | 'unanswered'

/** Payments, and of these those that failed, have no outcome, and take longer than nearly all of their kind. */
export type ReachCounts = Readonly<Record<'attempts' | 'failed' | 'unresolved' | 'hung', number>>

export interface ReachOptions {
  readonly endpoint: Endpoint
  readonly target: SendTarget
  readonly maxCostMsat: bigint
  /** How long the first try may take, ms. */
  readonly timeoutMs: number
  /** Since when nothing went forward, ms. */
  readonly sinceMs: number
  readonly time: Time
  readonly signal: AbortSignal
}

/**
 * The pause after so long a silence. A receiver that starts late is found after a share of the time that it was late:
 * within seconds after a minute. Each try is a payment, so the pauses grow.
 */
export function pauseMs(silentMs: number): number {
  return Math.min(RETRY_MAX_MS, Math.max(RETRY_MS, silentMs * SILENCE_SHARE))
}

/**
 * Connects. An OPEN that was delivered while nobody listened is lost, and the transport sends its copy late
 * (spec §6.11), so that further connections are opened beside the first one; the one that is answered first is taken.
 */
export class Reach {
  readonly #options: ReachOptions
  readonly #tries: Set<Socket> = new Set()
  readonly #connected: PromiseWithResolvers<Socket> = Promise.withResolvers()
  #cancelNext: () => void = () => undefined

  constructor(options: ReachOptions) {
    this.#options = options
  }

  /** Payments of all tries. */
  get counts(): ReachCounts {
    let [attempts, failed, unresolved, hung] = [0, 0, 0, 0]
    for (const { stats } of this.#tries) {
      attempts += stats.attempts
      failed += stats.failedAttempts
      unresolved += stats.unresolvedAttempts
      hung += stats.hungAttempts
    }
    return { attempts, failed, unresolved, hung }
  }

  get silence(): Silence {
    const { attempts, failed, unresolved } = this.counts
    if (attempts > failed + unresolved) return 'unanswered'
    if (failed > 0) return 'failing'
    return attempts > 0 ? 'hanging' : 'unpaid'
  }

  /** Resolves with a connected socket. @throws KeysockError with why there is none; ConnectionLost after the signal */
  async connect(): Promise<Socket> {
    const { signal, timeoutMs } = this.#options
    const interrupt = (): void => this.#connected.reject(new ConnectionLost('ABORT_ERR', 'interrupted'))
    if (signal.aborted) interrupt()
    else signal.addEventListener('abort', interrupt, { once: true })
    this.#begin(timeoutMs, { isFirst: true })
    this.#planNext()
    let taken: Socket | undefined
    try {
      taken = await this.#connected.promise
      return taken
    } finally {
      this.#cancelNext()
      signal.removeEventListener('abort', interrupt)
      for (const socket of this.#tries) if (socket !== taken) socket.resetAndDestroy()
    }
  }

  #begin(connectTimeout: number, { isFirst = false }: { readonly isFirst?: boolean } = {}): void {
    const { endpoint, target, maxCostMsat } = this.#options
    const options: ConnectOptions = { maxCost: maxCostMsat, allowHalfOpen: true, connectTimeout }
    const socket = endpoint.createConnection(target.address, target.port, options)
    this.#tries.add(socket)
    let isOver = false
    const fail = (error: unknown): void => {
      if (isOver) return
      isOver = true
      // Another one of these tries may still be answered; how the first one ends is how all do.
      if (isFirst || (error as { readonly code?: unknown }).code !== 'ETIMEDOUT') this.#connected.reject(error)
      else this.#tries.delete(socket)
    }
    socket.once('connect', () => this.#connected.resolve(socket))
    // Stays: a socket that is reset later has an error as well.
    socket.on('error', fail)
    socket.once('close', () => fail(new ConnectionLost('ERR_SOCKET_CLOSED', 'it was closed before it was connected')))
    socket.on('paused', (_reason: string, pause: { readonly isFinal: boolean; readonly priceMsat: bigint }) => {
      if (pause.isFinal) fail(new KeysockError('ERR_KEYSOCK_COST', `a packet costs ${pause.priceMsat} msat`))
    })
  }

  #planNext(): void {
    const { time, sinceMs } = this.#options
    const nowMs = time.now()
    this.#cancelNext = time.schedule(nowMs + pauseMs(nowMs - sinceMs), () => {
      // Payments that fail or hang are sent again by the transport.
      if (this.silence === 'unanswered' && this.#tries.size < MAX_TRIES_AT_ONCE) this.#begin(AGAIN_TRY_MS)
      this.#planNext()
    })
  }
}
