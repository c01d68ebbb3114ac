import type { Backend, NodeInfo } from '../../backends/backend.ts'

/** This endpoint's node: its backend, and what is known of it now. */
export class OwnNode {
  readonly backend: Backend
  /** 33 bytes. */
  readonly publicKey: Uint8Array
  #blockHeight: number
  #isOnline = true

  constructor(backend: Backend, info: NodeInfo) {
    this.backend = backend
    this.publicKey = info.publicKey
    this.#blockHeight = info.blockHeight
  }

  get blockHeight(): number {
    return this.#blockHeight
  }

  /** False while the node is away: nothing is sent then. */
  get isOnline(): boolean {
    return this.#isOnline
  }

  setBlockHeight(height: number): void {
    this.#blockHeight = height
  }

  /** False where that is known already. */
  setOnline(isOnline: boolean): boolean {
    if (isOnline === this.#isOnline) return false
    this.#isOnline = isOnline
    return true
  }
}
