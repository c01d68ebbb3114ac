/** How a command ends: with an exit code, and by a signal. */
import { orAborted } from './transfer/waiting.ts'

/** How a command ends, for scripts; --help lists them. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** Stopped where it can be taken up again: the cost cap was reached, or the waiting time is over. */
  stopped: 3,
  /** 128 + SIGHUP, 128 + SIGINT, 128 + SIGTERM */
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What each code says: the help of every command, the manual and docs/configuration.md have this table. */
export const EXIT_MEANINGS: Readonly<Record<ExitCode, string>> = {
  0: 'done',
  1: 'failed',
  2: 'the command line is wrong',
  3: 'stopped, and the same command goes on: cost cap reached, waiting time over',
  129: 'the one who started it is gone (connect)',
  130: 'interrupted with Ctrl-C; the same command goes on',
  143: 'ended by SIGTERM; the same command goes on',
}

/** The table as a help has it; `own`: what a code says of this command in other words. */
export function exitHelp(own: Partial<Record<ExitCode, string>> = {}): string {
  const meanings = Object.entries({ ...EXIT_MEANINGS, ...own })
  return ['Exit codes:', ...meanings.map(([code, meaning]) => `  ${code.padEnd(5)}${meaning}`)].join('\n')
}

export const EXIT_HELP: string = exitHelp()

export type SignalName = 'SIGHUP' | 'SIGINT' | 'SIGTERM'

export interface SignalOptions {
  /**
   * Also SIGHUP: for what lives as long as the one who started it. Else it ends the process, but under nohup, which
   * whoever listens would undo.
   */
  readonly hangup?: boolean
}

/** Signals by which a person, or the system, ends the process. */
export interface Signals {
  /** Calls the result to stop listening. */
  on(listener: (signal: SignalName) => void, options?: SignalOptions): () => void
  /** Ends the process at once. */
  exit(code: number): void
}

/** The signals of this process. */
export const processSignals: Signals = {
  on(listener, { hangup = false } = {}) {
    const names = ['SIGINT', 'SIGTERM', ...(hangup ? ['SIGHUP' as const] : [])] as const
    const listeners = names.map((name) => {
      const heard = (): void => listener(name)
      process.on(name, heard)
      return () => process.off(name, heard)
    })
    return () => {
      for (const off of listeners) off()
    }
  },
  exit: (code) => process.exit(code),
}

/**
 * Ends a run: the first signal asks for a clean end, the second ends the process at once. `fail` ends it as well, where
 * something failed without which the run cannot go on.
 */
export class StopSignal {
  readonly #controller: AbortController = new AbortController()
  readonly #off: () => void
  #name: SignalName | undefined
  #failure: Error | undefined

  /** @param beforeExit runs before the second signal ends the process at once: it leaves the terminal in order */
  constructor(signals: Signals, beforeExit: () => void = () => undefined, options: SignalOptions = {}) {
    this.#off = signals.on((name) => {
      if (this.#name !== undefined) {
        beforeExit()
        return signals.exit(exitCodeOf(name))
      }
      this.#name = name
      this.#controller.abort()
    }, options)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Rejects when the run is to end: with the signal's reason, or with why it cannot go on. */
  get given(): Promise<never> {
    return this.orStop(Promise.withResolvers<never>().promise)
  }

  /** Whether a person or the system asked for the end. */
  get isGiven(): boolean {
    return this.#name !== undefined && this.#failure === undefined
  }

  /** Ends the run with the reason why it cannot go on. */
  fail(error: Error): void {
    if (this.signal.aborted) return
    this.#failure = error
    this.#controller.abort(error)
  }

  /** 129, 130 or 143. */
  get exitCode(): ExitCode {
    return exitCodeOf(this.#name ?? 'SIGINT')
  }

  /** Settles as the promise does, or rejects with the signal or the failure that comes before. */
  orStop<Result>(promise: Promise<Result>): Promise<Result> {
    return orAborted(promise, this.signal)
  }

  /** Stops listening. */
  release(): void {
    this.#off()
  }
}

const EXIT_BY_SIGNAL: Readonly<Record<SignalName, ExitCode>> = {
  SIGHUP: EXIT.hungUp,
  SIGINT: EXIT.interrupted,
  SIGTERM: EXIT.terminated,
}

function exitCodeOf(name: SignalName): ExitCode {
  return EXIT_BY_SIGNAL[name]
}
