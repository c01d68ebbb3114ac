import { AsyncResource } from 'node:async_hooks'
import { SEND_BUFFER_BYTES, WRITE_PIECE_BYTES } from '../limits.ts'
import type { ConnectionHandle } from '../driver/connection-handle.ts'
import { inContext } from './in-context.ts'

export type Callback = (error?: Error | null) => void

/** To be called in the context of now. */
function bound(callback: Callback): Callback {
  return inContext(new AsyncResource('KEYSOCK_WRITE'), callback)
}

/** A chunk that was not handed to the connection as a whole. */
interface PendingWrite {
  readonly data: Uint8Array
  /** Nobody else will write into `data`. */
  readonly owned: boolean
  readonly callback: Callback
  handedBytes: number
}

/**
 * Between a stream's `_write` and a connection: hands on what there is room for, and calls back when all of it is
 * handed on. What is written before 'connect' is early data.
 */
export class WriteBuffer {
  /** Bytes of writes that were called back. */
  takenBytes = 0
  readonly #earlyMark: number
  #earlyBytes = 0
  #pending: PendingWrite | undefined
  /** Waits for 'connect': the callback of a write that reached the mark, or of `_final`. */
  #onceConnected: Callback | undefined

  /** `earlyMark`: bytes before 'connect' from which on callbacks wait for that. */
  constructor(earlyMark: number) {
    this.#earlyMark = earlyMark
  }

  /** A write was not handed on as a whole. */
  get isWaiting(): boolean {
    return this.#pending !== undefined
  }

  put(data: Uint8Array, options: { readonly owned: boolean; readonly callback: Callback }): void {
    // Called back in the context of the write, whoever's packet makes room for it.
    this.#pending = { data, owned: options.owned, callback: bound(options.callback), handedBytes: 0 }
  }

  /** True if anything was handed on. */
  handOn(handle: ConnectionHandle, connecting: boolean): boolean {
    const pending = this.#pending
    if (pending === undefined) return false
    const { data, owned } = pending
    const before = pending.handedBytes
    while (pending.handedBytes < data.length) {
      if (handle.unsentBytes >= handle.sendAheadBytes || handle.bufferedBytes >= SEND_BUFFER_BYTES) {
        return pending.handedBytes > before
      }
      const end = Math.min(pending.handedBytes + WRITE_PIECE_BYTES, data.length)
      const piece = data.subarray(pending.handedBytes, end)
      pending.handedBytes = end
      handle.write(owned ? piece : new Uint8Array(piece))
    }
    this.#pending = undefined
    const callback: Callback = (failure) => {
      this.takenBytes += data.length
      pending.callback(failure)
    }
    if (connecting) this.#earlyBytes += data.length
    // As in net, 'drain' never comes before 'connect'.
    if (connecting && this.#earlyBytes >= this.#earlyMark) this.#onceConnected = callback
    else callback()
    return true
  }

  onceConnected(callback: Callback): void {
    this.#onceConnected = bound(callback)
  }

  connected(): void {
    const callback = this.#onceConnected
    this.#onceConnected = undefined
    callback?.()
  }

  /** Gives up; the result tells whoever's write was not handed on as a whole, or still waits for 'connect'. */
  cut(): Callback | undefined {
    const callback = this.#pending?.callback ?? this.#onceConnected
    this.#pending = undefined
    this.#onceConnected = undefined
    return callback
  }
}
