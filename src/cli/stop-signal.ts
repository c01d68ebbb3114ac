import { EXIT, type ExitCode } from './exit-codes.ts'
import type { SignalName, Signals } from './dependencies.ts'

/** The first signal asks for a clean end, the second ends at once. */
export class StopSignal {
  readonly #controller: AbortController = new AbortController()
  readonly #off: () => void
  #name: SignalName | undefined

  constructor(signals: Signals) {
    this.#off = signals.on((name) => {
      if (this.#name !== undefined) return signals.exit(exitCodeOf(name))
      this.#name = name
      this.#controller.abort()
    })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get isGiven(): boolean {
    return this.#name !== undefined
  }

  /** 130 or 143. */
  get exitCode(): ExitCode {
    return exitCodeOf(this.#name ?? 'SIGINT')
  }

  /** What a promise comes to; rejects when the signal comes first. */
  async orStop<Result>(promise: Promise<Result>): Promise<Result> {
    promise.catch(() => undefined)
    const { signal } = this
    signal.throwIfAborted()
    const aborted = Promise.withResolvers<never>()
    const abort = (): void => aborted.reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    try {
      return await Promise.race([promise, aborted.promise])
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** Listens no more. */
  release(): void {
    this.#off()
  }
}

function exitCodeOf(name: SignalName): ExitCode {
  return name === 'SIGINT' ? EXIT.interrupted : EXIT.terminated
}
