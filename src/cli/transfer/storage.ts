import type { TransferOffer } from './messages.ts'
import type { SetEntry } from './set-list.ts'

/** Where what arrives is kept. */
export interface Storage {
  /** Where the offered file is, complete, if it is there already (file-transfer §2.4). @throws the signal's reason */
  find(offer: TransferOffer, signal: AbortSignal): Promise<string | undefined>
  /**
   * Parts that may hold the beginning of what is offered and that nothing writes, the longest first.
   * @throws TransferError BUSY, STORAGE
   */
  parts(offer: TransferOffer): Promise<readonly Part[]>
  /** An empty part, taken. @throws TransferError BUSY, STORAGE */
  create(offer: TransferOffer): Promise<Part>
  /**
   * The place of a set of which this is the list, for one connection until it leaves it; undefined where only one file
   * or stream goes. @throws TransferError BUSY, NO_SPACE, STORAGE, and the signal's reason
   */
  openSet?(entries: readonly SetEntry[], signal: AbortSignal): Promise<SetStorage>
  /** How many bytes more would fit. @throws TransferError STORAGE */
  room(): Promise<number>
}

/**
 * What is there of a transfer, and can be continued. One transfer at a time has taken it: from `create` or
 * `continueFrom` until it is finished, suspended or discarded.
 */
export interface Part {
  /** Bytes that are there. */
  readonly size: number
  /**
   * Takes it where these are its first bytes, by their SHA-256; they are all that it holds from then on. False where
   * they are others, or another transfer took it. @throws TransferError STORAGE, and the signal's reason
   */
  continueFrom(offset: number, sha256: Uint8Array, signal: AbortSignal): Promise<boolean>
  /** Resolves when there is room for more. @throws TransferError NO_SPACE, STORAGE; the signal's reason */
  append(bytes: Uint8Array, signal: AbortSignal): Promise<void>
  /** SHA-256 of all of it. */
  digest(): Uint8Array
  /**
   * Gives it its name: `where` it is now, for a person (file-transfer §3.3). Nothing else may be called afterwards.
   * @throws TransferError EXISTS, NO_SPACE, STORAGE; where it takes long, the signal's reason: it is still taken then
   */
  finish(signal: AbortSignal): Promise<string>
  /** Keeps it for later. */
  suspend(): Promise<void>
  /** Drops it: it is not what was promised. */
  discard(): Promise<void>
}

/** Where the files of a set are kept (file-transfer §7.5). */
export interface SetStorage {
  /** Files that are not there, by their index in the list: so many bytes of each are. */
  readonly missing: ReadonlyMap<number, number>
  /**
   * An empty part of a file, taken, or with an offset the part that is there. Undefined where that has other bytes.
   * @throws TransferError STORAGE, and the signal's reason
   */
  begin(
    index: number,
    from: { readonly offset: number; readonly sha256: Uint8Array | undefined; readonly signal: AbortSignal },
  ): Promise<Part | undefined>
  /**
   * All files are there: gives folders their names. Where they and the single files are now, in the order of the list.
   * @throws TransferError EXISTS, STORAGE
   */
  finish(): Promise<readonly string[]>
  /** Keeps what is not whole for later. */
  leave(): Promise<void>
}
