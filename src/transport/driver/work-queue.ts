interface RoundActions<Connection, Scheduler> {
  readonly poll: (connection: Connection) => void
  readonly serve: (scheduler: Scheduler) => void
  readonly done: () => void
}

/**
 * Inputs mark a connection, or a way to a peer; one round, in a tick of its own, takes out of each what has come
 * of it. What an application does in the same tick, or from inside an event, is in the same round.
 */
export class WorkQueue<Connection, Scheduler> {
  readonly #actions: RoundActions<Connection, Scheduler>
  readonly #connections: Set<Connection> = new Set()
  readonly #schedulers: Set<Scheduler> = new Set()
  #isScheduled = false
  #runs = false
  #isStopped = false

  constructor(actions: RoundActions<Connection, Scheduler>) {
    this.#actions = actions
  }

  get isEmpty(): boolean {
    return this.#connections.size === 0 && this.#schedulers.size === 0
  }

  /** Something went into the connection: what has come of it is polled before long. */
  touch(connection: Connection): void {
    this.#mark(this.#connections, connection)
  }

  /** Somebody may have a turn: the scheduler is served before long. */
  ready(scheduler: Scheduler): void {
    this.#mark(this.#schedulers, scheduler)
  }

  stop(): void {
    this.#isStopped = true
    this.#connections.clear()
    this.#schedulers.clear()
  }

  #mark<Each>(marked: Set<Each>, each: Each): void {
    if (this.#isStopped) return
    marked.add(each)
    if (this.#isScheduled || this.#runs) return
    this.#isScheduled = true
    // After the callbacks and the promises of this tick: what they write goes out together.
    process.nextTick(() => queueMicrotask(() => this.#run()))
  }

  #run(): void {
    this.#isScheduled = false
    if (this.#isStopped) return
    this.#runs = true
    try {
      while (!this.isEmpty) {
        this.#empty(this.#connections, this.#actions.poll)
        this.#empty(this.#schedulers, this.#actions.serve)
      }
    } finally {
      this.#runs = false
    }
    this.#actions.done()
  }

  /** What is marked meanwhile has its turn in the same pass. */
  #empty<Each>(marked: Set<Each>, action: (each: Each) => void): void {
    for (const each of marked) {
      marked.delete(each)
      action(each)
    }
  }
}
