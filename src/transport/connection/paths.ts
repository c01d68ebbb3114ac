import type { ReplyPathsFrame } from '../../wire/frames.ts'
import type { ReplyPath } from '../../medium/reply-path.ts'
import type { PacketTarget } from './interface.ts'
import { MAX_OWN_GENERATIONS, MAX_PEER_GENERATIONS, MAX_PEER_PATHS, OWN_GENERATIONS, PATH_DRAIN_MS } from './limits.ts'

interface PeerGeneration {
  readonly generation: number
  readonly paths: ReplyPathsFrame['paths']
}

/** The paths that the peer gave us to pay over (spec §9.2). */
export class PeerPaths {
  // Newest first.
  #generations: PeerGeneration[] = []
  #target: PacketTarget | undefined

  get isEmpty(): boolean {
    return this.#generations.length === 0
  }

  /** True when the set is newer than what is known. */
  learn(frame: ReplyPathsFrame): boolean {
    const newest = this.#generations[0]
    if (newest !== undefined && frame.generation <= newest.generation) return false
    const paths = frame.paths.map((path) => ({ bytes: path.bytes.slice(), expiryHeight: path.expiryHeight }))
    this.#generations.unshift({ generation: frame.generation, paths })
    let kept = 0
    this.#generations = this.#generations.filter((each, index) => {
      kept += each.paths.length
      return index < MAX_PEER_GENERATIONS && kept <= MAX_PEER_PATHS
    })
    this.#target = undefined
    return true
  }

  /** Paths whose time is over go; the newest generation that has one left is the target. */
  target(height: number): PacketTarget | undefined {
    if (this.#target !== undefined) return this.#target
    for (const { generation, paths } of this.#generations) {
      const live = paths.filter((path) => path.expiryHeight > height)
      if (live.length === 0) continue
      this.#target = { lane: 'phantom', generation, paths: live }
      return this.#target
    }
    return undefined
  }

  /** The height moved. */
  refresh(): void {
    this.#target = undefined
  }
}

interface OwnGeneration {
  readonly generation: number
  readonly paths: readonly ReplyPath[]
  /** The height at which half of its life is over. */
  readonly renewAt: number
  /** A packet came over it at this time. */
  usedAt: number | undefined
}

/** Our own paths, that the peer pays over (spec §9.3, §9.4). */
export class OwnPaths {
  // Newest first.
  #generations: OwnGeneration[] = []
  #next = 1
  /** The newest generation that a packet came over: the peer may know no newer one. */
  #inUse = 0

  get newest(): OwnGeneration | undefined {
    return this.#generations[0]
  }

  owns(pathId: string): boolean {
    return this.#generations.some((each) => each.paths.some((path) => path.pathId === pathId))
  }

  provide(paths: readonly ReplyPath[], height: number): void {
    const expiry = Math.min(...paths.map((path) => path.expiryHeight))
    const renewAt = height + Math.max(1, Math.floor((expiry - height) / 2))
    this.#generations.unshift({ generation: this.#next++, paths, renewAt, usedAt: undefined })
  }

  frame(): ReplyPathsFrame | undefined {
    const newest = this.#generations[0]
    if (newest === undefined) return undefined
    const paths = newest.paths.map(({ bytes, expiryHeight }) => ({ bytes, expiryHeight }))
    return { type: 'reply-paths', generation: newest.generation, paths }
  }

  /** A packet came over this path. */
  used(now: number, pathId: string): void {
    const newest = this.#generations[0]
    if (newest === undefined || newest.usedAt !== undefined) return
    if (this.#generations.length === 1) {
      this.#inUse = newest.generation
      return
    }
    const found = this.#generations.find((each) => each.paths.some((path) => path.pathId === pathId))
    if (found === newest) newest.usedAt = now
    if (found !== undefined) this.#inUse = Math.max(this.#inUse, found.generation)
  }

  /** When replaced paths can be given up; undefined: not foreseeable. */
  get drainAt(): number | undefined {
    const usedAt = this.#generations[0]?.usedAt
    if (usedAt === undefined || this.#generations.length <= OWN_GENERATIONS + 1) return undefined
    return usedAt + PATH_DRAIN_MS
  }

  /** Takes out what is not needed any more (spec §9.3); ids for 'close-paths'. */
  drain(now: number, height: number): string[] {
    const drained = this.drainAt !== undefined && this.drainAt <= now
    const gone = this.#generations.filter((each, age) => {
      const expired = each.paths.every((path) => path.expiryHeight <= height)
      return age > 0 && (expired || (drained && age > OWN_GENERATIONS))
    })
    const kept = this.#generations.filter((each) => !gone.includes(each))
    while (kept.length > MAX_OWN_GENERATIONS) {
      const oldest = kept.findLastIndex(({ generation }) => generation !== this.#inUse)
      gone.push(...kept.splice(oldest, 1))
    }
    this.#generations = kept
    return gone.flatMap((each) => each.paths.map((path) => path.pathId))
  }

  /** Takes all out: the connection is over. */
  close(): string[] {
    const ids = this.#generations.flatMap((each) => each.paths.map((path) => path.pathId))
    this.#generations = []
    return ids
  }
}
