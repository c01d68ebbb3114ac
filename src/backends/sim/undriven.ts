import { BoundedSet } from '../../floor/bounded.ts'
import { processClock, type Clock } from '../../floor/clock.ts'
import { MAX_UNDRIVEN, UNDRIVEN_MS } from './limits.ts'

/** What is watched: a simulation in virtual time. */
export interface Drivable {
  /** Whether something that was asked for since the last run waits for time to pass. */
  readonly waitsForRun: boolean
}

interface UndrivenNeeds {
  readonly clock: Clock
  readonly warn: (message: string) => void
}

const MESSAGE =
  "a simulation in virtual time waits for somebody to let its time pass: no promise of it settles by itself. Await sim.drive(promise), call sim.run() or sim.runFor(ms), or create it with mode: 'real-time'"

const PROCESS: UndrivenNeeds = {
  clock: processClock,
  warn: (message) => process.emitWarning(message, { code: 'KEYSOCK_SIMULATION_UNDRIVEN' }),
}

/**
 * Says so, once, where a simulation in virtual time was asked for something and nobody lets its time pass: a test would
 * hang, and a program end, without a word. Real time counts here for the warning alone.
 */
export class UndrivenWatch {
  readonly #needs: UndrivenNeeds
  readonly #simulation: Drivable
  #cancel: (() => void) | undefined
  #hasWarned = false
  #wasDriven = false

  constructor(simulation: Drivable, needs: UndrivenNeeds = PROCESS) {
    this.#simulation = simulation
    this.#needs = needs
  }

  /** Something was asked for while no run was under way. */
  asked(): void {
    if (this.#cancel !== undefined || this.#hasWarned) return
    asked.add(this)
    const { clock } = this.#needs
    this.#cancel = clock.schedule(clock.now() + UNDRIVEN_MS, () => {
      this.#cancel = undefined
      this.look()
    })
  }

  /** Somebody lets time pass. */
  driven(): void {
    this.#wasDriven = true
    asked.delete(this)
    this.#cancel?.()
    this.#cancel = undefined
  }

  look(warn: (message: string) => void = this.#needs.warn): void {
    if (this.#hasWarned || !this.#simulation.waitsForRun) return
    this.#hasWarned = true
    warn(MESSAGE)
  }

  /** The process is about to end. A program that let time pass may have seen all that it wanted. */
  end(): void {
    if (!this.#wasDriven) this.look()
  }
}

/** Those that were asked last, for the end of the process; few, so that a simulation can be collected. */
const asked = new BoundedSet<UndrivenWatch>(MAX_UNDRIVEN)
/** Node's exit code of a module that still awaits something when nothing is left to wait for. */
const UNSETTLED_AWAIT = 13

// The process ends where nothing but virtual time is left to wait for.
process.on('beforeExit', () => {
  for (const watch of asked) watch.end()
})
process.on('exit', (code) => {
  // Too late for a warning of Node's.
  if (code === UNSETTLED_AWAIT) for (const watch of asked) watch.look((message) => process.stderr.write(`${message}\n`))
})
