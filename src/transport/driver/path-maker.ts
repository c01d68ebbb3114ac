import { BackendError } from '../../backends/backend.ts'
import type { PathRequest, PathResult, RelayWish, ReplyPath } from '../../medium/reply-path.ts'
import type { ConnectionFailure } from '../connection/interface.ts'
import { messageOf } from '../errors.ts'
import { MAX_AVOIDED_GUARDS, MAX_PATH_TRIES, MIN_CANDIDATES, PATH_LIFETIME_BLOCKS, PATHS_TRY_MS } from '../limits.ts'
import type { Connections } from './connections.ts'
import type { DrivenConnection } from './driven-connection.ts'
import type { Guards } from './guards.ts'
import type { Isolations } from './isolations.ts'
import type { OwnNode } from './own-node.ts'
import type { Runtime } from './runtime.ts'

interface PathMakerParts {
  readonly runtime: Runtime
  readonly node: OwnNode
  readonly connections: Connections
  readonly isolations: Pick<Isolations, 'unnamed'>
  /** Blinded relays before this node. */
  readonly relays: RelayWish
  /** What a packet to this process may cost the other side, msat (spec §9.6). */
  readonly maxPathCostMsat: bigint
}

/** Reply paths: asked of the backend for a connection, and which connection each belongs to. */
export class PathMaker {
  readonly #parts: PathMakerParts
  #warnedOf = Infinity
  /** Over which relays each connection's paths led, the last ones. */
  readonly #guardsOf: WeakMap<DrivenConnection, readonly (readonly string[])[]> = new WeakMap()
  /** Connections that asked while the node was away, with how many paths they want. */
  readonly #waiting: Map<DrivenConnection, number> = new Map()

  constructor(parts: PathMakerParts) {
    this.#parts = parts
  }

  make(connection: DrivenConnection, count: number, isSilent = false): void {
    if (isSilent) this.#silent(connection)
    this.#make(connection, count, MAX_PATH_TRIES)
  }

  /**
   * What a path for this payer would be now: one is made as for a connection, and closed again. Nobody sees it, so that
   * nobody learns from it. @throws BackendError
   */
  async look(payer: Uint8Array): Promise<Omit<PathResult, 'paths'>> {
    const { relays, maxPathCostMsat: maxCostMsat, isolations } = this.#parts
    const request = { count: 1, payer, relays, maxCostMsat, lifetimeBlocks: PATH_LIFETIME_BLOCKS }
    const { paths, ...path } = await this.#ask(isolations.unnamed.guards, request)
    this.close(paths.map(({ pathId }) => pathId))
    return path
  }

  #make(connection: DrivenConnection, count: number, triesLeft: number): void {
    const { runtime, node, relays, maxPathCostMsat: maxCostMsat } = this.#parts
    const { remoteKey, isolation } = connection
    if (remoteKey === undefined) {
      return connection.pathsFailed('the side that answers makes no paths: it does not know who would pay')
    }
    const request = { count, payer: remoteKey, relays, maxCostMsat, lifetimeBlocks: PATH_LIFETIME_BLOCKS }
    this.#ask(isolation.guards, request).then(
      (result) => this.#made(connection, result),
      (error: unknown) => {
        if (runtime.isStopped) return
        runtime.debug({ connection: connection.id, reason: messageOf(error) }, 'no reply paths')
        const isAway = error instanceof BackendError && error.code === 'offline'
        if (isAway && !node.isOnline) this.#waiting.set(connection, count)
        else if (isAway && triesLeft > 1) this.#makeLater(connection, count, triesLeft - 1)
        else connection.pathsFailed(messageOf(error))
      },
    )
  }

  /** The node is there, and a part of it is not yet: a busy one is slow to give what paths need. */
  #makeLater(connection: DrivenConnection, count: number, triesLeft: number): void {
    const { deadlines } = this.#parts.runtime
    const again = deadlines.add(() => {
      if (!connection.isClosed) this.#make(connection, count, triesLeft)
    })
    deadlines.set(again, this.#parts.runtime.now() + PATHS_TRY_MS)
  }

  /** Over another guard than those that brought nothing, where there is one (spec §9.5). */
  async #ask(guards: Guards, request: PathRequest): Promise<PathResult> {
    const { backend } = this.#parts.node
    const { avoided } = guards
    if (avoided === undefined) return backend.makePaths(request)
    try {
      return await backend.makePaths({ ...request, avoidGuards: avoided })
    } catch (error) {
      if (!(error instanceof BackendError && error.code === 'no-path')) throw error
      guards.forgive()
      return this.#ask(guards, request)
    }
  }

  // What was delivered had no answer over the paths that this connection has.
  #silent(connection: DrivenConnection): void {
    const guards = this.#guardsOf.get(connection)?.at(-1)
    if (guards === undefined || !connection.isolation.guards.silent(this.#parts.runtime.now(), guards)) return
    this.#parts.runtime.debug({ guards: guards.join(' and ') }, 'nothing comes over these relays: replies take others')
  }

  /** Something authentic came over this path. */
  heard(pathId: string): void {
    const { runtime, connections } = this.#parts
    connections.byPath(pathId)?.isolation.guards.heard(runtime.now(), pathId)
  }

  /** Why a connection ended, with the nodes over which nothing came, where that may be the cause. */
  explain(connection: DrivenConnection, failure: ConnectionFailure | undefined): ConnectionFailure | undefined {
    const guards = this.#guardsOf.get(connection)
    if (failure?.code !== 'ETIMEDOUT' || guards === undefined || connection.stats.packetsReceived > 0) return failure
    const nodes = guards.map((chain) => chain.join(' and ')).join(', then ')
    const message = `${failure.message}. Answers were to come over ${nodes}; a node there that passes nothing on looks the same`
    return { ...failure, message }
  }

  /** The node is back: whoever asked meanwhile gets paths now. */
  online(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const [connection, count] of waiting) if (!connection.isClosed) this.make(connection, count)
  }

  /** Nobody pays over these any more. */
  close(pathIds: readonly string[]): void {
    const { runtime, node, connections } = this.#parts
    for (const pathId of pathIds) {
      connections.byPath(pathId)?.isolation.guards.closed(pathId)
      connections.removePath(pathId)
    }
    node.backend.closePaths(pathIds).catch((error: unknown) => {
      if (!runtime.isStopped) runtime.debug({ reason: messageOf(error) }, 'paths were not closed')
    })
  }

  /** The backend says that these stopped to work, or will. */
  stale(pathIds: readonly string[]): void {
    const byConnection = new Map<DrivenConnection, string[]>()
    for (const pathId of pathIds) {
      const connection = this.#parts.connections.byPath(pathId)
      if (connection === undefined) continue
      const ids = byConnection.get(connection)
      if (ids === undefined) byConnection.set(connection, [pathId])
      else ids.push(pathId)
    }
    for (const [connection, ids] of byConnection) connection.pathsStale(ids)
  }

  /** The backend has read the graph by now. */
  counted(pathIds: readonly string[], candidates: number): void {
    const makers = new Set(pathIds.map((pathId) => this.#parts.connections.byPath(pathId)))
    for (const connection of makers) if (connection !== undefined) this.#count(connection, candidates)
  }

  #made(connection: DrivenConnection, { paths, relays, costMsat, candidates, fits, guards }: PathResult): void {
    if (this.#parts.runtime.isStopped) return
    if (connection.isClosed) return this.close(paths.map(({ pathId }) => pathId))
    for (const { pathId } of paths) this.#parts.connections.addPath(pathId, connection)
    if (guards !== undefined) this.#over(connection, paths, guards)
    if (candidates !== undefined) this.#count(connection, candidates, fits)
    connection.setRelays(relays)
    connection.providePaths(paths, costMsat)
  }

  #count(connection: DrivenConnection, candidates: number, fits?: boolean): void {
    connection.setCandidates(candidates)
    this.#warn(candidates, fits)
  }

  #over(connection: DrivenConnection, paths: readonly ReplyPath[], guards: readonly string[]): void {
    connection.isolation.guards.made(
      paths.map(({ pathId }) => pathId),
      guards,
    )
    const before = this.#guardsOf.get(connection) ?? []
    if (before.at(-1)?.join() !== guards.join())
      this.#guardsOf.set(connection, [...before, guards].slice(-MAX_AVOIDED_GUARDS))
  }

  /** spec §9.5: once for each number that is worse than what was warned of before. */
  #warn(candidates: number, fits = true): void {
    if ((fits && candidates >= MIN_CANDIDATES) || candidates >= this.#warnedOf) return
    this.#warnedOf = candidates
    const one = candidates === 1 ? 'which node this is' : `that this node is one of ${candidates}`
    const atMost = ' at most, and who knows how guards are chosen may exclude most of them'
    this.#parts.runtime.warn(
      'ERR_KEYSOCK_FEW_CANDIDATES',
      `the other side can tell from the public graph ${one}${fits || candidates === 1 ? '' : atMost}; a channel with a node that has more channels hides it better`,
    )
  }
}
