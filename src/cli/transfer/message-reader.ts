import type { Readable } from 'node:stream'
import { PREAMBLE } from './bounds.ts'
import { TransferError } from './errors.ts'
import { decodeBody, HEAD_BYTES, malformed, type Message, type MessageType, readHead } from './messages.ts'

const FROM_SENDER: readonly MessageType[] = ['offer', 'start', 'data', 'end', 'error']
const FROM_RECEIVER: readonly MessageType[] = ['have', 'wait', 'done', 'error']

/**
 * One side's messages, read one at a time: what is not asked for stays in the stream. Never holds more than one
 * message and one chunk of the stream. The stream is left open.
 */
export class MessageReader {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #from: 'sender' | 'receiver'
  readonly #onBytes: () => void
  #rest: Uint8Array = new Uint8Array(0)
  #begun: boolean

  /** @param onBytes hears that some came, also where they are no whole message yet */
  constructor(stream: Readable, from: 'sender' | 'receiver', onBytes: () => void = () => undefined) {
    this.#chunks = stream.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>
    this.#from = from
    this.#onBytes = onBytes
    this.#begun = from === 'receiver' // only the sender's stream has a preamble
  }

  /**
   * The next message; undefined when the stream has ended between two messages.
   * @throws TransferError for bytes that are no message of this side, else what the stream throws
   */
  async next(): Promise<Message | undefined> {
    if (!this.#begun) {
      const preamble = await this.#take(PREAMBLE.length)
      if (preamble === undefined) return undefined
      checkPreamble(preamble)
      this.#begun = true
    }
    const head = await this.#take(HEAD_BYTES)
    if (head === undefined) return undefined
    const { type, length } = readHead(head)
    const expected = this.#from === 'sender' ? FROM_SENDER : FROM_RECEIVER
    if (!expected.includes(type)) throw malformed(`${type} from the ${this.#from}`)
    const body = length === 0 ? new Uint8Array(0) : await this.#take(length)
    if (body === undefined) throw malformed('an end in the middle of a message')
    return decodeBody(type, body)
  }

  /** Reads to the end, for nobody: a stream that is not read does not end. */
  discard(): void {
    const read = async (): Promise<void> => {
      while ((await this.#chunks.next()).done !== true);
    }
    read().catch(() => undefined) // the stream's error has been told, or is of no interest
  }

  /** Exactly so many bytes; undefined where the stream ends before the first. */
  async #take(length: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length < length) {
      const chunk = await this.#chunks.next()
      if (chunk.done === true) {
        if (this.#rest.length === 0) return undefined
        throw malformed('an end in the middle of a message')
      }
      this.#onBytes()
      this.#rest = this.#rest.length === 0 ? chunk.value : Buffer.concat([this.#rest, chunk.value])
    }
    const taken = Uint8Array.from(this.#rest.subarray(0, length))
    this.#rest = this.#rest.subarray(length)
    return taken
  }
}

/** file-transfer §1.3 */
function checkPreamble(bytes: Uint8Array): void {
  const mark = PREAMBLE.length - 1
  if (bytes.subarray(0, mark).some((byte, index) => byte !== PREAMBLE[index])) throw malformed('it does not begin so')
  if (bytes[mark] !== PREAMBLE[mark]) {
    throw new TransferError('UNSUPPORTED', `version ${bytes[mark] ?? 0} of the protocol; this side knows 1`)
  }
}
