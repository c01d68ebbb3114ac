import { NONE } from '../../floor/light.ts'
import { concat, fromText, toText } from '../../floor/bytes.ts'
import type { ReplyPathsFrame } from '../../wire/frames.ts'
import type { ReplyPath } from '../../medium/reply-path.ts'
import type { PacketTarget } from './interface.ts'
import { MAX_OWN_GENERATIONS, MAX_PEER_GENERATIONS, MAX_PEER_PATHS, OWN_GENERATIONS, PATH_DRAIN_MS } from './limits.ts'

/** Paths of one REPLY_PATHS: held as long as they are paid over, and looked at when routes are searched. */
class PeerGeneration {
  readonly generation: number
  /** Of the path that lasts the longest. */
  readonly expiryHeight: number
  readonly #text: string
  /** Of each path where it ends in the text, then of each its expiry. */
  readonly #ends: readonly number[]

  constructor({ generation, paths }: ReplyPathsFrame) {
    this.generation = generation
    this.expiryHeight = Math.max(...paths.map((path) => path.expiryHeight))
    this.#text = toText(concat(...paths.map((path) => path.bytes)))
    let end = 0
    const ends = paths.map((path) => (end += path.bytes.length))
    this.#ends = ends.concat(paths.map((path) => path.expiryHeight))
  }

  get size(): number {
    return this.#ends.length / 2
  }

  /** Those that work at this height. */
  live(height: number): ReplyPathsFrame['paths'] {
    const { size } = this
    const bytes = fromText(this.#text)
    const live: { bytes: Uint8Array; expiryHeight: number }[] = []
    for (let index = 0; index < size; index++) {
      const expiryHeight = this.#ends[size + index] ?? 0
      if (expiryHeight <= height) continue
      const start = index === 0 ? 0 : this.#ends[index - 1]
      live.push({ bytes: bytes.subarray(start, this.#ends[index]), expiryHeight })
    }
    return live
  }
}

/** The paths that packets go over from a height on: made anew at each look, which is when routes are searched. */
class LivePaths {
  readonly lane = 'phantom'
  readonly #of: PeerGeneration
  readonly #height: number

  constructor(of: PeerGeneration, height: number) {
    this.#of = of
    this.#height = height
  }

  get generation(): number {
    return this.#of.generation
  }

  get paths(): ReplyPathsFrame['paths'] {
    return this.#of.live(this.#height)
  }
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
    let count = 0
    let lastsUntil = 0
    const known = [new PeerGeneration(frame)]
    const kept = known.concat(this.#generations).filter((each, index) => {
      // What does not outlast all that is newer is never used again.
      if (each.expiryHeight <= lastsUntil) return false
      lastsUntil = each.expiryHeight
      count += each.size
      return index < MAX_PEER_GENERATIONS && count <= MAX_PEER_PATHS
    })
    this.#generations = kept.slice() // with no room for more
    this.#target = undefined
    return true
  }

  /** Paths whose time is over go; the newest generation that has one left is the target. */
  target(height: number): PacketTarget | undefined {
    if (this.#target !== undefined) return this.#target
    const live = this.#generations.find((each) => each.expiryHeight > height)
    if (live !== undefined) this.#target = new LivePaths(live, height)
    return this.#target
  }

  /** The height moved. */
  refresh(): void {
    this.#target = undefined
  }
}

interface OwnGeneration {
  readonly generation: number
  readonly paths: readonly Pick<ReplyPath, 'pathId' | 'expiryHeight'>[]
  /** The height at which half of its life is over. */
  readonly renewAt: number
  /** A packet came over it at this time. */
  usedAt: number | undefined
}

/** Our own paths, that the peer pays over (spec §9.3, §9.4). */
export class OwnPaths {
  // Newest first.
  #generations: OwnGeneration[] = []
  /** Of the newest, until the peer is known to have them: they are the large part of a path. */
  #untold: readonly ReplyPath[] = NONE
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
    const names = paths.map(({ pathId, expiryHeight }) => ({ pathId, expiryHeight }))
    const fresh: OwnGeneration = { generation: this.#next++, paths: names, renewAt, usedAt: undefined }
    this.#generations = [fresh].concat(this.#generations)
    this.#untold = paths
  }

  /** The peer has the newest. */
  told(): void {
    this.#untold = NONE
  }

  /** What tells the peer of the newest; undefined: there are none, or it has them. */
  frame(): ReplyPathsFrame | undefined {
    const newest = this.#generations[0]
    if (newest === undefined || this.#untold.length === 0) return undefined
    const paths = this.#untold.map(({ bytes, expiryHeight }) => ({ bytes, expiryHeight }))
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
    if (gone.length > 0) this.#generations = kept
    return gone.flatMap((each) => each.paths.map((path) => path.pathId))
  }

  /** Takes all out: the connection is over. */
  close(): string[] {
    const ids = this.#generations.flatMap((each) => each.paths.map((path) => path.pathId))
    this.#generations = []
    this.#untold = NONE
    return ids
  }
}
