import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { equalBytes } from '../../floor/bytes.ts'
import { codeOf, messageOf, TransferError } from './errors.ts'
import { runningHash, type RunningHash } from './file-content.ts'
import { isSameContent, type TransferOffer } from './messages.ts'
import type { Part, Storage } from './storage.ts'
import { orAborted } from './waiting.ts'

/**
 * One output stream, for one transfer. What was written cannot be taken back: a connection that is lost is
 * continued where it stopped, or not at all.
 */
export class StreamStorage implements Storage {
  readonly #output: Writable
  #part: StreamPart | undefined

  constructor(output: Writable) {
    this.#output = output
    // The error reaches whoever writes.
    output.on('error', () => undefined)
  }

  find(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  parts(offer: TransferOffer): Promise<readonly Part[]> {
    const part = this.#part
    if (part === undefined || (!part.isUsed && part.size === 0)) return Promise.resolve([])
    return !part.isUsed && part.offer.name === offer.name && isSameContent(part.offer.content, offer.content)
      ? Promise.resolve([part])
      : Promise.reject(busy())
  }

  create(offer: TransferOffer): Promise<Part> {
    if (this.#part !== undefined && (this.#part.isUsed || this.#part.size > 0)) return Promise.reject(busy())
    this.#part = new StreamPart(this.#output, offer)
    return Promise.resolve(this.#part)
  }

  room(): Promise<number> {
    return Promise.resolve(Infinity)
  }
}

function busy(): TransferError {
  return new TransferError('BUSY', 'the receiver is in the middle of another stream')
}

class StreamPart implements Part {
  readonly offer: TransferOffer
  isUsed = true
  readonly #output: Writable
  readonly #hash: RunningHash = runningHash()
  #size = 0

  constructor(output: Writable, offer: TransferOffer) {
    this.#output = output
    this.offer = offer
  }

  get size(): number {
    return this.#size
  }

  continueFrom(offset: number, sha256: Uint8Array): Promise<boolean> {
    const fits = !this.isUsed && offset === this.#size && equalBytes(this.digest(), sha256)
    if (fits) this.isUsed = true
    return Promise.resolve(fits)
  }

  async append(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const output = this.#output
    try {
      // A former connection may have filled it, and gone while nobody read.
      if (output.writableNeedDrain) await drained(output, signal)
      if (output.destroyed || output.errored !== null) throw output.errored ?? new Error('it is closed')
      this.#hash.update(bytes)
      this.#size += bytes.length
      if (!output.write(bytes)) await drained(output, signal)
    } catch (error) {
      signal.throwIfAborted()
      throw unwritten(error)
    }
  }

  digest(): Uint8Array {
    return this.#hash.digest()
  }

  async finish(signal: AbortSignal): Promise<string> {
    const written = new Promise<void>((resolve, reject) => {
      this.#output.write('', (error) => {
        if (error === null || error === undefined) resolve()
        else reject(unwritten(error))
      })
    })
    await orAborted(written, signal)
    return '-'
  }

  suspend(): Promise<void> {
    this.isUsed = false
    return Promise.resolve()
  }

  discard(): Promise<void> {
    this.isUsed = false
    return Promise.resolve()
  }
}

/** Resolves when the output takes more. @throws what it fails with, and the signal's reason */
async function drained(output: Writable, signal: AbortSignal): Promise<void> {
  const over = new AbortController()
  const until = { signal: over.signal }
  const closed = once(output, 'close', until).then(() => {
    throw new Error('it is closed')
  })
  try {
    await orAborted(Promise.race([once(output, 'drain', until), closed]), signal)
  } finally {
    over.abort()
  }
}

function unwritten(error: unknown): TransferError {
  return new TransferError('STORAGE', `the receiver cannot write: ${codeOf(error)}`, { cause: messageOf(error) })
}
