import { Heap, type HeapItem } from '../../floor/heap.ts'

/** What is called when an event is due. One object serves many events: `phase` tells it which. */
export interface EventHandler {
  /** Background events (blocks, other people's traffic) never keep a run going. */
  readonly background: boolean
  /** Real-time mode: whether it keeps the process alive. Default: unless it is background. */
  readonly ref?: boolean
  fire(phase: number): void
}

/** An event in the queue: what `push` returns and `cancel` takes. */
export interface QueuedEvent extends HeapItem {
  readonly timeMs: number
  /** Events of one time come out as they were put in. */
  readonly order: number
  readonly phase: number
  readonly handler: EventHandler
  /** Real-time mode: whether it keeps the process alive. Written by the queue alone. */
  holds: boolean
}

function isBefore(a: QueuedEvent, b: QueuedEvent): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.order < b.order)
}

/** Events, earliest first, in order of insertion where times are equal. */
export class EventQueue {
  readonly #heap = new Heap<QueuedEvent>(isBefore)
  #foreground = 0
  #holding = 0
  #inserted = 0

  /** Events that are not background. */
  get foreground(): number {
    return this.#foreground
  }

  /** Events that keep a process alive in real-time mode. */
  get holding(): number {
    return this.#holding
  }

  get size(): number {
    return this.#heap.size
  }

  /** Time of the earliest event, or Infinity. */
  nextTime(): number {
    return this.#heap.first?.timeMs ?? Infinity
  }

  push(timeMs: number, handler: EventHandler, phase: number): QueuedEvent {
    const holds = handler.ref ?? !handler.background
    const event = { heapIndex: -1, timeMs, order: this.#inserted++, phase, handler, holds }
    this.#heap.put(event)
    this.#count(event, 1)
    return event
  }

  /** Removes the earliest event; undefined where there is none. */
  shift(): QueuedEvent | undefined {
    const event = this.#heap.take()
    if (event !== undefined) this.#count(event, -1)
    return event
  }

  /** Removes an event; one that has come out already is left alone. */
  cancel(event: QueuedEvent): void {
    if (event.heapIndex < 0) return
    this.#heap.remove(event)
    this.#count(event, -1)
  }

  /** The event still comes, and the process need not stay alive for it any more. */
  letGo(event: QueuedEvent): void {
    if (event.heapIndex < 0 || !event.holds) return
    event.holds = false
    this.#holding -= 1
  }

  #count({ handler, holds }: QueuedEvent, change: 1 | -1): void {
    if (!handler.background) this.#foreground += change
    if (holds) this.#holding += change
  }
}
