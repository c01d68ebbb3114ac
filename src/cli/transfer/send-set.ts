import type { Duplex } from 'node:stream'
import { equalBytes } from '../../floor/bytes.ts'
import { ConnectionLost, TransferError } from './errors.ts'
import { hashPrefix } from './file-content.ts'
import { DATA_BYTES, HEADS_BYTES, LIST_BYTES, MAX_CHANGED_TOLD, MAX_WANTED, PREAMBLE } from './limits.ts'
import { encodeMessage, malformed, type Message, MessageReader, type WantedRange } from './messages.ts'
import { nextFile } from './receive-set.ts'
import { lost, runSession, type SendWatcher, type Sent, writeTo } from './send-session.ts'
import type { SetFile } from './set-list.ts'
import type { SetSource } from './set-source.ts'

/**
 * Offers a set over a connection and sends the files that the other side does not have, one after the other
 * (file-transfer §7). Resolves when it has said DONE. The connection is the caller's to close.
 * @throws TransferError (either side's last word), ConnectionLost
 */
export async function sendSetOver(
  socket: Duplex,
  source: SetSource,
  options: { readonly session: Uint8Array; readonly watcher: SendWatcher },
): Promise<Sent> {
  return await runSession(socket, new SetSession(socket, source, options))
}

/** A file that is to go. */
interface Wanted {
  readonly index: number
  readonly offset: number
}

class SetSession {
  readonly #socket: Duplex
  readonly #source: SetSource
  readonly #session: Uint8Array
  readonly #watcher: SendWatcher
  readonly #reader: MessageReader
  /** In the order in which they are sent, */
  readonly #wanted: Wanted[] = []
  /** of which this is the next one. */
  #nextWanted = 0
  /** Whether more of a file is to be read, */
  #isReading = false
  /** or messages are not handed to the connection. */
  #isHeld = false
  /** Files that went whole. */
  readonly #sent: Set<number> = new Set()
  readonly #fileCount: number
  readonly #timesWanted: Map<number, number> = new Map()
  readonly #changed: string[] = []
  /** Messages that go together: heads and small files do not each make a packet. */
  #batch: Uint8Array[] = []
  #batchBytes = 0
  /** Handed to the connection. */
  #written = 0
  /** What the receiver has when all that is written has come. */
  #at = 0
  #sentBytes = 0
  #filesBefore = 0
  #filesSent = 0
  #isOver = false
  #wake: () => void = () => undefined

  constructor(
    socket: Duplex,
    source: SetSource,
    options: { readonly session: Uint8Array; readonly watcher: SendWatcher },
  ) {
    this.#socket = socket
    this.#source = source
    this.#session = options.session
    this.#watcher = options.watcher
    this.#fileCount = source.entries.filter(({ kind }) => kind === 'file').length
    this.#reader = new MessageReader(socket, 'receiver')
  }

  async run(): Promise<Sent> {
    await this.#offer()
    await this.#hearWants()
    this.#at = this.#source.content.size - this.#missingBytes()
    this.#filesBefore = this.#fileCount - this.#wanted.length
    this.#watcher.started(this.#at, this.#written)
    this.#tellFile('')
    const sending = this.#send()
    // Whoever waits for the end hears it.
    sending.catch(() => undefined)
    const listening = this.#listen()
    listening.catch(() => undefined)
    await Promise.race([listening, sending.then(() => listening)])
    const { size, sha256 } = this.#source.content
    return { size, sha256, bytes: this.#sentBytes }
  }

  /** Ends it, whatever the outcome. */
  end(): void {
    this.#isOver = true
    this.#wake()
    this.#reader.discard()
  }

  /** The offer, and the list where it is asked for. */
  async #offer(): Promise<void> {
    const { name, content, set, list } = this.#source
    await this.#write(PREAMBLE)
    await this.#write(encodeMessage({ type: 'offer', name, session: this.#session, content, set }))
    for (;;) {
      const answer = await this.#next()
      if (answer.type === 'wait') this.#watcher.waits()
      else if (answer.type === 'have' && answer.offset === 0) break
      else throw malformed(`${answer.type} in answer to a set`)
    }
    for (let at = 0; at < list.length; at += LIST_BYTES) {
      await this.#write(encodeMessage({ type: 'list', bytes: list.subarray(at, at + LIST_BYTES) }))
    }
  }

  async #hearWants(): Promise<void> {
    for (;;) {
      const answer = await this.#next()
      if (answer.type !== 'want') throw malformed(`${answer.type} in answer to a list`)
      if (answer.ranges.length === 0) return
      for (const range of answer.ranges) this.#want(range)
    }
  }

  /** Later wants, and DONE. */
  async #listen(): Promise<void> {
    for (;;) {
      const answer = await this.#next()
      if (answer.type === 'done') {
        if (this.#isOwing) throw malformed('done before all that is wanted has come')
        return
      }
      if (answer.type !== 'want') throw malformed(`${answer.type} in a set`)
      for (const range of answer.ranges) this.#wantAgain(range)
      this.#wake()
    }
  }

  /** Whether anything that is wanted has not gone whole. */
  get #isOwing(): boolean {
    return this.#nextWanted < this.#wanted.length || this.#isReading || this.#isHeld || this.#changed.length > 0
  }

  /** file-transfer §7.3: a file that went whole, from its beginning. */
  #wantAgain(range: WantedRange): void {
    const { first, count, offset } = range
    const isSent = this.#sent.has(first)
    if (count !== 1 || offset !== 0 || !isSent) throw malformed('such a want')
    this.#want(range)
    this.#sent.delete(first)
    this.#at -= this.#file(first).content.size
    this.#filesSent--
  }

  #want({ first, count, offset }: WantedRange): void {
    if (count === 0) throw malformed('such a want')
    let index: number | undefined = first
    for (let left = count; left > 0; left--) {
      if (index === undefined) throw malformed('to want more files than there are')
      const { content } = this.#file(index)
      if (content.size === 0 || offset > content.size || (offset > 0 && count > 1)) throw malformed('such a want')
      const times = (this.#timesWanted.get(index) ?? 0) + 1
      if (times > MAX_WANTED) throw malformed('to want a file so often')
      this.#timesWanted.set(index, times)
      this.#wanted.push({ index, offset })
      index = nextFile(this.#source.entries, index)
    }
  }

  #missingBytes(): number {
    return this.#wanted.reduce((sum, { index, offset }) => sum + this.#file(index).content.size - offset, 0)
  }

  /** Sends what is wanted, and what is wanted later, until it is over. */
  async #send(): Promise<void> {
    while (!this.#isStopped()) {
      const wanted = this.#wanted[this.#nextWanted]
      if (wanted !== undefined) {
        this.#nextWanted++
        await this.#sendFile(wanted)
        continue
      }
      await this.#flush()
      // file-transfer §7.4: what is skipped cannot become whole.
      if (this.#changed.length > 0) throw changed(this.#changed)
      if (this.#nextWanted < this.#wanted.length) continue
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** A method, since the field may have changed during an await. */
  #isStopped(): boolean {
    return this.#isOver
  }

  async #sendFile({ index, offset }: Wanted): Promise<void> {
    const entry = this.#file(index)
    this.#tellFile(entry.path)
    this.#isReading = true
    const file = await this.#source.open(index).catch(() => undefined)
    try {
      const hash = file === undefined ? undefined : await hashPrefix(file.read, offset).catch(() => undefined)
      if (file === undefined || hash === undefined) return await this.#skip(index, entry)
      const sha256 = offset === 0 ? undefined : hash.digest()
      // The receiver may have all of it already.
      if (offset === entry.content.size) this.#finished(index)
      await this.#put(encodeMessage({ type: 'file', index, offset, sha256 }))
      for (let at = offset; at < entry.content.size;) {
        const bytes = await file.read(at, Math.min(DATA_BYTES, entry.content.size - at)).catch(() => new Uint8Array(0))
        if (this.#isStopped()) return
        hash.update(bytes)
        at += bytes.length
        const isLast = at === entry.content.size
        if (bytes.length === 0 || (isLast && !equalBytes(hash.digest(), entry.content.sha256)))
          return await this.#skip(index, entry)
        this.#at += bytes.length
        this.#sentBytes += bytes.length
        if (isLast) this.#finished(index)
        await this.#put(encodeMessage({ type: 'data', bytes }))
      }
    } finally {
      await file?.close()
    }
  }

  /** Nothing is to be read of it any more: what is left of it is written next. */
  #finished(index: number): void {
    this.#isReading = false
    this.#sent.add(index)
    this.#filesSent++
  }

  async #skip(index: number, { path }: SetFile): Promise<void> {
    this.#changed.push(path)
    await this.#put(encodeMessage({ type: 'skip', index }))
  }

  #tellFile(path: string): void {
    this.#watcher.file?.({ path, before: this.#filesBefore, all: this.#fileCount })
  }

  #file(index: number): SetFile {
    const entry = this.#source.entries[index]
    if (entry?.kind !== 'file') throw malformed(`no file has the index ${index}`)
    return entry
  }

  /** With others in one write. */
  async #put(message: Uint8Array): Promise<void> {
    this.#isHeld = true
    this.#batch.push(message)
    this.#batchBytes += message.length
    if (this.#batchBytes >= HEADS_BYTES) await this.#flush()
  }

  async #flush(): Promise<void> {
    const batch = this.#batch
    if (batch.length === 0) return
    this.#batch = []
    this.#batchBytes = 0
    const at = this.#at
    const files = this.#filesBefore + this.#filesSent
    await this.#watcher.mayWrite(at)
    if (this.#isStopped()) return
    const writing = this.#write(Buffer.concat(batch))
    // From here on, the other side may have it.
    this.#isHeld = false
    await writing
    this.#watcher.sent(at, { ofConnection: this.#written, files })
  }

  async #next(): Promise<Message> {
    let message: Message | undefined
    try {
      message = await this.#reader.next()
    } catch (error) {
      throw error instanceof TransferError ? error : lost(error)
    }
    if (message === undefined) throw new ConnectionLost('ECONNRESET', 'the other side ended the connection')
    if (message.type === 'error') throw remote(message.code, message.reason)
    return message
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await writeTo(this.#socket, bytes)
    this.#written += bytes.length
  }
}

/** file-transfer §8.1: a receiver of before there were sets says that it does not know the offer's field. */
function remote(code: TransferError['reason'], reason: string): TransferError {
  const advice =
    code === 'UNSUPPORTED'
      ? '; send files one by one, or an archive: tar c FOLDER | keysock send - PUBKEY --name NAME.tar'
      : ''
  return new TransferError(code, reason + advice, { isRemote: true })
}

function changed(paths: readonly string[]): TransferError {
  const told = paths.slice(0, MAX_CHANGED_TOLD).join(', ')
  const more = paths.length > MAX_CHANGED_TOLD ? ` and ${paths.length - MAX_CHANGED_TOLD} more` : ''
  return new TransferError('CHANGED', `${told}${more} changed while it was sent; the same command sends what is left`)
}
