import { Worker } from 'node:worker_threads'
import type { Clock } from '../../../floor/clock.ts'
import { HEARTBEAT_MS, INTERCEPTOR_RETRY_MS, THREAD_END_MS, THREAD_UP_MS, WATCHDOG_MS } from '../limits.ts'
import type { LndClient } from '../rpc/client.ts'
import type { LndCredentials } from '../rpc/connection.ts'
import type { ThreadCommand, ThreadData } from './interceptor-thread.ts'
import { Interceptor } from './interceptor.ts'
import type { InterceptorCommand, InterceptorKey, InterceptorReport } from './interceptor-messages.ts'

/** What runs an interceptor: this thread or one of its own. */
export interface InterceptorHost {
  /** Whether it has come up: before that it opens nothing, however much there is to do. */
  readonly isUp: boolean
  command(command: InterceptorCommand): void
  /** Ends the stream and what reads it. */
  stop(): Promise<void>
}

export interface HostNeeds {
  readonly clock: Clock
  report(report: InterceptorReport): void
}

/**
 * In this thread, for an `lnd` object that was given: it can't cross to another. An application that
 * blocks its thread stalls the whole node then, so that the stream is cancelled once that is noticed.
 */
export class LocalHost implements InterceptorHost {
  readonly isUp = true
  readonly #interceptor: Interceptor
  readonly #clock: Clock
  #cancelBeat: (() => void) | undefined

  constructor(client: LndClient, needs: HostNeeds) {
    this.#clock = needs.clock
    const { clock } = needs
    this.#interceptor = new Interceptor({ client, clock, offerPrefix: '', report: (report) => needs.report(report) })
    this.#beat()
  }

  command(command: InterceptorCommand): void {
    this.#interceptor.command(command)
  }

  async stop(): Promise<void> {
    this.#cancelBeat?.()
    this.#interceptor.command({ type: 'stop' })
  }

  #beat(): void {
    const dueMs = this.#clock.now() + HEARTBEAT_MS
    this.#cancelBeat = this.#clock.schedule(dueMs, () => {
      if (this.#clock.now() - dueMs > WATCHDOG_MS) {
        this.#interceptor.cancel()
        this.#interceptor.command({ type: 'open' })
      }
      this.#beat()
    })
  }
}

/** The part of a worker thread that is used here. */
export type InterceptorThread = Pick<Worker, 'on' | 'once' | 'postMessage' | 'terminate' | 'unref'>

/**
 * In a thread of its own, which nothing that the application does can stall. It is watched: silent for too long, it is
 * ended and another is started.
 */
export class ThreadHost implements InterceptorHost {
  readonly #needs: HostNeeds
  readonly #startThread: (data: ThreadData) => InterceptorThread
  #credentials: LndCredentials
  /** The keys that a new thread has to be given. */
  readonly #keys = new Map<string, InterceptorKey>()
  #height = 0
  #isOpen = false
  #stopped = false
  /** The thread has reported something. */
  #isUp = false
  #worker: InterceptorThread
  #started = 0
  /** Offers of this thread that can be answered. */
  readonly #offers = new Set<string>()
  /** How often the watchdog has looked since the last report. */
  #silent = 0
  #cancelWatch: (() => void) | undefined

  constructor(
    credentials: LndCredentials,
    needs: HostNeeds,
    startThread: (data: ThreadData) => InterceptorThread = startWorker,
  ) {
    this.#startThread = startThread
    this.#credentials = credentials
    this.#needs = needs
    this.#worker = this.#start()
    this.#watch()
  }

  get isUp(): boolean {
    return this.#isUp
  }

  command(command: InterceptorCommand): void {
    if (command.type === 'open') this.#isOpen = true
    else if (command.type === 'add') for (const key of command.keys) this.#keys.set(key.chanId, key)
    else if (command.type === 'remove') for (const chanId of command.chanIds) this.#keys.delete(chanId)
    else if (command.type === 'height') this.#height = command.height
    else if (command.type === 'answer' && !this.#offers.delete(command.offerId)) return
    send(this.#worker, command)
  }

  /** The node has another certificate. */
  renew(credentials: LndCredentials): void {
    this.#credentials = credentials
    send(this.#worker, { type: 'credentials', credentials })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelWatch?.()
    const worker = this.#worker
    if (!this.#isUp) {
      await worker.terminate()
      return
    }
    const ended = Promise.withResolvers<void>()
    worker.once('exit', () => ended.resolve())
    send(worker, { type: 'stop' })
    const { clock } = this.#needs
    const cancel = clock.schedule(
      clock.now() + THREAD_END_MS,
      () => {
        void worker.terminate().then(() => ended.resolve())
      },
      { ref: true },
    )
    await ended.promise
    cancel()
  }

  #start(): InterceptorThread {
    this.#started += 1
    const worker = this.#startThread({ credentials: this.#credentials, offerPrefix: `t${this.#started}` })
    worker.unref()
    worker.on('message', (report: InterceptorReport) => {
      if (worker !== this.#worker) return
      this.#isUp = true
      this.#silent = 0
      if (report.type === 'offer') this.#offers.add(report.offerId)
      else if (report.type === 'offer-gone') this.#offers.delete(report.offerId)
      if (report.type !== 'beat') this.#needs.report(report)
    })
    worker.on('error', (error) => {
      if (worker !== this.#worker) return
      this.#needs.report({
        type: 'warning',
        code: 'interceptor-thread',
        message: `the interceptor's thread failed: ${String(error)}`,
      })
      this.#letGo('its thread failed')
      // Not at once: a thread that fails as it starts would be started without end.
      const { clock } = this.#needs
      clock.schedule(clock.now() + INTERCEPTOR_RETRY_MS, () => {
        if (worker === this.#worker && !this.#stopped) this.#restart('its thread failed')
      })
    })
    return worker
  }

  #restart(detail: string): void {
    const old = this.#worker
    this.#isUp = false
    this.#worker = this.#start()
    // Its connections end with it, so that lnd fails the HTLCs that it held.
    void old.terminate()
    this.#silent = 0
    this.#letGo(detail)
    send(this.#worker, { type: 'height', height: this.#height })
    send(this.#worker, { type: 'add', keys: [...this.#keys.values()] })
    if (this.#isOpen) send(this.#worker, { type: 'open' })
  }

  /** Offers of the thread can no longer be answered. */
  #letGo(detail: string): void {
    for (const offerId of this.#offers) this.#needs.report({ type: 'offer-gone', offerId })
    this.#offers.clear()
    this.#needs.report({ type: 'state', state: 'down', detail })
  }

  #watch(): void {
    const { clock } = this.#needs
    this.#cancelWatch = clock.schedule(clock.now() + HEARTBEAT_MS, () => {
      // Counts looks, not time: this thread may have been blocked itself while reports waited to be read.
      this.#silent += 1
      // One that still loads where others have the processor would be started anew without end.
      const mostMs = this.#isUp ? WATCHDOG_MS : THREAD_UP_MS
      if (this.#silent > mostMs / HEARTBEAT_MS) this.#restart('its thread was silent')
      this.#watch()
    })
  }
}

function startWorker(data: ThreadData): Worker {
  // The build renames the file and leaves strings alone.
  const file = import.meta.url.endsWith('.ts') ? './interceptor-thread.ts' : './interceptor-thread.js'
  return new Worker(new URL(file, import.meta.url), { workerData: data, name: 'keysock interceptor' })
}

function send(worker: InterceptorThread, command: ThreadCommand): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin, a window has
  worker.postMessage(command)
}
