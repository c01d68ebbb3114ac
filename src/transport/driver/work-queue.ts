/** Something that stands in a row once at most. */
interface Marked {
  isMarked: boolean
}

interface RoundActions<Link, Sender> {
  readonly poll: (link: Link) => void
  readonly serve: (sender: Sender) => void
  readonly done: () => void
}

/**
 * Inputs mark a connection, or a way to a peer; one round, in a tick of its own, takes out of each what has come
 * of it. What an application does in the same tick, or from inside an event, is in the same round.
 */
export class WorkQueue<Link extends Marked, Sender extends Marked> {
  readonly #actions: RoundActions<Link, Sender>
  readonly #links: Link[] = []
  readonly #senders: Sender[] = []
  #isScheduled = false
  #runs = false
  #isStopped = false

  constructor(actions: RoundActions<Link, Sender>) {
    this.#actions = actions
  }

  get isEmpty(): boolean {
    return this.#links.length === 0 && this.#senders.length === 0
  }

  touch(link: Link): void {
    this.#mark(this.#links, link)
  }

  ready(sender: Sender): void {
    this.#mark(this.#senders, sender)
  }

  stop(): void {
    this.#isStopped = true
    this.#links.length = 0
    this.#senders.length = 0
  }

  #mark<Each extends Marked>(row: Each[], each: Each): void {
    if (each.isMarked || this.#isStopped) return
    each.isMarked = true
    row.push(each)
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
        this.#empty(this.#links, this.#actions.poll)
        this.#empty(this.#senders, this.#actions.serve)
      }
    } finally {
      this.#runs = false
    }
    this.#actions.done()
  }

  /** The row grows while it is gone through. */
  #empty<Each extends Marked>(row: Each[], action: (each: Each) => void): void {
    for (const each of row) {
      each.isMarked = false
      action(each)
    }
    row.length = 0
  }
}
