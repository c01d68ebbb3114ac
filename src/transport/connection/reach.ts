import type { ReplyPathsFrame } from '../../wire/frames.ts'
import type { PacketTarget } from './interface.ts'
import { PeerPaths } from './paths.ts'

/** How packets get to the peer: by its node key, or over the paths that it gave. */
export class Reach {
  /** The peer by its node key, on either lane; undefined: reply paths only. */
  readonly #node: Extract<PacketTarget, { publicKey: Uint8Array }> | undefined
  readonly #paths: PeerPaths = new PeerPaths()
  /** The block height now. */
  height: number

  constructor(node: Extract<PacketTarget, { publicKey: Uint8Array }> | undefined, height: number) {
    this.#node = node
    this.height = height
  }

  /** Where packets go now; undefined: nowhere (spec §9.8). */
  get target(): PacketTarget | undefined {
    return this.#paths.target(this.height) ?? this.#node
  }

  /** Packets on the phantom lane go over paths that this connection alone has. */
  get hasPaths(): boolean {
    return this.#paths.target(this.height) !== undefined
  }

  /** Packets go to the phantom of the responder's node (spec §2.9). */
  get isUnblinded(): boolean {
    return this.#node?.lane === 'phantom'
  }

  /** Paths that the peer gave. True when they are newer than what is known. */
  learn(frame: ReplyPathsFrame): boolean {
    return this.#paths.learn(frame)
  }

  /** A block came. */
  block(height: number): void {
    this.height = height
    this.#paths.refresh()
  }
}
