import type { Clock } from '../../floor/clock.ts'
import type { Network } from './network.ts'

/**
 * A process that may be blocked: everything that comes for it meanwhile, timers included, waits and keeps its order.
 */
export class Blocking {
  /** The network's time, with timers that fire when the process is free. */
  readonly clock: Clock
  readonly #network: Network
  readonly #waiting: (() => void)[] = []
  #isBlocked = false
  #isEnded = false

  constructor(network: Network) {
    const { engine } = network
    this.#network = network
    this.clock = {
      now: () => engine.now(),
      schedule: (atMs, callback, options) => {
        let isCancelled = false
        const cancel = engine.schedule(
          atMs,
          () =>
            this.whenFree(() => {
              if (!isCancelled) callback()
            }),
          options,
        )
        return () => {
          isCancelled = true
          cancel()
        }
      },
    }
  }

  /** Now, or when the process is free again. */
  whenFree(act: () => void): void {
    if (this.#isBlocked && !this.#isEnded) this.#waiting.push(act)
    else if (!this.#isEnded) act()
  }

  block(forMs: number): void {
    if (this.#isBlocked) return
    this.#isBlocked = true
    this.#network.after(forMs, () => this.#free())
  }

  /** The process is gone: nothing comes to it any more. */
  end(): void {
    this.#isEnded = true
    this.#waiting.length = 0
  }

  #free(): void {
    this.#isBlocked = false
    const { engine } = this.#network
    for (const act of this.#waiting.splice(0)) {
      engine.callOut()
      act()
    }
  }
}
