import type { PathResult } from '../../medium/reply-path.ts'
import { type Backend, BackendError } from '../../backends/backend.ts'
import type { Demultiplexer } from './demultiplexer.ts'
import type { DrivenConnection } from './driven-connection.ts'
import { messageOf } from '../errors.ts'
import { FEWEST_CANDIDATES, PATH_LIFETIME_BLOCKS } from '../limits.ts'
import type { LogFields } from '../logger.ts'

/** What making paths needs of its driver. */
export interface PathOwner {
  readonly backend: Backend
  readonly demultiplexer: Demultiplexer
  readonly relays: 1 | 2
  /** False while the node is away. */
  readonly isOnline: boolean
  now(): number
  touch(link: DrivenConnection): void
  warn(code: string, message: string): void
  debug(fields: LogFields, message: string): void
  stopped(): boolean
}

/** Reply paths: asked of the backend for a connection, and which connection each belongs to. */
export class PathMaker {
  readonly #owner: PathOwner
  #warnedOf = Infinity
  /** Connections that asked while the node was away, with how many paths they want. */
  readonly #waiting: Map<DrivenConnection, number> = new Map()

  constructor(owner: PathOwner) {
    this.#owner = owner
  }

  make(link: DrivenConnection, count: number): void {
    const { remoteKey } = link
    if (remoteKey === undefined) {
      link.connection.pathsFailed(
        this.#owner.now(),
        'the side that answers makes no paths: it does not know who would pay',
      )
      return this.#owner.touch(link)
    }
    this.#owner.backend
      .makePaths({ count, payer: remoteKey, relays: this.#owner.relays, lifetimeBlocks: PATH_LIFETIME_BLOCKS })
      .then(
        (result) => this.#made(link, result),
        (error: unknown) => {
          if (this.#owner.stopped()) return
          this.#owner.debug({ connection: link.id, reason: messageOf(error) }, 'no reply paths')
          const isAway = error instanceof BackendError && error.code === 'offline' && !this.#owner.isOnline
          if (isAway) return void this.#waiting.set(link, count)
          link.connection.pathsFailed(this.#owner.now(), messageOf(error))
          this.#owner.touch(link)
        },
      )
  }

  /** The node is back: whoever asked meanwhile gets paths now. */
  online(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const [link, count] of waiting) if (!link.isClosed) this.make(link, count)
  }

  /** Nobody pays over these any more. */
  close(pathIds: readonly string[]): void {
    for (const pathId of pathIds) this.#owner.demultiplexer.removePath(pathId)
    this.#owner.backend.closePaths(pathIds).catch((error: unknown) => {
      if (!this.#owner.stopped()) this.#owner.debug({ reason: messageOf(error) }, 'paths were not closed')
    })
  }

  /** The backend says that these stopped to work, or will. */
  stale(pathIds: readonly string[]): void {
    const byLink = new Map<DrivenConnection, string[]>()
    for (const pathId of pathIds) {
      const link = this.#owner.demultiplexer.byPath(pathId)
      if (link === undefined) continue
      const ids = byLink.get(link)
      if (ids === undefined) byLink.set(link, [pathId])
      else ids.push(pathId)
    }
    for (const [link, ids] of byLink) {
      link.connection.pathsStale(this.#owner.now(), ids)
      this.#owner.touch(link)
    }
  }

  #made(link: DrivenConnection, { paths, candidates }: PathResult): void {
    if (this.#owner.stopped()) return
    if (link.isClosed) return this.close(paths.map(({ pathId }) => pathId))
    for (const { pathId } of paths) this.#owner.demultiplexer.addPath(pathId, link)
    link.candidates = candidates
    this.#warn(candidates)
    link.connection.providePaths(this.#owner.now(), paths)
    this.#owner.touch(link)
  }

  /** spec §9.5: once for each number that is worse than what was warned of before. */
  #warn(candidates: number): void {
    if (candidates >= FEWEST_CANDIDATES || candidates >= this.#warnedOf) return
    this.#warnedOf = candidates
    this.#owner.warn(
      'ERR_KEYSOCK_FEW_CANDIDATES',
      `the other side can tell from the public graph ${candidates === 1 ? 'which node this is' : `that this node is one of ${candidates}`}; a channel with a node that has more channels hides it better`,
    )
  }
}
