import type { PathRequest, PathResult } from '../../medium/reply-path.ts'
import { BackendError, type Backend } from '../backend.ts'
import { MAX_PATHS } from './bounds.ts'
import type { Owner } from './connections.ts'

/** A program, as reply paths know it. */
export interface PathMaker extends Owner {
  readonly paths: Set<string>
  /** Asked for, and not made yet. */
  pathsToCome: number
}

/** Reply paths of all programs: who made which, so many each, and nobody closes another's. */
export class PathOwners<Client extends PathMaker> {
  readonly #backend: Pick<Backend, 'makePaths' | 'closePaths'>
  readonly #owners = new Map<string, Client>()

  constructor(backend: Pick<Backend, 'makePaths' | 'closePaths'>) {
    this.#backend = backend
  }

  of(pathId: string): Client | undefined {
    return this.#owners.get(pathId)
  }

  /** @throws BackendError 'bad-request' for more than its share; and as the backend's `makePaths` */
  async make(client: Client, request: PathRequest): Promise<PathResult> {
    const taken = client.paths.size + client.pathsToCome
    if (taken + request.count > MAX_PATHS)
      throw new BackendError('bad-request', `${taken} paths are open; close some first`)
    client.pathsToCome += request.count
    let made: PathResult
    try {
      made = await this.#backend.makePaths(request)
    } finally {
      client.pathsToCome -= request.count
    }
    const pathIds = made.paths.map(({ pathId }) => pathId)
    if (client.isGone) await this.#backend.closePaths(pathIds)
    else this.#own(client, pathIds)
    return made
  }

  async close(client: Client, pathIds: readonly string[]): Promise<void> {
    const own = pathIds.filter((pathId) => client.paths.delete(pathId))
    for (const pathId of own) this.#owners.delete(pathId)
    if (own.length > 0) await this.#backend.closePaths(own)
  }

  /** Forgets what a program had, which is to be closed. */
  leave(client: Client): readonly string[] {
    const pathIds = [...client.paths]
    for (const pathId of pathIds) this.#owners.delete(pathId)
    client.paths.clear()
    return pathIds
  }

  #own(client: Client, pathIds: readonly string[]): void {
    for (const pathId of pathIds) {
      client.paths.add(pathId)
      this.#owners.set(pathId, client)
    }
  }
}
