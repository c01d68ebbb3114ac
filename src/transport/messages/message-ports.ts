import type { Letter } from '../../wire/notes.ts'
import type { PendingNote } from './pending-note.ts'

/** Who reads the messages of a port. */
export interface MessageReader {
  /**
   * 'asked': its application says about each message whether its payment is taken. 'all': what has room is taken.
   */
  readonly takes: 'asked' | 'all'
  /** The most bytes of a message. */
  readonly maxBytes: number
  /** A payment waits for the application's word. False: there is no room for it. */
  offer(pending: PendingNote): boolean
  /** Something was added to what waits to be read. */
  added(): void
}

/** The readers of an endpoint, by port. */
export class MessagePorts {
  readonly #readers: Map<number, MessageReader> = new Map()

  get(port: number): MessageReader | undefined {
    return this.#readers.get(port)
  }

  set(port: number, reader: MessageReader): void {
    this.#readers.set(port, reader)
  }

  delete(port: number, reader: MessageReader): void {
    if (this.#readers.get(port) === reader) this.#readers.delete(port)
  }

  isTooLong(port: number, { data, content }: Pick<Letter, 'data' | 'content'>): boolean {
    const reader = this.#readers.get(port)
    return reader !== undefined && (content?.length ?? data.length) > reader.maxBytes
  }
}
