import { soon, turn, type Clock } from '../../floor/clock.ts'
import { DEFAULT_BOUND_MS, MAX_EVENTS_AT_ONCE, MAX_TURNS_AT_ONCE, TURNS_BEFORE_QUIET } from './limits.ts'
import { SimulationError } from './errors.ts'
import { checkNames } from './option-names.ts'
import { UndrivenWatch } from './undriven.ts'
import { EventQueue, type EventHandler, type QueuedEvent } from './event-queue.ts'
import { RealTimePump, type NextEvent } from './realtime.ts'

/** Where a run ends. */
export interface RunBounds {
  /** Run up to this time, blocks and other traffic included, and leave the clock there. */
  readonly untilMs?: number
  /** Stop as soon as this holds; asked after every instant at which something happened. */
  readonly until?: () => boolean
  /** Without `untilMs`: give up after this much virtual time. Default: a day. */
  readonly withinMs?: number
}

const BOUND_NAMES: Readonly<Record<keyof RunBounds, true>> = { untilMs: true, until: true, withinMs: true }

/** Why a run ended: nothing but background events is left, `until` holds, or the time is up. */
export type RunEnd = 'quiet' | 'until' | 'time'

/**
 * Time, and the events in it. Virtual time goes from event to event; after each
 * instant at which something left the simulator (an event to a sink, a resolved
 * promise, a fired timer) the process gets turns of its event loop until it has
 * nothing more to ask at this instant. Instants inside the network cost no turn.
 *
 * In real-time mode the same queue is emptied by a real timer.
 */
export class Engine implements Clock {
  readonly #queue = new EventQueue()
  readonly #pump: RealTimePump | undefined
  readonly #quietTurns: number
  #now = 0
  /** Something left the simulator since the last turn. */
  #calledOut = false
  /** Calls from outside; whether a turn brought one shows in it. */
  #calls = 0
  /** Callbacks of `soon` that are still to come. */
  #turnsToCome = 0
  #events = 0
  #turns = 0
  #running = false
  /** Calls from outside when the last run ended. */
  #callsSeen = 0
  #hasProcess = false
  readonly #watch: UndrivenWatch | undefined

  /**
   * `quietTurns`: turns without a call that end an instant; more for processes that wait in chains of `setImmediate`.
   */
  constructor(options: { readonly quietTurns?: number; readonly realTime?: { readonly speed: number } }) {
    this.#quietTurns = options.quietTurns ?? 1
    if (options.realTime !== undefined) {
      this.#pump = new RealTimePump(options.realTime.speed, () => this.#fireDue())
    } else this.#watch = new UndrivenWatch(this)
  }

  get nowMs(): number {
    return this.#now
  }

  get events(): number {
    return this.#events
  }

  /** Turns of the event loop that runs have waited for. */
  get turns(): number {
    return this.#turns
  }

  /** A process of the application's is on a node of this network. */
  attached(): void {
    this.#hasProcess = true
  }

  /** Whether something that a process asked for since the last run waits for time to pass. */
  get waitsForRun(): boolean {
    return this.#hasProcess && !this.#running && this.#calls > this.#callsSeen && this.#queue.foreground > 0
  }

  get pendingEvents(): number {
    return this.#queue.foreground
  }

  now(): number {
    if (this.#pump !== undefined) this.#now = Math.max(this.#now, this.#pump.nowMs())
    return this.#now
  }

  schedule(atMs: number, callback: () => void, options?: { readonly ref?: boolean }): () => void {
    this.enter()
    const event = this.push(atMs, new Timer(this, callback, options?.ref ?? false), 0)
    return () => {
      if (event.heapIndex < 0) return
      this.enter()
      this.#queue.cancel(event)
      this.#pump?.ref(this.#queue.holding > 0)
    }
  }

  /** A turn of the process, which a run waits for before it lets the time pass. */
  soon(callback: () => void): () => void {
    this.#calls++
    this.#turnsToCome++
    let isToCome = true
    const done = (): void => {
      if (isToCome) this.#turnsToCome--
      isToCome = false
    }
    const cancel = soon(() => {
      done()
      callback()
    })
    return () => {
      done()
      cancel()
    }
  }

  /** Every call from outside starts here: the clock is brought up to date. */
  enter(): void {
    this.#calls++
    if (!this.#running) this.#watch?.asked()
    this.now()
  }

  /** To be called before anything leaves the simulator: the process gets its turn after this instant. */
  callOut(): void {
    this.#calledOut = true
  }

  /** Puts an event into the queue; one that lies in the past happens now. */
  push(atMs: number, handler: EventHandler, phase: number): QueuedEvent {
    const at = atMs > this.#now ? atMs : this.#now
    const event = this.#queue.push(at, handler, phase)
    if (this.#pump !== undefined) this.#pump.wakeBy(at, this.#queue.holding > 0)
    return event
  }

  /** An event that nothing depends on any more: it comes in its order, and no longer keeps a process alive. */
  letGo(event: QueuedEvent): void {
    this.#queue.letGo(event)
    this.#pump?.ref(this.#queue.holding > 0)
  }

  async run(bounds: RunBounds = {}): Promise<RunEnd> {
    checkNames("the run's bounds", bounds, BOUND_NAMES, 'bad-option')
    if (this.#pump !== undefined)
      throw new SimulationError('busy', 'a simulation in real time runs by itself; wait for what you expect')
    this.#claim()
    try {
      const limit = bounds.untilMs ?? this.#now + (bounds.withinMs ?? DEFAULT_BOUND_MS)
      for (;;) {
        await this.#settle()
        if (bounds.until?.() === true) return 'until'
        if (bounds.untilMs === undefined && this.#queue.foreground === 0) return 'quiet'
        const end = this.#advance(limit, bounds)
        if (end !== undefined) return end
      }
    } finally {
      this.#running = false
      this.#callsSeen = this.#calls
    }
  }

  /** Runs until `promise` settles, and returns what it resolves to or throws what it rejects with. */
  async drive<T>(promise: PromiseLike<T>, options: { readonly withinMs?: number } = {}): Promise<T> {
    checkNames("the drive's options", options, { withinMs: true }, 'bad-option')
    const within = options.withinMs ?? DEFAULT_BOUND_MS
    let settled = false
    const done = (): void => {
      settled = true
    }
    const isSettled = (): boolean => settled
    promise.then(done, done)
    if (this.#pump !== undefined) return await promise
    const limit = this.#now + within
    while (!isSettled()) {
      const end = await this.run({ until: isSettled, withinMs: Math.max(0, limit - this.#now) })
      if (end === 'until') break
      for (let i = 0; i < TURNS_BEFORE_QUIET && !isSettled() && this.#queue.foreground === 0; i++) await this.#turn()
      if (isSettled()) break
      if (this.#queue.foreground === 0) {
        throw new SimulationError(
          'quiet',
          `nothing is left to happen at ${this.#now} ms, but the promise is still pending: it waits for something that no payment, timer or event will bring`,
        )
      }
      if (this.#now >= limit) {
        throw new SimulationError(
          'time-bound',
          `the promise is still pending after ${within} ms of virtual time (now ${this.#now} ms, ${this.#queue.foreground} events to come)`,
        )
      }
    }
    return await promise
  }

  /** Real-time mode: no further event fires. */
  close(): void {
    this.#pump?.close()
  }

  #claim(): void {
    if (this.#running)
      throw new SimulationError('busy', 'this simulation is running already; wait for the run before you start another')
    this.#running = true
    this.#watch?.driven()
  }

  /** From event to event, until the process must get its turn; the run's end, if it is reached. */
  #advance(limit: number, bounds: RunBounds): RunEnd | undefined {
    const queue = this.#queue
    for (;;) {
      const time = queue.nextTime()
      if (time > limit) {
        this.#now = limit
        return 'time'
      }
      this.#now = time
      let atOnce = 0
      do {
        fireNext(queue)
        if (++atOnce > MAX_EVENTS_AT_ONCE)
          throw new SimulationError('endless', `more than ${MAX_EVENTS_AT_ONCE} events at ${time} ms`)
      } while (queue.nextTime() === time)
      this.#events += atOnce
      if (this.#calledOut) return undefined
      if (bounds.until?.() === true) return 'until'
      if (bounds.untilMs === undefined && queue.foreground === 0) return undefined
    }
  }

  /** Lets microtasks, nextTicks and streams do all that follows from what left the simulator. */
  async #settle(): Promise<void> {
    let quiet = 0
    for (let turns = 0; quiet < this.#quietTurns || this.#turnsToCome > 0; turns++) {
      this.#calledOut = false
      const before = this.#calls
      await this.#turn()
      quiet = this.#calls === before ? quiet + 1 : 0
      if (turns > MAX_TURNS_AT_ONCE)
        throw new SimulationError(
          'endless',
          `the process keeps calling at ${this.#now} ms without letting the time pass`,
        )
    }
  }

  async #turn(): Promise<void> {
    this.#turns++
    await turn()
  }

  /** Real-time mode: fires what is due; the time of the next event, or Infinity, and whether it holds the process. */
  #fireDue(): NextEvent {
    const queue = this.#queue
    const limit = this.now()
    for (let atOnce = 0; queue.nextTime() <= limit && atOnce < MAX_EVENTS_AT_ONCE; atOnce++) {
      this.#now = Math.max(this.#now, queue.nextTime())
      this.#events++
      fireNext(queue)
    }
    return { nextMs: queue.nextTime(), ref: queue.holding > 0 }
  }
}

function fireNext(queue: EventQueue): void {
  const event = queue.shift()
  event?.handler.fire(event.phase)
}

class Timer implements EventHandler {
  readonly background = false
  readonly ref: boolean
  readonly #engine: Engine
  readonly #callback: () => void

  constructor(engine: Engine, callback: () => void, ref: boolean) {
    this.#engine = engine
    this.#callback = callback
    this.ref = ref
  }

  fire(): void {
    this.#engine.callOut()
    this.#callback()
  }
}
