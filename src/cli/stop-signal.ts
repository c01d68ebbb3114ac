import { EXIT, type ExitCode } from './exit-codes.ts'
import type { SignalName, Signals } from './dependencies.ts'
import { orAborted } from './transfer/abort.ts'

/** The first signal asks for a clean end, the second ends at once. What the run cannot go on without may fail, too. */
export class StopSignal {
  readonly #controller: AbortController = new AbortController()
  readonly #off: () => void
  #name: SignalName | undefined
  #failure: Error | undefined

  /** @param beforeExit what must be left in order even where the second signal ends it at once */
  constructor(signals: Signals, beforeExit: () => void = () => undefined) {
    this.#off = signals.on((name) => {
      if (this.#name !== undefined) {
        beforeExit()
        return signals.exit(exitCodeOf(name))
      }
      this.#name = name
      this.#controller.abort()
    })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether a person or the system asked for the end. */
  get isGiven(): boolean {
    return this.#name !== undefined && this.#failure === undefined
  }

  /** Ends what waits, with why nothing can go on. */
  fail(error: Error): void {
    if (this.signal.aborted) return
    this.#failure = error
    this.#controller.abort(error)
  }

  /** 130 or 143. */
  get exitCode(): ExitCode {
    return exitCodeOf(this.#name ?? 'SIGINT')
  }

  /** What a promise comes to; rejects when the signal comes first, or the failure, with that. */
  orStop<Result>(promise: Promise<Result>): Promise<Result> {
    return orAborted(promise, this.signal)
  }

  /** Listens no more. */
  release(): void {
    this.#off()
  }
}

function exitCodeOf(name: SignalName): ExitCode {
  return name === 'SIGINT' ? EXIT.interrupted : EXIT.terminated
}
